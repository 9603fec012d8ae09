/**
 * Sizes of buffers that are reused: those of large reads. Allocating memory for each would keep the garbage collector
 * busy.
 */
const LEAST = 2 ** 16;
const LARGEST_BYTES = 2 ** 20;
/** Most bytes that are kept for reuse. */
const SPARE_BYTES = 8 * LARGEST_BYTES;

/** Buffers for the results of reads, reused once a result has been sent. */
export class Buffers {
  readonly #free = new Map<number, ArrayBuffer[]>();
  /** Buffers in use; one that is never returned is left to the garbage collector. */
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

  /** Returns a buffer that is neither read nor written any more. Memory from elsewhere is ignored. */
  readonly give = (bytes: Uint8Array): void => {
    const memory = bytes.buffer;
    if (!this.#lent.delete(memory)) return;
    const room = memory.byteLength;
    if (this.#kept + room > SPARE_BYTES) return;
    this.#kept += room;
    const free = this.#free.get(room);
    if (free) free.push(memory as ArrayBuffer);
    else this.#free.set(room, [memory as ArrayBuffer]);
  };

  trim(): void {
    this.#free.clear();
    this.#kept = 0;
  }
}
