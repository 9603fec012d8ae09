import type { ProjectId } from '../base/ids.js';
import type { IndexFilter } from './items.js';

export interface IndexQuery {
  /** Starts at 1. */
  readonly page: number;
  /** Up to 2,000 are recommended. */
  readonly perPage: number;
  readonly filter?: IndexFilter;
  /** `updated_at` (oldest first) keeps paging stable: changed items move to the end. A minus reverses the order. */
  readonly sort?: 'updated_at' | '-updated_at' | 'name' | '-name';
}

/** The server may refuse an open-ended range: its end is set to this long after its start (ten years, seconds). */
const FAR_AHEAD_S = 10 * 366 * 86_400;

const stamp = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

/** Path and query of one page of `GET /rest/v1.0/projects/{id}/documents` with `view=extended`. */
export function indexPath(projectId: ProjectId, query: IndexQuery): string {
  const { page, perPage, filter = {}, sort = 'updated_at' } = query;
  const parameters = new URLSearchParams({ view: 'extended', page: `${page}`, per_page: `${perPage}`, sort });
  if (filter.updatedFrom !== undefined || filter.updatedTo !== undefined) {
    const from = Math.max(0, filter.updatedFrom ?? 0);
    parameters.set('filters[updated_at]', `${stamp(from)}...${stamp(filter.updatedTo ?? from + FAR_AHEAD_S)}`);
  }
  if (filter.type) parameters.set('filters[document_type]', filter.type);
  if (filter.folderId !== undefined) parameters.set('filters[folder_id]', String(filter.folderId));
  if (filter.inRecycleBin !== undefined) parameters.set('filters[is_in_recycle_bin]', String(filter.inRecycleBin));
  return `/rest/v1.0/projects/${projectId}/documents?${parameters}`;
}
