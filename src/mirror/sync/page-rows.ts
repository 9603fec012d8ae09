import type { MirrorStore } from '../database/store.js';
import type { View } from '../database/view.js';
import type { RawPage } from './index-source.js';

/** Rows per page of the index: the most that the API recommends. */
export const MOST_PAGE_ROWS = 2000;

/** Rows per page as this server returns them: its maximum may be lower, which the first short page shows. */
export const pageRows = (view: View): number => view.number('page.rows') ?? MOST_PAGE_ROWS;

/** What a reply says about paging. */
export type Paging = Pick<RawPage, 'total' | 'perPage'>;

/** Rows per page as a reply shows them, also if a first page is shorter than it says although more follow. */
export const rowsShown = (page: number, rows: number, { total, perPage }: Paging): number =>
  page !== 1 || rows === 0 || rows >= perPage || total === undefined || total <= rows ? perPage : rows;

/** Records the server's maximum if a reply shows it. */
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
