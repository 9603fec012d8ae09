import type { RemoteVersion } from '../procore/items.js';
import { made } from './changes.js';
import { freeConflictName } from './conflict-name.js';
import type { Intent } from './intent.js';
import type { Outbox } from './outbox.js';

/** Their version as a file of its own beside ours: its content is brought over when it goes up. */
export function copyOf(version: RemoteVersion, ours: Intent, outbox: Outbox): Intent {
  const { intents, tree, clock } = outbox;
  const folder = tree.item(ours.parent);
  const isTaken = (name: string): boolean => folder !== undefined && tree.child(folder, name) !== undefined;
  const now = clock.now();
  const name = freeConflictName(ours.name, now, isTaken);
  return {
    ...made(intents.newInode(), ours.parent, name, false, now, ours.who),
    staged: false,
    contentItem: ours.remoteId,
    contentVersion: version.id,
    size: version.size,
    mtime: version.createdAt,
    flushed: true,
    state: 'held',
    reason: 'somebody else saved it just before',
  };
}
