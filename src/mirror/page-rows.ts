import type { MirrorStore } from './store.js';
import type { View } from './view.js';

/** Rows a page of the index: what the API recommends at most. */
export const MOST_PAGE_ROWS = 2000;

/** Rows a page as this server gives them: it may have a lower maximum, which the first short page shows. */
export const pageRows = (view: View): number => view.number('page.rows') ?? MOST_PAGE_ROWS;

/** Rows a page as a reply shows them: a first page that is shorter than asked for, although more follow, is a maximum. */
export const rowsShown = (asked: number, page: number, rows: number, total: number | undefined): number =>
  page !== 1 || rows === 0 || rows >= asked || total === undefined || total <= rows ? asked : rows;

/** Remembers the server's maximum where a reply shows it. */
export async function learnPageRows(
  store: MirrorStore,
  asked: number,
  page: number,
  rows: number,
  total: number | undefined,
): Promise<number> {
  const shown = rowsShown(asked, page, rows, total);
  if (shown !== asked) await store.setMeta({ 'page.rows': shown });
  return shown;
}
