import type { Log } from '../../base/log.js';
import type { RunItem, RunItems } from '../store/items.js';
import type { Records } from '../store/records.js';
import type { Result } from './context.js';

/** Most results that wait to be written. */
const MOST_WAITING = 256;

/** Collects the results of items and writes them to the database in batches. */
export class RunResults {
  readonly #items: RunItems;
  readonly #records: Records;
  readonly #noteRun: () => void;
  readonly #log: Log;
  readonly #waiting: { readonly item: RunItem; readonly result: Result; readonly attempts: number }[] = [];
  /** The last attempt to write failed. */
  #isFailing = false;

  /** @param noteRun stores the progress of the run */
  constructor(items: RunItems, records: Records, noteRun: () => void, log: Log) {
    this.#items = items;
    this.#records = records;
    this.#noteRun = noteRun;
    this.#log = log;
  }

  add(item: RunItem, result: Result, attempts: number): void {
    this.#waiting.push({ item, result, attempts });
    if (this.#waiting.length >= MOST_WAITING) this.flush();
  }

  /** Writes the results during the run. After an error they are written with the next batch. */
  tryToFlush(): void {
    try {
      this.flush();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing)
        this.#log.error({ error }, 'the results of a job cannot be written down; it is tried again');
      this.#isFailing = true;
    }
  }

  /** Writes all results: they are on disk when it returns. If it throws, the next call tries again. */
  flush(): void {
    const results = this.#waiting.slice();
    if (results.length > 0)
      this.#items.transaction(() => {
        for (const { item, result, attempts } of results) {
          this.#items.finish(item.id, {
            status: result.status,
            reason: result.reason,
            attempts,
            bytes: result.bytes,
          });
          if (result.record) this.#records.put(result.record);
          else if (result.record === null) this.#records.forget(item.folder, item.name, item.isFolder);
        }
      });
    this.#waiting.splice(0, results.length);
    this.#noteRun();
  }
}
