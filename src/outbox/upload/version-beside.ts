import { appeared } from '../../mirror/database/changes.js';
import type { RemoteVersion } from '../../procore/items.js';
import { made } from '../intents/changes.js';
import { BASE_CONTENT, type Intent, placed } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';
import { nameBeside } from './conflict-name.js';

/** Keeps another user's version as a file of its own beside ours. Its content is downloaded when that file is sent. */
export function keepBeside(version: RemoteVersion, ours: Intent, { outbox }: { readonly outbox: Outbox }): void {
  const theirs = copyOf(version, ours, outbox);
  outbox.intents.change([theirs]);
  outbox.tree.tell([appeared(placed(theirs))]);
}

function copyOf(version: RemoteVersion, ours: Intent, outbox: Outbox): Intent {
  const { intents, clock } = outbox;
  const now = clock.now();
  const { parent } = ours.here;
  const name = nameBeside(ours.here.name, parent, outbox);
  const copy = made(intents.newInode(), parent, name, false, now, ours.who);
  return {
    ...copy,
    here: { ...copy.here, size: version.size, mtime: version.createdAt },
    content: { ...BASE_CONTENT, dirty: true, item: ours.remoteId, version: version.id },
    state: 'held',
    reason: 'somebody else saved it just before',
  };
}
