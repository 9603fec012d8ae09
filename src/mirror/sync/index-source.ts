import type { ProjectId, RemoteId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { ProcoreClient, RawIndexPage, RawListing } from '../../procore/client.js';
import type { IndexFilter } from '../../procore/items.js';

export interface PageQuery {
  readonly page: number;
  readonly perPage: number;
  readonly filter: IndexFilter;
  /** The latest update first. */
  readonly newestFirst?: boolean;
}

/** One unparsed page of the flat index, oldest update first by default. */
export type RawPage = Omit<RawIndexPage, 'page' | 'form'> & Partial<Pick<RawIndexPage, 'form'>>;

/** The mirror's calls, bound to one project. */
export interface IndexSource {
  page(query: PageQuery, options: CallOptions): Promise<RawPage>;
  /** The folder with its direct children; without an id, the project's root. */
  folder(id: RemoteId | undefined, options: CallOptions): Promise<RawListing>;
}

export const indexSource = (client: ProcoreClient, project: ProjectId): IndexSource => ({
  page: ({ newestFirst, ...query }, options) =>
    client.indexRaw(project, { ...query, sort: newestFirst ? '-updated_at' : 'updated_at' }, options),
  folder: (id, options) => client.folderRaw(project, id, options),
});

/** A position in a walk through the index in order of the last update. */
export interface WalkStep {
  /** Server time, seconds, inclusive. */
  readonly from: number;
  /** From 1; greater only if rows of one second fill a page. */
  readonly page: number;
  /** Rows of each of the pages before; undefined: as many as now. */
  readonly rows?: number | undefined;
}
