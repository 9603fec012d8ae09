import type { RunItem, RunItems } from '../store/items.js';

/** Rows read ahead. */
const ROWS_AHEAD = 256;

/** Gives the pending items of a run one after the other, deletions only once everything before them is done. */
export class PendingItems {
  readonly #items: RunItems;
  #buffer: (RunItem & { rank: number })[] = [];
  #last: { readonly rank: number; readonly id: number } | undefined;
  #end = false;

  constructor(items: RunItems) {
    this.#items = items;
  }

  /** Undefined at the end. */
  next(): (RunItem & { rank: number }) | undefined {
    if (this.#buffer.length === 0 && !this.#end) {
      this.#buffer = this.#items.pending(this.#last, ROWS_AHEAD);
      const last = this.#buffer.at(-1);
      if (last) this.#last = { rank: last.rank, id: last.id };
      this.#end = this.#buffer.length < ROWS_AHEAD;
      this.#buffer.reverse();
    }
    return this.#buffer.pop();
  }
}

/** Items that wait for a disk at most. */
const SETTLING = 128;

/** Items whose bytes have arrived, and that wait for a disk while others come. */
export class Settling {
  readonly #items = new Set<Promise<void>>();

  /** Resolves when the bytes have arrived, or all is done. @throws what `work` throws before */
  async begin(work: (arrived: () => void) => Promise<void>): Promise<void> {
    while (this.#items.size >= SETTLING) await Promise.race(this.#items);
    await new Promise<void>((resolve, reject) => {
      const done = work(resolve).finally(() => this.#items.delete(done));
      this.#items.add(done);
      done.then(resolve, reject);
    });
  }

  /** Resolves when nothing waits any more, whatever came of it. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#items);
  }
}
