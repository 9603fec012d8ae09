import type { Clock } from '../../base/clock.js';
import type { Database, Statement } from '../../database/open.js';
import { nameOf, parentOf } from '../../endpoints/paths.js';
import { ITEM_STATUSES, type ItemStatus } from '../definition/words.js';

/** What a run does about an item: the actions of `decide.ts` that change something, and those for folders. */
export type ItemAction =
  | 'compare'
  | 'copy'
  | 'copy-back'
  | 'conflict'
  | 'delete'
  | 'delete-source'
  | 'clear-source'
  | 'create-folder'
  | 'create-folder-source'
  | 'protect'
  | 'protect-source'
  | 'flag'
  | 'skip';

export const DELETIONS: readonly ItemAction[] = ['delete', 'delete-source', 'clear-source'];

export interface NewRunItem {
  /** `folder` and `name` are those of the source; `''` is the root. */
  readonly folder: string;
  readonly name: string;
  /** Folder and name at the destination. */
  readonly otherFolder: string;
  readonly otherName: string;
  readonly isFolder: boolean;
  readonly action: ItemAction;
  readonly status: ItemStatus;
  readonly reason?: string | undefined;
  readonly renamed?: string | undefined;
  readonly bytes: number;
  /** Number of items that the row stands for; more than 1 for a folder that is deleted with its content. */
  readonly count: number;
}

export interface RunItem extends NewRunItem {
  readonly id: number;
  readonly execution: number;
  readonly attempts: number;
  /** Milliseconds since the epoch. */
  readonly doneAt: number | undefined;
}

export interface ItemRow {
  readonly id: number;
  readonly execution: number;
  readonly rank: number;
  readonly folder: string;
  readonly name: string;
  readonly other_folder: string;
  readonly other_name: string;
  readonly is_folder: number;
  readonly action: ItemAction;
  readonly status: ItemStatus;
  readonly reason: string | null;
  readonly renamed: string | null;
  readonly bytes: number;
  readonly count: number;
  readonly attempts: number;
  readonly done_at: number | null;
}

const RANKS = [0, 1, 2];
/** Range of ids that is read at once. */
const BATCH_IDS = 1000;

const rankOf = (action: ItemAction): number => (DELETIONS.includes(action) ? 2 : 1);

/** The items of one run. */
export class RunItems {
  readonly execution: number;
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #insert: Statement;
  readonly #pending: Statement<[number, number, number, number, number], ItemRow>;
  readonly #done: Statement;
  readonly #collapse: Statement;
  readonly #hold: Statement;
  readonly #first: Statement;
  readonly #deletions: Statement<[number, string], { items: number | null; own: number; folders: number | null }>;
  readonly #left: Statement<[number], number>;

  constructor(db: Database, execution: number, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    this.execution = execution;
    this.#insert = db.prepare(
      `INSERT INTO items (execution, rank, folder, name, other_folder, other_name, is_folder, action, status, reason,
        renamed, bytes, count)
       VALUES (@execution, @rank, @folder, @name, @otherFolder, @otherName, @isFolder, @action, @status, @reason,
        @renamed, @bytes, @count)`,
    );
    this.#pending = db.prepare(
      `SELECT * FROM items WHERE execution = ? AND status = 'pending' AND (rank > ? OR (rank = ? AND id > ?))
       ORDER BY rank, id LIMIT ?`,
    );
    this.#done = db.prepare(
      `UPDATE items SET status = @status, reason = @reason, attempts = @attempts, bytes = @bytes, done_at = @at
       WHERE id = @id`,
    );
    this.#collapse = db.prepare(
      `DELETE FROM items WHERE execution = @execution AND action = @action AND status = 'pending'
       AND (folder = @path OR (folder >= @path || '/' AND folder < @path || '0'))`,
    );
    this.#hold = db.prepare(
      `UPDATE items SET status = 'remediation', reason = @reason
       WHERE execution = @execution AND status = 'pending' AND action IN ('delete', 'delete-source')`,
    );
    this.#first = db.prepare(
      `UPDATE items SET rank = 0 WHERE execution = @execution AND rank = 1 AND EXISTS (
         SELECT 1 FROM items old WHERE old.execution = @before AND old.folder = items.folder AND old.name = items.name
         AND old.status = 'pending')`,
    );
    // No GROUP BY: SQLite would sort a million rows in memory.
    this.#deletions = db.prepare(
      `SELECT sum(count) AS items, count(*) AS own, sum(is_folder) AS folders FROM items
       WHERE execution = ? AND status = 'pending' AND rank = 2 AND action = ?`,
    );
    this.#left = db
      .prepare<[number], number>(`SELECT count(*) FROM items WHERE execution = ? AND status = 'pending'`)
      .pluck();
  }

  /** Runs `work` in one transaction, together with changes of other tables. */
  transaction(work: () => void): void {
    this.#db.transaction(work).immediate();
  }

  add(item: NewRunItem): void {
    this.#insert.run({
      ...item,
      execution: this.execution,
      rank: rankOf(item.action),
      isFolder: Number(item.isFolder),
      reason: item.reason ?? null,
      renamed: item.renamed ?? null,
    });
  }

  /** Pending items in order of rank and id that follow `after`; undefined: from the first one. */
  pending(
    after: { readonly rank: number; readonly id: number } | undefined,
    limit: number,
  ): (RunItem & { rank: number })[] {
    const { rank, id } = after ?? { rank: -1, id: 0 };
    return this.#pending
      .all(this.execution, rank, rank, id, limit)
      .map((row) => ({ ...runItemFromRow(row), rank: row.rank }));
  }

  finish(
    id: number,
    result: { status: ItemStatus; reason: string | undefined; attempts: number; bytes: number },
  ): void {
    this.#done.run({ ...result, id, reason: result.reason ?? null, at: this.#clock.now() });
  }

  /** Drops the pending deletions below a folder that is deleted as a whole. `path` is the source's. */
  collapse(path: string, action: 'delete' | 'delete-source'): void {
    this.#collapse.run({ execution: this.execution, path, action });
  }

  /** Flags the pending deletions, so that they wait for a person. */
  holdDeletions(reason: string): void {
    this.#hold.run({ execution: this.execution, reason });
  }

  /** Puts items that the run `before` left pending first. */
  putFirst(before: number): void {
    this.#first.run({ execution: this.execution, before });
  }

  /** Reason of the first flagged item; undefined: no item is flagged. */
  firstFlagged(): string | undefined {
    const first = this.#db
      .prepare<[number], string | null>(
        `SELECT reason FROM items WHERE execution = ? AND status = 'remediation' ORDER BY id LIMIT 1`,
      )
      .pluck()
      .get(this.execution);
    return first === null ? 'an item is flagged' : first;
  }

  /** Items that have this path at the source. */
  at(path: string): RunItem[] {
    return this.#db
      .prepare<[number, string, string], ItemRow>('SELECT * FROM items WHERE execution = ? AND folder = ? AND name = ?')
      .all(this.execution, parentOf(path), nameOf(path))
      .map(runItemFromRow);
  }

  byId(id: number): RunItem | undefined {
    const row = this.#db
      .prepare<[number, number], ItemRow>('SELECT * FROM items WHERE execution = ? AND id = ?')
      .get(this.execution, id);
    return row && runItemFromRow(row);
  }

  /** Pending deletions: `items` that they delete, `own` rows, and `folders` among these rows. */
  deletions(action: 'delete' | 'delete-source') {
    const { items, own, folders } = this.#deletions.get(this.execution, action)!;
    return { items: items ?? 0, own, folders: folders ?? 0 };
  }

  /** Number of pending items. */
  get left(): number {
    return this.#left.get(this.execution)!;
  }

  /**
   * Rows that have one of the statuses, or all rows, in order of their ids. Read in ranges of ids, so that others can
   * write to the database during the iteration.
   */
  *rows(status?: readonly ItemStatus[]): IterableIterator<RunItem> {
    const where = status ? `AND status IN (${status.map(() => '?').join(', ')})` : '';
    // The unary plus keeps SQLite from using an index that is not in order of the ids.
    const rowsInRange = this.#db.prepare<unknown[], ItemRow>(
      `SELECT * FROM items WHERE id >= ? AND id < ? AND +execution = ? ${where} ORDER BY id`,
    );
    const end = this.#edge('DESC');
    for (let from = this.#edge('ASC'); from <= end; from += BATCH_IDS)
      for (const row of rowsInRange.all(from, from + BATCH_IDS, this.execution, ...(status ?? [])))
        yield runItemFromRow(row);
  }

  /** The first or last id of the run, from an index that holds the ids in order by status and rank. */
  #edge(order: 'ASC' | 'DESC'): number {
    const look = this.#db
      .prepare<[number, string, number], number>(
        `SELECT id FROM items WHERE execution = ? AND status = ? AND rank = ? ORDER BY id ${order} LIMIT 1`,
      )
      .pluck();
    const found = ITEM_STATUSES.flatMap((status) => RANKS.map((rank) => look.get(this.execution, status, rank)));
    const ids = found.filter((id) => id !== undefined);
    return order === 'ASC' ? Math.min(...ids) : Math.max(...ids);
  }
}

export const runItemFromRow = (row: ItemRow): RunItem => ({
  id: row.id,
  execution: row.execution,
  folder: row.folder,
  name: row.name,
  otherFolder: row.other_folder,
  otherName: row.other_name,
  isFolder: row.is_folder === 1,
  action: row.action,
  status: row.status,
  reason: row.reason ?? undefined,
  renamed: row.renamed ?? undefined,
  bytes: row.bytes,
  count: row.count,
  attempts: row.attempts,
  doneAt: row.done_at ?? undefined,
});
