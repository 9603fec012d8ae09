/** What one read of a socket gives at most. */
const ONE_READ = 64 * 1024;
const BLOCK = 2 ** 20;

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

  /** All of it in one piece, which copies what is in several. */
  get bytes(): Buffer {
    this.#joined ??= this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#size);
    return this.#joined;
  }

  #append(bytes: Buffer): void {
    if (this.#room < bytes.length) {
      this.#parts.push(Buffer.from(new ArrayBuffer(BLOCK)).subarray(0, 0));
      this.#room = BLOCK;
    }
    const { buffer, length } = this.#parts.pop()!;
    const grown = Buffer.from(buffer, 0, length + bytes.length);
    grown.set(bytes, length);
    this.#parts.push(grown);
    this.#room -= bytes.length;
  }
}

/** The bytes of a reply on their way to another thread: views, and the memory that goes along and is gone here then. */
export interface Parcel {
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
}

export function parcel(body: Body): Parcel {
  const { parts } = body;
  const isShared = parts.length === 1 && parts[0]!.length <= ONE_READ;
  return { parts: isShared ? [new Uint8Array(parts[0]!)] : parts.map(viewOf) };
}

export const memoryOf = ({ parts }: Parcel): ArrayBuffer[] => parts.map(({ buffer }) => buffer);

/** In one piece, where copying holds nobody up. */
export const unpacked = ({ parts }: Parcel): Buffer =>
  parts.length === 1 ? Buffer.from(parts[0]!.buffer, parts[0]!.byteOffset, parts[0]!.byteLength) : Buffer.concat(parts);

const viewOf = ({ buffer, byteOffset, length }: Buffer): Uint8Array<ArrayBuffer> =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
