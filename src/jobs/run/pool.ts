import type { RunItem, RunItems } from '../store/items.js';

/** Rows read at a time. */
const ROWS_AHEAD = 256;

/** Returns the pending items of a run one by one in order of rank, so that deletions come last. */
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

/** Most items that may wait for a disk. */
const SETTLING = 128;

/** Items whose bytes have arrived and that wait for a disk while others are transferred. */
export class Settling {
  readonly #items = new Set<Promise<void>>();

  /** Resolves when the bytes of the item have arrived or its work is done. @throws the error of `work` before that */
  async begin(work: (arrived: () => void) => Promise<void>): Promise<void> {
    while (this.#items.size >= SETTLING) await Promise.race(this.#items);
    await new Promise<void>((resolve, reject) => {
      const done = work(resolve).finally(() => this.#items.delete(done));
      this.#items.add(done);
      done.then(resolve, reject);
    });
  }

  /** Resolves when no item waits any more, whatever the results. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#items);
  }
}
