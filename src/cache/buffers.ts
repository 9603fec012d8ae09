/** Sizes that are kept: those of large reads. Fresh memory for each would keep the garbage collector busy. */
const LEAST = 2 ** 16;
const LARGEST_BYTES = 2 ** 20;
/** Bytes that wait to be used again. */
const SPARE_BYTES = 8 * LARGEST_BYTES;

/** Memory for what reads are answered with, used again once the answer has been sent. */
export class Buffers {
  readonly #free = new Map<number, ArrayBuffer[]>();
  /** Given out and not given back; what never comes back is left to the garbage collector. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #kept = 0;

  take(size: number): Buffer {
    if (size < LEAST || size > LARGEST_BYTES) return Buffer.allocUnsafe(size);
    const room = 2 ** Math.ceil(Math.log2(size));
    let memory = this.#free.get(room)?.pop();
    if (memory) this.#kept -= room;
    else memory = new ArrayBuffer(room);
    this.#lent.add(memory);
    return Buffer.from(memory, 0, size);
  }

  /** Nobody looks at these bytes, or writes them, any more. What is not from here is left alone. */
  give(bytes: Uint8Array): void {
    const memory = bytes.buffer;
    if (!this.#lent.delete(memory)) return;
    const room = memory.byteLength;
    if (this.#kept + room > SPARE_BYTES) return;
    this.#kept += room;
    const free = this.#free.get(room);
    if (free) free.push(memory as ArrayBuffer);
    else this.#free.set(room, [memory as ArrayBuffer]);
  }

  trim(): void {
    this.#free.clear();
    this.#kept = 0;
  }
}
