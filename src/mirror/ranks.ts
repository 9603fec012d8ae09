import type { RemoteId } from '../base/ids.js';
import type { Database, Statement } from '../database/open.js';

/** Counts over the whole mirror; up to tens of milliseconds for a million items, so only for the writer's thread. */
export class Ranks {
  readonly #rank: Statement<[number], number>;
  readonly #count: Statement<[number], number>;
  readonly #longest: Statement<[number], number>;
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
      .prepare<[number], number>(
        `WITH RECURSIVE below (id, length) AS (
           SELECT remote_id, length(name) FROM items WHERE parent_id = ? AND flags & 7 = 0
           UNION ALL
           SELECT items.remote_id, below.length + 1 + length(items.name) FROM items JOIN below
             ON items.parent_id = below.id WHERE items.flags & 7 = 0)
         SELECT max(length) FROM below`,
      )
      .pluck();
    this.#meta = db.prepare<[string], number>('SELECT value FROM meta WHERE key = ?').pluck();
  }

  /** How many visible files come before this one in the order of the index (updated_at, then id). */
  rank(id: RemoteId): number {
    return this.#rank.get(id) ?? 0;
  }

  /** Code points of the longest path of visible items below the folder, without the folder's own; 0 if it is empty. */
  longestBelow(id: RemoteId): number {
    return this.#longest.get(id) ?? 0;
  }

  countUntil(time: number): number {
    return this.#count.get(time) ?? 0;
  }

  meta(key: string): number | undefined {
    return this.#meta.get(key);
  }
}
