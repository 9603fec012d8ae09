/** Changes per transaction, which takes a few milliseconds. */
const BATCH_CHANGES = 250;

/**
 * Makes database changes in order, many per transaction. Folders have few items each: a transaction per folder would
 * write the same pages again and again, and wait for the disk each time.
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

  /** Writes all added changes to the database. */
  flush(): void {
    const changes = this.#changes;
    this.#changes = [];
    if (changes.length === 0) return;
    this.#transaction(() => {
      for (const change of changes) change();
    });
  }
}
