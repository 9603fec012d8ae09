import { type IndexForm, MOST_PAGE_ROWS } from '../../procore/index-query.js';
import type { MirrorStore } from '../database/store.js';
import type { View } from '../database/view.js';
import type { RawPage } from './index-source.js';

/** Keys in `meta`: the index that answered last, and rows per page of each as this server returns them. */
const FORM = 'index.form';
const ROWS: Readonly<Record<IndexForm, string>> = { 1: 'page.rows', 2: 'page.rows.v2' };

/** The index that answered this project last; v1.0 before the first reply. */
export const indexForm = (view: View): IndexForm => (view.number(FORM) === 2 ? 2 : 1);

/** Rows per page as this server returns them: its maximum may be lower, which the first short page shows. */
export const pageRows = (view: View): number => {
  const form = indexForm(view);
  return view.number(ROWS[form]) ?? MOST_PAGE_ROWS[form];
};

/** What a reply says about paging. */
export type Paging = Pick<RawPage, 'total' | 'perPage' | 'form'>;

/** Rows per page as a reply shows them, also if a first page is shorter than it says although more follow. */
export const rowsShown = (page: number, rows: number, { total, perPage }: Paging): number =>
  page !== 1 || rows === 0 || rows >= perPage || total === undefined || total <= rows ? perPage : rows;

/**
 * Records which index answered or, if it is the same as before, the server's maximum if the reply shows it. Returns the
 * rows that a page of the reply has.
 */
export async function learnPageRows(store: MirrorStore, page: number, rows: number, paging: Paging): Promise<number> {
  const known = indexForm(store.view);
  const { form = known } = paging;
  const shown = rowsShown(page, rows, paging);
  if (form !== known) await store.setMeta({ [FORM]: form });
  else if (shown !== pageRows(store.view)) await store.setMeta({ [ROWS[form]]: shown });
  return shown;
}
