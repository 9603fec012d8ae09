import type { Blob, Chunk } from './blob.js';

/** Content that could not be stored, in memory for as long as there is room: the oldest goes first. */
export class Ring {
  readonly #limit: number;
  readonly #kept = new Map<Chunk, Blob>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get bytes(): number {
    return this.#bytes;
  }

  keep(blob: Blob, chunk: Chunk): void {
    this.#kept.set(chunk, blob);
    this.#bytes += chunk.bytes.length;
    for (const [oldest, owner] of this.#kept) {
      if (this.#bytes <= this.#limit) return;
      this.#drop(oldest, owner);
    }
  }

  /** Everything of this blob goes. */
  forget(blob: Blob): void {
    for (const [chunk, owner] of this.#kept) if (owner === blob) this.#drop(chunk, owner);
  }

  #drop(chunk: Chunk, owner: Blob): void {
    this.#kept.delete(chunk);
    this.#bytes -= chunk.bytes.length;
    owner.dropChunk(chunk);
  }
}
