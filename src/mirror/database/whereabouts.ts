import { type RemoteId, ROOT_INODE } from '../../base/ids.js';
import { BIN, DELETED, GONE } from './flags.js';
import type { View } from './view.js';

/**
 * What is known of an item that is not where it was. `deleted`: the server said that it, or a folder above it, is in the
 * recycle bin · `elsewhere`: it can be seen at another place or under another name · `unseen`: a listing does not have it
 * any more, which a lost permission does as well
 */
export interface Whereabouts {
  readonly is: 'deleted' | 'elsewhere' | 'unseen';
  /** Server time of the reply that says so, seconds; undefined where none does. */
  readonly since?: number;
}

/** A damaged mirror must not hang the thread. */
const MOST_FOLDERS = 1000;

/** From what replies said so far: no call. */
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
