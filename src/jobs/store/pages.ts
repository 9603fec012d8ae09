import type { Database } from '../../database/open.js';
import type { ItemStatus } from '../definition/words.js';
import { fromRow, type ItemRow, type RunItem } from './items.js';
import { type AuditEvent, type Execution, type ExecutionRow, toExecution } from './job-store.js';

export interface Part<T> {
  readonly rows: readonly T[];
  /** Of all pages. */
  readonly total: number;
}

export interface Stretch {
  readonly offset: number;
  readonly limit: number;
}

export interface ItemFilter {
  readonly execution: number;
  readonly statuses?: readonly ItemStatus[] | undefined;
  readonly folders?: boolean | undefined;
  /** Only what has another name at the destination. */
  readonly renamed?: true | undefined;
  /** Part of a path, upper and lower case alike. */
  readonly text?: string | undefined;
}

export type KeptEvent = AuditEvent & { readonly id: number; readonly execution: number };

/** Pages of what the runs did, for people who look. An index gives each its place, so that the last page is as quick. */
export class Pages {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Runs, the last one first; of one job, or of all. */
  executions(filter: { readonly job?: string | undefined }, { offset, limit }: Stretch): Part<Execution> {
    const where = filter.job === undefined ? '' : 'WHERE job = @job';
    const words = { job: filter.job ?? '', offset, limit };
    return {
      rows: this.#db
        .prepare<[typeof words], ExecutionRow>(
          `SELECT * FROM executions ${where} ORDER BY id DESC LIMIT @limit OFFSET @offset`,
        )
        .all(words)
        .map(toExecution),
      total: this.#count(`executions ${where}`, words),
    };
  }

  /** Items of a run in order of their ids. Text is looked for in every row: the only filter without an index. */
  items(filter: ItemFilter, { offset, limit }: Stretch): Part<RunItem> {
    const { statuses, folders, renamed, text } = filter;
    const isAll = statuses === undefined && folders === undefined && text === undefined && !renamed;
    const conditions = [
      'execution = @execution',
      ...(statuses === undefined ? [] : [`status IN (${statuses.map((_, n) => `@s${n}`).join(', ')})`]),
      ...(folders === undefined ? [] : ['is_folder = @folders']),
      ...(renamed ? ['renamed IS NOT NULL'] : []),
      ...(text === undefined ? [] : [`instr(lower(folder || '/' || name), @text) > 0`]),
    ];
    const words = {
      execution: filter.execution,
      folders: Number(folders),
      text: text?.toLowerCase() ?? '',
      offset,
      limit,
      ...Object.fromEntries((statuses ?? []).map((status, n) => [`s${n}`, status])),
    };
    // Left to itself, SQLite takes the index that is in order of the ids, and looks at every row of the run.
    const index = isAll
      ? 'INDEXED BY items_of_execution'
      : renamed
        ? 'INDEXED BY items_renamed'
        : statuses
          ? 'INDEXED BY items_in_order'
          : '';
    const from = `items ${index} WHERE ${conditions.join(' AND ')}`;
    return {
      rows: this.#db
        .prepare<[typeof words], ItemRow>(
          `SELECT * FROM items WHERE id IN (SELECT id FROM ${from} ORDER BY id LIMIT @limit OFFSET @offset) ORDER BY id`,
        )
        .all(words)
        .map(fromRow),
      total: this.#count(from, words),
    };
  }

  /** An item of any run. */
  item(id: number): RunItem | undefined {
    const row = this.#db.prepare<[number], ItemRow>('SELECT * FROM items WHERE id = ?').get(id);
    return row && fromRow(row);
  }

  /** Of a run, or of all. */
  audit(execution: number | undefined, { offset, limit }: Stretch): Part<KeptEvent> {
    const from = `audit ${execution === undefined ? '' : 'WHERE execution = @execution'}`;
    const words = { execution: execution ?? 0, offset, limit };
    return {
      rows: this.#db
        .prepare<[typeof words], KeptEvent>(
          `SELECT id, at, level, event, path, reason, execution FROM ${from} ORDER BY id LIMIT @limit OFFSET @offset`,
        )
        .all(words),
      total: this.#count(from, words),
    };
  }

  #count(from: string, words: object): number {
    return this.#db.prepare<[object], number>(`SELECT count(*) FROM ${from}`).pluck().get(words)!;
  }
}
