import { Readable } from 'node:stream';
import { csvLine } from '../../jobs/report/csv.js';
import type { Ask, CountRoute, ListRoute, OneRoute, PlainRoute, Route, RowPage, RowRange } from './route.js';
import { MOST_ROWS } from './wire.js';

/** `fields=name,status`: only those keys and the id; `all` or none: every key. */
function selected(row: object, fields: readonly string[] | undefined): object {
  if (!fields || fields.length === 0 || fields.includes('all')) return row;
  return Object.fromEntries(Object.entries(row).filter(([key]) => key === 'id' || fields.includes(key)));
}

interface Shared {
  readonly fields?: readonly string[];
}

/** Keys of a sign-in link that are also at the top level of the reply. */
const AT_THE_TOP = ['method', 'target', 'prompt', 'attributes'];

export function oneReply({ type }: OneRoute, { query }: Ask, row: object): object {
  const top = 'target' in row ? Object.entries(row).filter(([key]) => AT_THE_TOP.includes(key)) : [];
  return { status: 'ok', type, [type]: selected(row, (query as Shared).fields), ...Object.fromEntries(top) };
}

export function listReply(
  { type, key }: ListRoute,
  { query }: Ask,
  page: RowPage,
  range: RowRange,
  url: string,
): object {
  const rows = page.rows.map((row) => selected(row, (query as Shared).fields));
  const { offset, limit } = range;
  const hasMore = offset + page.rows.length < page.total && limit > 0;
  return {
    status: 'ok',
    type,
    [type]: rows,
    ...(key === type ? {} : { [key]: rows }),
    meta: {
      offset,
      limit,
      total_count: page.total,
      has_more: hasMore,
      links: {
        next: hasMore ? at(url, offset + limit) : null,
        prev: offset > 0 ? at(url, Math.max(0, offset - limit)) : null,
      },
    },
  };
}

function at(url: string, offset: number): string {
  const [path, query] = url.split('?', 2);
  const words = new URLSearchParams(query);
  words.set('offset', String(offset));
  return `${path}?${words}`;
}

export const countReply = ({ type }: CountRoute, total: number): object => ({
  status: 'ok',
  type,
  meta: { total_count: total },
});

export const hasCsv = (route: Route): route is (ListRoute | PlainRoute) & { csv: readonly string[] } =>
  (route.kind === 'list' || route.kind === 'plain') && route.csv !== undefined;

export const csvOfOne = (columns: readonly string[], row: object): string =>
  csvLine(columns) + csvLine(columns.map((column) => cell(row, column)));

/**
 * Streams all rows of a list from `offset` on, page by page: a run may have a million items. An error in the first page
 * is sent as an error reply, not as a truncated file.
 */
export async function csvReply(
  route: ListRoute,
  ask: Ask,
  offset: number,
  limit: number = Number.POSITIVE_INFINITY,
): Promise<Readable> {
  const page = async (from: number, left: number): Promise<RowPage> =>
    route.page(ask, { offset: from, limit: Math.min(MOST_ROWS, left) });
  let next: RowPage | undefined = await page(offset, limit);
  async function* lines(): AsyncGenerator<string> {
    yield csvLine(route.csv!);
    let left = limit;
    for (let from = offset; left > 0; ) {
      ask.signal.throwIfAborted();
      const { rows, total } = next ?? (await page(from, left));
      next = undefined;
      yield rows.map((row) => csvLine(route.csv!.map((column) => cell(row, column)))).join('');
      from += rows.length;
      left -= rows.length;
      if (rows.length === 0 || from >= total) return;
    }
  }
  return Readable.from(lines());
}

function cell(row: object, column: string): string | number | undefined {
  const value = column.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], row);
  if (value === undefined || value === null) return undefined;
  return typeof value === 'number' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value);
}
