import type { RemoteId } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import type { IndexFilter } from '../procore/items.js';
import type { Parcel } from '../procore/transport/body.js';

export interface IndexQuery {
  readonly page: number;
  readonly perPage: number;
  readonly filter: IndexFilter;
  /** The latest update first. */
  readonly newestFirst?: boolean;
}

/** One page of the flat index, oldest update first unless told, not parsed yet. */
export interface RawPage {
  readonly body: Parcel;
  readonly total: number | undefined;
  /** Rows a page, which may be fewer than were asked for. */
  readonly perPage: number;
  /** Server time, seconds. */
  readonly serverTime: number;
}

/** One folder with its direct children, not parsed yet. */
export type RawListing = Pick<RawPage, 'body' | 'serverTime'>;

/** The calls that the mirror makes, bound to one project. */
export interface IndexSource {
  page(query: IndexQuery, options: CallOptions): Promise<RawPage>;
  /** The folder with its direct children; the project's root without an id. */
  folder(id: RemoteId | undefined, options: CallOptions): Promise<RawListing>;
}
