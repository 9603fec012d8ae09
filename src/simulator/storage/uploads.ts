import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { type Given, sizeOf } from '../content/contents.js';

export interface Segment {
  readonly size: number;
  /** SHA-256 in hexadecimal. */
  readonly sha256: string;
  readonly md5: string;
  given?: Given;
}

/** A direct upload, from its announcement until a file uses it. */
export interface Upload {
  readonly uuid: string;
  readonly project: number;
  /** Index of the person who announced it. */
  readonly person: number;
  readonly filename: string;
  readonly contentType: string;
  /** Size in bytes, if announced. */
  readonly size: number | undefined;
  /** Milliseconds since the epoch, this machine's clock. */
  readonly createdAt: number;
  /** Form fields of a single upload. */
  readonly fields: Readonly<Record<string, string>>;
  /** Empty for a single upload. */
  readonly segments: readonly Segment[];
  readonly key: string;
  status: 'ready' | 'complete';
  given?: Given;
  used: boolean;
}

const WEEK_MS = 7 * 86_400_000;

/** All uploads, shared by the storage and the API. */
export class ReceivedUploads {
  /** Seconds after the announcement within which the upload must begin. */
  startWithin = 3600;
  readonly #uploads = new Map<string, Upload>();

  begin(
    project: number,
    person: number,
    asked: { filename: string; contentType: string; size: number | undefined; segments: readonly Segment[] },
  ): Upload {
    const uuid = randomUUID();
    const key = randomBytes(16).toString('hex');
    const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const upload: Upload = {
      uuid,
      project,
      person,
      ...asked,
      createdAt: Date.now(),
      fields: {
        key: `uploads/${uuid}/${key}`,
        'Content-Type': asked.contentType,
        policy: Buffer.from(JSON.stringify({ key, size: asked.size })).toString('base64'),
        'x-amz-credential': `SIMULATOR/${date.slice(0, 8)}/us-east-1/s3/aws4_request`,
        'x-amz-algorithm': 'AWS4-HMAC-SHA256',
        'x-amz-date': date,
        'x-amz-signature': createHash('sha256').update(key).digest('hex'),
      },
      key,
      status: 'ready',
      used: false,
    };
    this.#uploads.set(uuid, upload);
    return upload;
  }

  find(uuid: string): Upload | undefined {
    const upload = this.#uploads.get(uuid);
    if (upload && Date.now() - upload.createdAt > WEEK_MS) {
      this.#uploads.delete(uuid);
      return undefined;
    }
    return upload;
  }

  /** Whether the upload URLs still accept bytes. */
  isOpen(upload: Upload): boolean {
    return Date.now() - upload.createdAt < this.startWithin * 1000;
  }

  /** Joins the segments; returns false if an ETag or a segment is missing or wrong. */
  complete(upload: Upload, etags: readonly string[]): boolean {
    const { segments } = upload;
    const fits = segments.every(({ given, md5 }, i) => given && etags[i]?.replaceAll('"', '') === md5);
    if (!fits || etags.length !== segments.length) return false;
    upload.given = { parts: segments.map(({ given }) => given!) };
    upload.status = 'complete';
    return true;
  }

  sizeOf(upload: Upload): number {
    return upload.given ? sizeOf(upload.given) : 0;
  }
}
