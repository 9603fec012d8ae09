import { Condition } from '../base/condition.js';
import { Failure } from '../base/errors.js';

/** Block sizes, bytes. Small blocks are used if many downloads share the memory, or few bytes are expected. */
const LARGE_BLOCK_BYTES = 2 ** 20;
const SMALL_BLOCK_BYTES = 2 ** 17;

/**
 * Memory for bytes between sockets and disk, bounded over all downloads: they stop reading while it is used up. Blocks
 * are recycled, because allocating new ones would keep the garbage collector busy.
 */
export class Memory {
  readonly #limit: number;
  readonly #free: Record<number, Buffer[]> = { [LARGE_BLOCK_BYTES]: [], [SMALL_BLOCK_BYTES]: [] };
  #used = 0;
  /** Bytes of used blocks that are being written to disk. The other used blocks still wait for bytes. */
  #leaving = 0;
  readonly #freed = new Condition();

  /** Bytes needed so that `connections` stalled downloads, each with an unfinished block, never block the others. */
  static least(connections: number): number {
    return connections * SMALL_BLOCK_BYTES * 2;
  }

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** A block for up to `bytes` bytes, possibly smaller. Return it with `give`. */
  take(bytes: number): Buffer {
    const crowded = this.#used - this.#leaving + LARGE_BLOCK_BYTES > this.#limit / 2;
    const size =
      bytes <= SMALL_BLOCK_BYTES
        ? bytes
        : crowded || bytes < LARGE_BLOCK_BYTES / 4
          ? SMALL_BLOCK_BYTES
          : LARGE_BLOCK_BYTES;
    this.#used += size;
    return this.#free[size]?.pop() ?? Buffer.allocUnsafe(size);
  }

  /** Marks a block as queued for writing: it will be returned soon. */
  leaving(block: Buffer): void {
    this.#leaving += block.length;
  }

  /** The block no longer counts as used although it still is. `recycle` it later. */
  release(block: Buffer, wasLeaving: boolean): void {
    this.#used -= block.length;
    if (wasLeaving) this.#leaving -= block.length;
    if (this.#used < this.#limit || this.#leaving === 0) this.#freed.changed();
  }

  recycle(block: Buffer): void {
    const free = this.#free[block.length];
    if (free && free.length * block.length < this.#limit / 2) free.push(block);
  }

  give(block: Buffer, wasLeaving: boolean): void {
    this.release(block, wasLeaving);
    this.recycle(block);
  }

  /** Frees blocks that are kept for reuse. */
  trim(): void {
    for (const free of Object.values(this.#free)) free.length = 0;
  }

  /**
   * Undefined if there is room now; else a promise of room, which rejects with `interrupted` when aborted. `flush` is
   * called when room can only come from the caller's own unfinished block.
   */
  room(signal: AbortSignal, flush: () => void): Promise<void> | undefined {
    return this.#used < this.#limit ? undefined : this.#wait(signal, flush);
  }

  async #wait(signal: AbortSignal, flush: () => void): Promise<void> {
    while (this.#used >= this.#limit) {
      if (signal.aborted) throw new Failure('interrupted', {}, signal.reason);
      if (this.#leaving === 0) flush();
      await this.#freed.next(signal);
    }
  }
}
