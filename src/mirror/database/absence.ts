import type { RemoteId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';
import type { Change } from './changes.js';
import type { Confirmed } from './confirmed.js';
import { BIN, DELETED, GONE, HIDDEN } from './flags.js';
import { COLUMNS, type ItemRows, type MirrorRow } from './item-rows.js';

/** Range of update times (server time, seconds) in which a page of the index is complete; `to` is exclusive. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Items that a page of the index should have shown and did not. */
export interface Missing {
  readonly changes: readonly Change[];
  /** Items visible until now. A listing of their folder decides whether they are gone. */
  readonly doubtful: readonly RemoteId[];
  /** The folders to list for them. */
  readonly folders: readonly RemoteId[];
}

/** The listings that were made because a page lacked items. */
export interface ListedSpan extends Pick<Missing, 'doubtful'> {
  /** Folders that were listed since, or were found to be gone. */
  readonly listed: readonly RemoteId[];
  /** Server time of the page, seconds. */
  readonly serverTime: number;
}

/** Handles items that the mirror has and a complete reply lacks. To be called within a transaction. */
export class AbsentItems {
  readonly #rows: ItemRows;
  readonly #confirmed: Confirmed;
  readonly #within: Statement<[Span], MirrorRow>;

  constructor(db: Database, rows: ItemRows, confirmed: Confirmed) {
    this.#rows = rows;
    this.#confirmed = confirmed;
    // Each SELECT uses its own partial index.
    this.#within = db.prepare(`
      SELECT ${COLUMNS} FROM items WHERE flags & 15 = 8 AND updated_at >= @from AND updated_at < @to
      UNION ALL
      SELECT ${COLUMNS} FROM items
      WHERE flags & 15 <> 8 AND updated_at >= @from AND updated_at < @to AND flags & ${GONE | BIN} = 0 AND parent_id <> 0`);
  }

  /**
   * Finds items that were updated within the span and are not among the `present` items of a reply that shows the
   * complete span. A listing decides about visible items, except those below a hidden folder, which are marked as gone.
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
   * To be called after folders of doubtful items were `listed`. Marks items below a folder that is gone as gone. Items
   * below a folder that exists, although the page lacked it as well, remain doubtful: their folder must be listed.
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
