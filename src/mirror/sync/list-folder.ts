import { isFailure } from '../../base/errors.js';
import type { RemoteId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { MirrorStore } from '../database/store.js';
import type { IndexSource } from './index-source.js';

/**
 * Lists the folder, or the root without an id, and stores the listing: 1 call; 1 more if the body was cut off although
 * it looked complete, which is rare and transient. Returns the server time of the listing, seconds.
 */
export async function listFolder(
  store: MirrorStore,
  source: IndexSource,
  id: RemoteId | undefined,
  options: CallOptions,
): Promise<number> {
  for (let again = true; ; again = false) {
    const listing = await source.folder(id, options);
    try {
      await store.ingestListing(listing);
      return listing.serverTime;
    } catch (error) {
      if (!again || !isFailure(error, 'bad-reply')) throw error;
    }
  }
}
