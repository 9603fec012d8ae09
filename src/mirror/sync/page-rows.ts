import type { MirrorStore } from '../database/store.js';
import type { View } from '../database/view.js';
import type { RawPage } from './index-source.js';

/** Rows a page of the index: what the API recommends at most. */
export const MOST_PAGE_ROWS = 2000;

/** Rows a page as this server gives them: it may have a lower maximum, which the first short page shows. */
export const pageRows = (view: View): number => view.number('page.rows') ?? MOST_PAGE_ROWS;

/** What a reply tells of pages. */
export type Paging = Pick<RawPage, 'total' | 'perPage'>;

/** Rows a page as a reply shows them: also a first page that is shorter than it says, although more follow. */
export const rowsShown = (page: number, rows: number, { total, perPage }: Paging): number =>
  page !== 1 || rows === 0 || rows >= perPage || total === undefined || total <= rows ? perPage : rows;

/** Remembers the server's maximum where a reply shows it. */
export async function learnPageRows(
  store: MirrorStore,
  asked: number,
  page: number,
  rows: number,
  paging: Paging,
): Promise<number> {
  const shown = rowsShown(page, rows, paging);
  if (shown !== asked) await store.setMeta({ 'page.rows': shown });
  return shown;
}
