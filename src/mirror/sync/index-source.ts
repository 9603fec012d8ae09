import type { RemoteId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { RawIndexPage, RawListing } from '../../procore/client.js';
import type { IndexFilter } from '../../procore/items.js';

export interface PageQuery {
  readonly page: number;
  readonly perPage: number;
  readonly filter: IndexFilter;
  /** The latest update first. */
  readonly newestFirst?: boolean;
}

/** One page of the flat index, oldest update first unless told, not parsed yet. */
export type RawPage = Omit<RawIndexPage, 'page'>;

/** The calls that the mirror makes, bound to one project. */
export interface IndexSource {
  page(query: PageQuery, options: CallOptions): Promise<RawPage>;
  /** The folder with its direct children; the project's root without an id. */
  folder(id: RemoteId | undefined, options: CallOptions): Promise<RawListing>;
}
/** A place in a walk through the index in order of the last update. */
export interface WalkStep {
  /** Server time, seconds; rows of this second belong to the page. */
  readonly from: number;
  /** From 1; more than 1 only where a page is full of rows of one second. */
  readonly page: number;
}
