import type { RunItem, RunItems } from '../store/items.js';

/** Rows read ahead. */
const AHEAD = 256;

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
      this.#buffer = this.#items.pending(this.#last, AHEAD);
      const last = this.#buffer.at(-1);
      if (last) this.#last = { rank: last.rank, id: last.id };
      this.#end = this.#buffer.length < AHEAD;
      this.#buffer.reverse();
    }
    return this.#buffer.pop();
  }
}
