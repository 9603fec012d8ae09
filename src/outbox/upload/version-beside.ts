import { appeared } from '../../mirror/database/changes.js';
import type { RemoteVersion } from '../../procore/items.js';
import { made } from '../intents/changes.js';
import type { Intent } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';
import { nameBeside } from './conflict-name.js';

/** Keeps another user's version as a file of its own beside ours. Its content is downloaded when that file is sent. */
export function keepBeside(version: RemoteVersion, ours: Intent, { outbox }: { readonly outbox: Outbox }): void {
  const theirs = copyOf(version, ours, outbox);
  outbox.intents.change([theirs]);
  outbox.tree.tell([appeared(theirs)]);
}

function copyOf(version: RemoteVersion, ours: Intent, outbox: Outbox): Intent {
  const { intents, clock } = outbox;
  const now = clock.now();
  const name = nameBeside(ours.name, ours.parent, outbox);
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
