/** Changes that one transaction makes: a few milliseconds of it. */
const BATCH_CHANGES = 250;

/**
 * Changes of the database that are made in their order, many in one transaction: a tree has folders of a few items each,
 * and a transaction for each would write the same pages over and over, and wait for the disk as often.
 */
export class Batch {
  readonly #transaction: (work: () => void) => void;
  #changes: (() => void)[] = [];

  constructor(transaction: (work: () => void) => void) {
    this.#transaction = transaction;
  }

  add(change: () => void): void {
    this.#changes.push(change);
    if (this.#changes.length >= BATCH_CHANGES) this.flush();
  }

  /** What was added is in the database when this returns. */
  flush(): void {
    const changes = this.#changes;
    this.#changes = [];
    if (changes.length === 0) return;
    this.#transaction(() => {
      for (const change of changes) change();
    });
  }
}
