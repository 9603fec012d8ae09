import { OWN } from '../mirror/database/flags.js';
import type { View } from '../mirror/database/view.js';
import { type Intent, NO_REMOTE } from './intents/intent.js';
import type { Intents } from './intents/intents.js';

/** Seconds after its creation for which an item counts as new. */
const NEW_S = 3600;

/**
 * Whether a deletion takes away only what was created here a short time ago and nobody else has touched: for a folder,
 * also all that is deleted in it. The delete guard lets it go.
 */
export function isOwnAndNew({ inode, remoteId, folder, base }: Intent, view: View, intents: Intents): boolean {
  const item = view.byRemoteId(remoteId);
  const isNew = item && (view.number('poll.at') ?? Number.POSITIVE_INFINITY) - item.createdAt < NEW_S;
  const isOwn = isNew && (item.flags & OWN) !== 0 && item.versionId === base.version;
  if (!isOwn && remoteId !== NO_REMOTE) return false;
  return !folder || intents.basedIn(inode).every(({ deleted, released }) => deleted && released);
}
