import type { CompanyId, ProjectId } from '../base/ids.js';
import type { IndexFilter } from './items.js';

/** The flat index of the API's version 1.0, which is deprecated, or its successor of 2.0. */
export type IndexForm = 1 | 2;

export const OTHER_FORM: Readonly<Record<IndexForm, IndexForm>> = { 1: 2, 2: 1 };

/** Rows a page: what is recommended for v1.0, and the most that v2.0 gives. */
export const MOST_PAGE_ROWS: Readonly<Record<IndexForm, number>> = { 1: 2000, 2: 100 };

export interface IndexQuery {
  /** Starts at 1. */
  readonly page: number;
  /** At most `MOST_PAGE_ROWS` are requested. */
  readonly perPage: number;
  readonly filter?: IndexFilter;
  /** `updated_at` (oldest first) keeps paging stable: changed items move to the end. A minus reverses the order. */
  readonly sort?: 'updated_at' | '-updated_at' | 'name' | '-name';
}

/** The server may refuse an open-ended range: its end is set to this long after its start (ten years, seconds). */
const FAR_AHEAD_S = 10 * 366 * 86_400;

const stamp = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

/** Rows that are requested of an index for a page. */
export const rowsAsked = ({ perPage }: IndexQuery, form: IndexForm): number => Math.min(perPage, MOST_PAGE_ROWS[form]);

/** Path and query of one page of `GET /rest/v1.0/projects/{id}/documents`, or of v2.0, with `view=extended`. */
export function indexPath(
  projectId: ProjectId,
  query: IndexQuery,
  form: IndexForm = 1,
  companyId?: CompanyId | undefined,
): string {
  const { page, filter = {}, sort = 'updated_at' } = query;
  const perPage = rowsAsked(query, form);
  const parameters = new URLSearchParams({ view: 'extended', page: `${page}`, per_page: `${perPage}`, sort });
  if (filter.updatedFrom !== undefined || filter.updatedTo !== undefined) {
    const from = Math.max(0, filter.updatedFrom ?? 0);
    parameters.set('filters[updated_at]', `${stamp(from)}...${stamp(filter.updatedTo ?? from + FAR_AHEAD_S)}`);
  }
  if (filter.type) parameters.set('filters[document_type]', filter.type);
  if (filter.folderId !== undefined) parameters.set('filters[folder_id]', String(filter.folderId));
  if (filter.inRecycleBin !== undefined) parameters.set('filters[is_in_recycle_bin]', String(filter.inRecycleBin));
  const company = form === 2 && companyId !== undefined ? `companies/${companyId}/` : '';
  return `/rest/v${form}.0/${company}projects/${projectId}/documents?${parameters}`;
}
