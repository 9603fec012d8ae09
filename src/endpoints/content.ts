import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Failure } from '../base/errors.js';
import type { Content, ContentHash, HashKind, WriteOptions } from './target.js';

const ALGORITHMS: Partial<Record<HashKind, string>> = { md5: 'md5', sha1: 'sha1', sha256: 'sha256' };

/** Counts and hashes bytes in transit, to verify them against the announced size and hash. */
export class ContentCheck {
  readonly #hash: Hash | undefined;
  readonly #expected: ContentHash | undefined;
  bytes = 0;

  constructor(expected: ContentHash | undefined) {
    const algorithm = expected && ALGORITHMS[expected.kind];
    this.#expected = algorithm ? expected : undefined;
    this.#hash = algorithm ? createHash(algorithm) : undefined;
  }

  /** Whether the bytes before a position must be read as well to continue there. */
  get seesAll(): boolean {
    return this.#hash !== undefined;
  }

  add(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.#hash?.update(chunk);
  }

  /** Skips bytes that need not be hashed again. */
  skip(bytes: number): void {
    this.bytes += bytes;
  }

  /** Why the bytes differ from the announced ones; undefined: they are equal. Ends the inspection. */
  fault(size: number): string | undefined {
    if (this.bytes !== size) return `${this.bytes} bytes instead of ${size}`;
    if (this.#hash && this.#hash.digest('hex') !== this.#expected!.value.toLowerCase())
      return `another ${this.#expected!.kind} than that of the source`;
    return undefined;
  }
}

/** The bytes of a content from `start` on, inspected; fails when there are more than announced. */
export async function* inspected(
  content: Content,
  start: number,
  inspection: ContentCheck,
  { size, signal, progress }: WriteOptions,
  damaged: (why: string) => Failure,
): AsyncGenerator<Buffer> {
  const stream: Readable = await content.open(start, signal);
  try {
    for await (const chunk of stream) {
      signal.throwIfAborted();
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk as Uint8Array);
      inspection.add(bytes);
      if (inspection.bytes > size) throw damaged(`more than ${size} bytes`);
      yield bytes;
      progress?.(inspection.bytes);
    }
  } finally {
    stream.destroy();
  }
}

export async function writeAll(handle: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

export const damagedAt = (target: string, path: string) => (why: string) =>
  new Failure('target-damaged', { target, path, why });
