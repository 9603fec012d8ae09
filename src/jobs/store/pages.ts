import type { Database, Statement } from '../../database/open.js';
import { FLAGGED, type ItemStatus } from '../definition/words.js';
import { type AuditEvent, type Execution, type ExecutionRow, toExecution } from './executions.js';
import { Found } from './found.js';
import { type ItemRow, type RunItem, runItemFromRow } from './items.js';

export interface ListPage<T> {
  readonly rows: readonly T[];
  /** Number of rows on all pages. */
  readonly total: number;
}

export interface PageRange {
  readonly offset: number;
  readonly limit: number;
}

export interface ItemFilter {
  /** Run ids. More than one only in a filter with statuses. */
  readonly executions: readonly number[];
  readonly statuses?: readonly ItemStatus[] | undefined;
  readonly folders?: boolean | undefined;
  /** Only items with another name at the destination. */
  readonly renamed?: true | undefined;
  /** Part of a path, in any case. */
  readonly text?: string | undefined;
}

export type KeptEvent = AuditEvent & { readonly id: number; readonly execution: number };

/** Most matches of a search whose ids are kept in memory. */
const MOST_SELDOM = 5000;

/** The index that has the rows of a filter in one range, and the order of the rows in it. */
interface Way {
  readonly index: string;
  readonly conditions: readonly string[];
  readonly order: string;
}

/**
 * Pages of runs, items and audit events for the user interface. For every filter there is an index that holds its rows
 * together and in page order, so that the last page is as fast as the first. A text search runs once; its pages come
 * from the stored result.
 */
export class Pages {
  readonly #db: Database;
  readonly #found: Found;
  readonly #statements = new Map<string, Statement>();

  constructor(db: Database) {
    this.#db = db;
    this.#found = new Found(db);
  }

  /** Runs of one job or of all jobs, newest first. */
  executions(filter: { readonly job?: string | undefined }, { offset, limit }: PageRange): ListPage<Execution> {
    const where = filter.job === undefined ? '' : 'WHERE job = @job';
    const words = { job: filter.job ?? '', offset, limit };
    return {
      rows: this.#all<ExecutionRow>(
        `SELECT * FROM executions ${where} ORDER BY id DESC LIMIT @limit OFFSET @offset`,
        words,
      ).map(toExecution),
      total: this.#count(`executions ${where}`, words),
    };
  }

  /**
   * Items of a run in planned order. With a filter by status: items left over from the previous run first, deletions
   * last.
   */
  items(filter: ItemFilter, { offset, limit }: PageRange): ListPage<RunItem> {
    const { index, conditions, order } = wayOf(filter);
    const from = `items INDEXED BY ${index} WHERE ${conditions.join(' AND ')}`;
    const words = {
      ...(filter.executions.length === 1
        ? { execution: filter.executions[0]! }
        : { executions: JSON.stringify(filter.executions) }),
      ...Object.fromEntries((filter.statuses ?? []).map((status, n) => [`s${n}`, status])),
    };
    if (filter.text !== undefined)
      return this.#search(filter, { ...words, ...patterns(filter.text) }, { offset, limit });
    return {
      rows: this.#all<ItemRow>(`SELECT * FROM ${from} ORDER BY ${order} LIMIT @limit OFFSET @offset`, {
        ...words,
        offset,
        limit,
      }).map(runItemFromRow),
      total: this.#count(from, words),
    };
  }

  /** An item of any run, by its id. */
  item(id: number): RunItem | undefined {
    const [row] = this.#all<ItemRow>('SELECT * FROM items WHERE id = @id', { id });
    return row && runItemFromRow(row);
  }

  /** Audit events of one run or of all runs. */
  audit(execution: number | undefined, { offset, limit }: PageRange): ListPage<KeptEvent> {
    const from = `audit ${execution === undefined ? '' : 'WHERE execution = @execution'}`;
    const words = { execution: execution ?? 0 };
    return {
      rows: this.#all<KeptEvent>(
        `SELECT id, at, level, event, path, reason, execution FROM ${from} ORDER BY id LIMIT @limit OFFSET @offset`,
        { ...words, offset, limit },
      ),
      total: this.#count(from, words),
    };
  }

  /**
   * A search with few matches is run once and its ids are kept. A search with many matches fills a page quickly anyway.
   */
  #search(filter: ItemFilter, words: object, { offset, limit }: PageRange): ListPage<RunItem> {
    const { index, conditions, order } = wayOf(filter);
    const where = `WHERE ${conditions.join(' AND ')}`;
    // This index has the text beside the ids, so that the rows need not be read. It is in order of the paths.
    const byPlace = index === 'items_of_execution';
    const from = `items INDEXED BY ${byPlace ? 'items_by_place' : index} ${where}`;
    const ids = this.#found.ids(`${from} ${JSON.stringify(words)}`, () => {
      const sorted = byPlace ? '' : `ORDER BY ${order}`;
      const sql = `SELECT id FROM ${from} ${sorted} LIMIT ${MOST_SELDOM + 1}`;
      const found = Float64Array.from(this.#statement(sql).pluck().all(words) as number[]);
      return byPlace ? found.sort() : found;
    });
    if (ids.length > MOST_SELDOM)
      return {
        rows: this.#all<ItemRow>(
          `SELECT * FROM items INDEXED BY ${index} ${where} ORDER BY ${order} LIMIT @limit OFFSET @offset`,
          { ...words, offset, limit },
        ).map(runItemFromRow),
        total: this.#count(from, words),
      };
    const page = [...ids.subarray(offset, offset + limit)];
    const rows = this.#all<ItemRow>('SELECT * FROM items WHERE id IN (SELECT value FROM json_each(@page))', {
      page: JSON.stringify(page),
    });
    const byId = new Map(rows.map((row) => [row.id, row]));
    return { rows: page.flatMap((id) => byId.get(id) ?? []).map(runItemFromRow), total: ids.length };
  }

  #count(from: string, words: object): number {
    return this.#found.count(`${from} ${JSON.stringify(words)}`, () =>
      Number(this.#statement(`SELECT count(*) FROM ${from}`).pluck().get(words)),
    );
  }

  #all<Row>(sql: string, words: object): Row[] {
    return this.#statement(sql).all(words) as Row[];
  }

  /** The SQL texts differ only by the filters in use and the number of statuses, so there are few. */
  #statement(sql: string): Statement {
    const statement = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** SQLite uses a partial index only if its condition is part of the query (SQLite, Partial Indexes, 3). */
const IS_FLAGGED = "status IN ('remediation', 'retry')";

/**
 * Names the index for a filter. Left to itself, SQLite takes an index in order of the ids and reads every row of the
 * run.
 */
function wayOf({ executions, statuses, folders, renamed, text }: ItemFilter): Way {
  const conditions = [
    executions.length === 1 ? 'execution = @execution' : 'execution IN (SELECT value FROM json_each(@executions))',
    ...(statuses === undefined ? [] : [`status IN (${statuses.map((_, n) => `@s${n}`).join(', ')})`]),
    ...(folders === undefined ? [] : [`is_folder = ${Number(folders)}`]),
    ...(renamed ? ['renamed IS NOT NULL'] : []),
    ...(text === undefined ? [] : [hasText(text)]),
  ];
  if (renamed) return { index: 'items_renamed', conditions, order: 'id' };
  if (folders) return { index: 'items_folders', conditions, order: 'id' };
  if (statuses?.length && text !== undefined && statuses.every((status) => FLAGGED.includes(status)))
    return { index: 'items_flagged', conditions: [...conditions, IS_FLAGGED], order: 'execution, status, rank, id' };
  if (statuses) return { index: 'items_in_order', conditions, order: 'execution, status, rank, id' };
  return { index: 'items_of_execution', conditions, order: 'id' };
}

const isAscii = (text: string): boolean => /^\p{ASCII}*$/u.test(text);

/** LIKE ignores case for ASCII only. Other text is searched for as given, in lower case and in upper case. */
function hasText(text: string): string {
  const looked = isAscii(text) ? ['@t0'] : ['@t0', '@t1', '@t2'];
  const places = text.includes('/') ? [`folder || '/' || name`] : ['name', 'folder'];
  return `(${looked.flatMap((word) => places.map((place) => `${place} LIKE ${word} ESCAPE '\\'`)).join(' OR ')})`;
}

function patterns(text: string): object {
  const pattern = (word: string): string => `%${word.replace(/[\\%_]/g, '\\$&')}%`;
  const t0 = pattern(text);
  return isAscii(text) ? { t0 } : { t0, t1: pattern(text.toLowerCase()), t2: pattern(text.toUpperCase()) };
}
