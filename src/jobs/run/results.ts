import type { Log } from '../../base/log.js';
import type { RunItem, RunItems } from '../store/items.js';
import type { Records } from '../store/records.js';
import type { Result } from './context.js';

/** Results that wait to be written down, at most. */
const MOST_WAITING = 256;

/** What became of the items of a run, written down together. */
export class RunResults {
  readonly #items: RunItems;
  readonly #records: Records;
  readonly #noteRun: () => void;
  readonly #log: Log;
  readonly #waiting: { readonly item: RunItem; readonly result: Result; readonly attempts: number }[] = [];
  /** They could not be written down lately. */
  #isFailing = false;

  /** @param noteRun writes down how the run stands */
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

  /** In between: what cannot be written down now is written with the next results. */
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

  /** What was done is on disk when this returns; when it throws, the next one tries again. */
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
