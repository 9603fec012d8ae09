import { promisify } from 'node:util';
import { constants, gunzip, gunzipSync, type ZlibOptions } from 'node:zlib';
import { Failure } from '../../base/errors.js';

/** More than the largest page that a server sends; a reply beyond it is a mistake, not data. */
export const LARGEST_REPLY = 128 * 1024 * 1024;

/** How a reply is written down (RFC 9110, 8.4). */
export type ContentCoding = 'identity' | 'gzip';

/** What one read of a socket gives at most. */
const ONE_READ = 64 * 1024;
const BLOCK_BYTES = 2 ** 20;
/** Compressed bytes whose beginning is looked at; they cannot become more than a mebibyte. */
const HEAD = 1024;
const LEAST_ROOM = 16 * 1024;

/**
 * The bytes of a reply as they arrive: a large one has 60 MB, and no moment at which all of them are copied. Its parts
 * lie in memory that nothing else refers to, but for a reply that came at once.
 */
export class Body {
  readonly #parts: Buffer[] = [];
  /** Free bytes of the block in which the last part lies. */
  #room = 0;
  #size = 0;
  #joined: Buffer | undefined;

  constructor(readonly encoding: ContentCoding = 'identity') {}

  /** As it arrived. */
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
      // More than a socket gives is a block of a body already.
      this.#parts.push(part);
      this.#room = 0;
    }
  }

  /**
   * What was meant, in one piece, which copies what is in several. What may be large and compressed is for `read`.
   * @throws Failure `bad-reply`
   */
  get bytes(): Buffer {
    this.#joined ??= this.encoding === 'gzip' ? decompressed(this.#whole) : this.#whole;
    return this.#joined;
  }

  /** As `bytes`, without holding the caller's thread up with decompressing. @throws an error of node:zlib */
  async read(): Promise<Buffer> {
    if (this.#joined === undefined && this.encoding === 'gzip' && this.#size > 0) {
      const whole = this.#whole;
      this.#joined = await decompress(whole, limits(whole));
    }
    return this.bytes;
  }

  /** The first bytes of what was meant. */
  get head(): Buffer {
    const first = this.#parts[0] ?? Buffer.alloc(0);
    if (this.encoding === 'identity') return first;
    try {
      // That way nothing is said of an end that is not there.
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

/** The bytes of a reply on their way to another thread: views, and the memory that goes along and is gone here then. */
export interface TransferableBody {
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  readonly encoding: ContentCoding;
}

export function parcel({ parts, encoding }: Body): TransferableBody {
  const isShared = parts.length === 1 && parts[0]!.length <= ONE_READ;
  return { parts: isShared ? [new Uint8Array(parts[0]!)] : parts.map(viewOf), encoding };
}

export const memoryOf = ({ parts }: TransferableBody): ArrayBuffer[] => parts.map(({ buffer }) => buffer);

/** What was meant, in one piece, where decompressing and copying hold nobody up. @throws Failure `bad-reply` */
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

/** Its last four bytes say how large it becomes (RFC 1952, 2.3.1); where that is true, it need not be put together. */
function limits(whole: Buffer): ZlibOptions {
  const said = whole.length < 4 ? 0 : whole.readUInt32LE(whole.length - 4);
  const chunkSize = Math.min(Math.max(LEAST_ROOM, said + 1), LARGEST_REPLY);
  return { chunkSize, maxOutputLength: LARGEST_REPLY };
}

export const encodingOf = (header: string | undefined): ContentCoding =>
  /^(x-)?gzip$/i.test(header ?? '') ? 'gzip' : 'identity';
