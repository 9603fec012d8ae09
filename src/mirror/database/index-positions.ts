import type { RemoteId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';

/**
 * A folder at the server, and the length in characters of the path to it from some folder above; 0 for that folder
 * itself.
 */
export interface FolderAt {
  readonly id: RemoteId;
  readonly length: number;
}

/** Counts over the whole mirror: up to tens of milliseconds for a million items, so only for the writer thread. */
export class IndexPositions {
  readonly #rank: Statement<[number], number>;
  readonly #count: Statement<[number], number>;
  readonly #longest: Statement<[{ readonly folders: string; readonly without: string }], number | null>;
  readonly #meta: Statement<[string], number>;

  constructor(db: Database) {
    this.#rank = db
      .prepare<[number], number>(
        `SELECT count(*) FROM items AS other, items AS self
         WHERE self.remote_id = ? AND other.flags & 15 = 8
           AND (other.updated_at, other.remote_id) < (self.updated_at, self.remote_id)`,
      )
      .pluck();
    this.#count = db.prepare<[number], number>('SELECT count(*) FROM items WHERE updated_at <= ?').pluck();
    this.#longest = db
      .prepare<[{ readonly folders: string; readonly without: string }], number | null>(
        `WITH RECURSIVE
           without (id) AS MATERIALIZED (SELECT value FROM json_each(@without)),
           below (id, length, is_start) AS (
             SELECT value ->> 'id', value ->> 'length', 1 FROM json_each(@folders)
             UNION ALL
             SELECT items.remote_id, below.length + (below.length > 0) + length(coalesce(items.remote_name, items.name)), 0
             FROM below JOIN items ON items.parent_id = below.id
             WHERE items.flags & 7 = 0 AND items.remote_id NOT IN without)
         SELECT max(length) FROM below WHERE is_start = 0`,
      )
      .pluck();
    this.#meta = db.prepare<[string], number>('SELECT value FROM meta WHERE key = ?').pluck();
  }

  /** How many visible files come before this one in the order of the index (updated_at, then id). */
  rank(id: RemoteId): number {
    return this.#rank.get(id) ?? 0;
  }

  /**
   * Code points of the longest path of visible items below the folders, including the path to each folder; 0 if all are
   * empty. Items of `without`, and everything below them, are left out.
   */
  longestBelow(folders: readonly FolderAt[], without: readonly RemoteId[]): number {
    return this.#longest.get({ folders: JSON.stringify(folders), without: JSON.stringify(without) }) ?? 0;
  }

  countUntil(time: number): number {
    return this.#count.get(time) ?? 0;
  }

  meta(key: string): number | undefined {
    return this.#meta.get(key);
  }
}
