import type { RemoteId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';
import type { Change } from './changes.js';
import type { Confirmed } from './confirmed.js';
import { BIN, DELETED, GONE, HIDDEN } from './flags.js';
import { COLUMNS, type ItemRows, type MirrorRow } from './item-rows.js';

/** Server times between which a page of the index is complete, seconds; the end does not belong to it. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What a page of the index should have had and did not. */
export interface Missing {
  readonly changes: readonly Change[];
  /** Seen until now; whether they are gone a listing of their folder tells. */
  readonly doubtful: readonly RemoteId[];
  /** These folders. */
  readonly folders: readonly RemoteId[];
}

/** What was listed for the sake of a page that lacked something. */
export interface ListedSpan extends Pick<Missing, 'doubtful'> {
  /** Folders whose listings came since, or of which it was found that they are gone. */
  readonly listed: readonly RemoteId[];
  /** Of the page. */
  readonly serverTime: number;
}

/** What is known here and is not in a complete reply. To be called within a transaction. */
export class AbsentItems {
  readonly #rows: ItemRows;
  readonly #confirmed: Confirmed;
  readonly #within: Statement<[Span], MirrorRow>;

  constructor(db: Database, rows: ItemRows, confirmed: Confirmed) {
    this.#rows = rows;
    this.#confirmed = confirmed;
    // Two partial indexes, each for its own kind of row.
    this.#within = db.prepare(`
      SELECT ${COLUMNS} FROM items WHERE flags & 15 = 8 AND updated_at >= @from AND updated_at < @to
      UNION ALL
      SELECT ${COLUMNS} FROM items
      WHERE flags & 15 <> 8 AND updated_at >= @from AND updated_at < @to AND flags & ${GONE | BIN} = 0 AND parent_id <> 0`);
  }

  /**
   * What was updated within the span, and is not among the `present` of a reply that shows the span as a whole. What can
   * be seen is left for a listing to decide, but below a folder that is hidden.
   */
  missing(span: Span, present: ReadonlySet<number>, serverTime: number): Missing {
    const rows = this.#within
      .all(span)
      .filter(
        ({ remote_id: id, seen_at: seen }) =>
          !present.has(id) && seen <= serverTime && !this.#confirmed.isNewerThan(id, serverTime),
      );
    const absent = new Set(rows.map((row) => row.remote_id));
    const changes: Change[] = [];
    const doubtful: RemoteId[] = [];
    const folders = new Set<RemoteId>();
    for (const row of rows) {
      if ((row.flags & DELETED) !== 0) this.#rows.hide.run(GONE, serverTime, row.inode);
      else if (this.#rows.isBelowHidden(row)) changes.push(this.#rows.takeAway(row, serverTime));
      else {
        doubtful.push(row.remote_id);
        if (!absent.has(row.parent_id)) folders.add(row.parent_id);
      }
    }
    return { changes, doubtful, folders: [...folders] };
  }

  /**
   * After folders of doubtful items were `listed`: takes away what is below one that turned out to be gone. What is below
   * one that turned out to be there, although the page lacked it as well, is doubtful still: its folder is to be listed.
   */
  settle({ doubtful, listed, serverTime }: ListedSpan): Pick<Missing, 'changes' | 'folders'> {
    const changes: Change[] = [];
    const [inDoubt, known] = [new Set(doubtful), new Set(listed)];
    const isDecided = (id: RemoteId): boolean => {
      const row = inDoubt.has(id) ? this.#rows.find.get(id) : undefined;
      return !row || known.has(row.parent_id);
    };
    const folders = new Set<RemoteId>();
    for (const id of doubtful) {
      const row = this.#rows.find.get(id);
      if (!row || (row.flags & HIDDEN) !== 0) continue;
      if (this.#rows.isBelowHidden(row)) changes.push(this.#rows.takeAway(row, Math.max(serverTime, row.seen_at)));
      else if (!known.has(row.parent_id) && isDecided(row.parent_id)) folders.add(row.parent_id);
    }
    return { changes, folders: [...folders] };
  }
}
