import { type RemoteId, ROOT_INODE } from '../../base/ids.js';
import { BIN, DELETED, GONE } from './flags.js';
import type { View } from './view.js';

/**
 * What the mirror knows of an item that is not in its former place. `deleted`: the server said that the item, or a
 * folder above it, is in the recycle bin · `elsewhere`: it is visible in another place or under another name ·
 * `unseen`: a listing does not have it any more, which a lost permission causes as well
 */
export interface Whereabouts {
  readonly is: 'deleted' | 'elsewhere' | 'unseen';
  /** Server time of the reply that shows it, seconds; undefined if none does. */
  readonly since?: number;
}

/** Bound that keeps a damaged mirror from hanging the thread. */
const MOST_FOLDERS = 1000;

/** From the replies so far: no call. */
export function whereabouts(view: View, id: RemoteId): Whereabouts {
  let at = view.byRemoteId(id);
  for (let depth = 0; at && depth < MOST_FOLDERS; depth++) {
    if ((at.flags & (DELETED | BIN)) !== 0) return { is: 'deleted' };
    if ((at.flags & GONE) !== 0) return { is: 'unseen', since: view.seenAt(at.remoteId) };
    if (at.inode === ROOT_INODE) return { is: 'elsewhere' };
    at = view.parent(at);
  }
  return { is: 'unseen' };
}
