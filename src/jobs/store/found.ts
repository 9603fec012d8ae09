import { LRUCache } from 'lru-cache';
import type { Database } from '../../database/open.js';

/** Most ids kept over all searches: 2 MB. */
const MOST_IDS = 250_000;
const MOST_COUNTS = 500;

/** Cache of search results, valid until any process writes to the database. */
export class Found {
  readonly #db: Database;
  readonly #ids = new LRUCache<string, Float64Array>({
    maxSize: MOST_IDS,
    sizeCalculation: ({ length }) => length + 1,
  });
  readonly #counts = new LRUCache<string, number>({ max: MOST_COUNTS });
  readonly #own: () => unknown;
  #version: string | undefined;

  constructor(db: Database) {
    this.#db = db;
    const own = db.prepare<[], number>('SELECT total_changes()').pluck();
    this.#own = () => own.get();
  }

  ids(key: string, look: () => Float64Array): Float64Array {
    this.#check();
    const known = this.#ids.get(key);
    if (known) return known;
    const found = look();
    this.#ids.set(key, found);
    return found;
  }

  count(key: string, look: () => number): number {
    this.#check();
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    const found = look();
    this.#counts.set(key, found);
    return found;
  }

  /**
   * `data_version` changes with writes of other connections, `total_changes()` with those of this one (SQLite, PRAGMA
   * data_version).
   */
  #check(): void {
    const version = `${this.#db.pragma('data_version', { simple: true })} ${this.#own()}`;
    if (version === this.#version) return;
    this.#version = version;
    this.#ids.clear();
    this.#counts.clear();
  }
}
