import type { MirrorStore } from './store.js';
import type { View } from './view.js';

/** Rows a page of the index: what the API recommends at most. */
export const MOST_PAGE_ROWS = 2000;

/** Rows a page as this server gives them: it may have a lower maximum, which the first short page shows. */
export const pageRows = (view: View): number => view.number('page.rows') ?? MOST_PAGE_ROWS;

/** Learns the server's maximum from a first page that is shorter than asked for although more rows follow. */
export async function learnPageRows(
  store: MirrorStore,
  asked: number,
  page: number,
  rows: number,
  total: number | undefined,
): Promise<number> {
  if (page !== 1 || rows === 0 || rows >= asked || total === undefined || total <= rows) return asked;
  await store.setMeta({ 'page.rows': rows });
  return rows;
}
