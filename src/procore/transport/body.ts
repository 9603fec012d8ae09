import { promisify } from 'node:util';
import { constants, gunzip, gunzipSync, type ZlibOptions } from 'node:zlib';
import { Failure } from '../../base/errors.js';

/** Larger than the largest page that a server sends; a longer reply is treated as an error. */
export const LARGEST_REPLY = 128 * 1024 * 1024;

/** Content coding of a reply (RFC 9110, 8.4). */
export type ContentCoding = 'identity' | 'gzip';

/** Maximum bytes of one read from a socket. */
const ONE_READ = 64 * 1024;
const BLOCK_BYTES = 2 ** 20;
/** Compressed bytes that `head` unpacks; they cannot expand to more than a mebibyte. */
const HEAD = 1024;
const LEAST_ROOM = 16 * 1024;

/**
 * The bytes of a reply as they arrive. A large reply has 60 MB, and is never copied as a whole. The memory of its parts
 * is not shared, except in a reply that arrived in one read.
 */
export class Body {
  readonly #parts: Buffer[] = [];
  /** Free bytes of the block that contains the last part. */
  #room = 0;
  #size = 0;
  #joined: Buffer | undefined;

  constructor(readonly encoding: ContentCoding = 'identity') {}

  /** Bytes as received, before decompression. */
  get size(): number {
    return this.#size;
  }

  get parts(): readonly Buffer[] {
    return this.#parts;
  }

  add(part: Buffer): void {
    if (part.length === 0) return;
    this.#joined = undefined;
    this.#size += part.length;
    const [first] = this.#parts;
    if (first === undefined) {
      this.#parts.push(part);
      return;
    }
    const isFirstAlone = this.#room === 0 && this.#parts.length === 1 && first.length <= ONE_READ;
    if (isFirstAlone) {
      this.#parts.pop();
      this.#append(first);
    }
    if (part.length <= ONE_READ) this.#append(part);
    else {
      // A part larger than one read is already a block of a body.
      this.#parts.push(part);
      this.#room = 0;
    }
  }

  /**
   * The decompressed reply in one piece, copied if it arrived in several parts. For large compressed replies use
   * `read`.
   * @throws Failure `bad-reply`
   */
  get bytes(): Buffer {
    this.#joined ??= this.encoding === 'gzip' ? decompressed(this.#whole) : this.#whole;
    return this.#joined;
  }

  /** As `bytes`, but decompresses off the caller's thread. @throws an error of node:zlib */
  async read(): Promise<Buffer> {
    if (this.#joined === undefined && this.encoding === 'gzip' && this.#size > 0) {
      const whole = this.#whole;
      this.#joined = await decompress(whole, limits(whole));
    }
    return this.bytes;
  }

  /** The first bytes of the decompressed reply. */
  get head(): Buffer {
    const first = this.#parts[0] ?? Buffer.alloc(0);
    if (this.encoding === 'identity') return first;
    try {
      // With this flag zlib does not report a missing end.
      return gunzipSync(first.subarray(0, HEAD), { finishFlush: constants.Z_SYNC_FLUSH });
    } catch {
      return Buffer.alloc(0);
    }
  }

  get #whole(): Buffer {
    return this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#size);
  }

  #append(bytes: Buffer): void {
    if (this.#room < bytes.length) {
      this.#parts.push(Buffer.from(new ArrayBuffer(BLOCK_BYTES)).subarray(0, 0));
      this.#room = BLOCK_BYTES;
    }
    const { buffer, length } = this.#parts.pop()!;
    const grown = Buffer.from(buffer, 0, length + bytes.length);
    grown.set(bytes, length);
    this.#parts.push(grown);
    this.#room -= bytes.length;
  }
}

/** The bytes of a reply for another thread: views, and the memory that is transferred and no longer available here. */
export interface TransferableBody {
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  readonly encoding: ContentCoding;
}

export function parcel({ parts, encoding }: Body): TransferableBody {
  const isShared = parts.length === 1 && parts[0]!.length <= ONE_READ;
  return { parts: isShared ? [new Uint8Array(parts[0]!)] : parts.map(viewOf), encoding };
}

export const memoryOf = ({ parts }: TransferableBody): ArrayBuffer[] => parts.map(({ buffer }) => buffer);

/**
 * The decompressed reply in one piece; for a worker thread, where this blocks no other work. @throws Failure
 * `bad-reply`
 */
export function unpacked({ parts, encoding }: TransferableBody): Buffer {
  const [only] = parts;
  const isWhole = only !== undefined && parts.length === 1;
  const whole = isWhole ? Buffer.from(only.buffer, only.byteOffset, only.byteLength) : Buffer.concat(parts);
  return encoding === 'gzip' ? decompressed(whole) : whole;
}

const viewOf = ({ buffer, byteOffset, length }: Buffer): Uint8Array<ArrayBuffer> =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, length);

const decompress = promisify<Buffer, ZlibOptions, Buffer>(gunzip);

function decompressed(whole: Buffer): Buffer {
  if (whole.length === 0) return whole;
  try {
    return gunzipSync(whole, limits(whole));
  } catch (error) {
    const why = error instanceof RangeError ? 'it is larger than any page' : 'its compressed form is damaged';
    throw new Failure('bad-reply', { host: 'Procore', call: 'a call', why }, error);
  }
}

/**
 * The last four bytes of gzip data give the decompressed size (RFC 1952, 2.3.1); if it is right, the output is one
 * buffer.
 */
function limits(whole: Buffer): ZlibOptions {
  const said = whole.length < 4 ? 0 : whole.readUInt32LE(whole.length - 4);
  const chunkSize = Math.min(Math.max(LEAST_ROOM, said + 1), LARGEST_REPLY);
  return { chunkSize, maxOutputLength: LARGEST_REPLY };
}

export const encodingOf = (header: string | undefined): ContentCoding =>
  /^(x-)?gzip$/i.test(header ?? '') ? 'gzip' : 'identity';
