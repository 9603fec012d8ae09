import { type RemoteId, ROOT_INODE } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import { HIDDEN } from '../../mirror/database/flags.js';
import { isLocalInode } from '../../mirror/database/inode-ranges.js';
import type { Binding } from '../../mirror/database/numbers.js';
import type { MirrorStore } from '../../mirror/database/store.js';
import type { Item } from '../../mirror/database/view.js';
import type { Outbox } from '../outbox.js';
import { attemptOf } from './attempt.js';
import { type Intent, isLocal, NO_REMOTE, UNPLACED } from './intent.js';

/**
 * Before anything is done with them: the numbers in `outbox.db` are those of this mirror. One that was lost, or is older or
 * newer than what was written down, gives the items the numbers that they had; what cannot be placed is held for a person.
 */
export async function renumber(
  outbox: Pick<Outbox, 'intents' | 'tree' | 'clock'>,
  store: MirrorStore,
  log: Log,
): Promise<void> {
  const { intents } = outbox;
  const { identities } = intents;
  const numbers = await store.numbers();
  const freed = clashes(outbox);
  identities.forget(freed);
  if (freed.length === 0 && identities.isOf(numbers)) return;
  const referred = identities.referred(intents.all());
  const above = Math.max(0, ...[...referred].filter((inode) => !isLocalInode(inode)));
  if (identities.isKnown) {
    log.warn(
      { count: referred.size },
      'the mirror is not the one that the outbox knew: its items get their numbers again',
    );
    await store.bind(identities.all(), freed, above);
  } else {
    // An older program wrote down the numbers only: as far as this mirror has them, they are its own.
    await store.bind([], freed, above);
    for (const inode of referred) intents.refersTo(inode);
    intents.change(unplaced(outbox));
  }
  identities.agree(await store.numbers());
}

/**
 * Numbers of intents under which the mirror has something else that shows: it is newer than the outbox. What an intent was
 * to make there may be this very item: one looks before it is made again.
 */
function clashes({ intents, tree }: Pick<Outbox, 'intents' | 'tree'>): Binding[] {
  const freed: Binding[] = [];
  const doubtful: Intent[] = [];
  let attemptAt = 0;
  for (const intent of intents.all()) {
    const item = hiddenBy(intent, { intents, tree });
    if (!item) continue;
    if (intent.remoteId !== NO_REMOTE || isLocal(intent)) freed.push({ inode: item.inode, remoteId: item.remoteId });
    else if (!intent.attempted) {
      attemptAt = intents.attemptFrom(Math.max(intent.changedAt, attemptAt + 1));
      doubtful.push({ ...intent, attemptAt, attempted: attemptOf(intent) });
    }
  }
  if (doubtful.length > 0) intents.change(doubtful);
  return freed;
}

/**
 * Of items that no change here speaks for any more, and so show again, those whose number has gone to what took their
 * place here: these are to get others.
 */
export function displaced(ids: readonly RemoteId[], { intents, tree }: Pick<Outbox, 'intents' | 'tree'>): Binding[] {
  return ids.flatMap((remoteId) => {
    const item = tree.view.byRemoteId(remoteId);
    const other = item && intents.get(item.inode);
    // What has just been made gets its remote id a moment after the mirror has it.
    if (!other || (other.remoteId === NO_REMOTE && other.attempted)) return [];
    return hiddenBy(other, { intents, tree }) ? [{ inode: item.inode, remoteId }] : [];
  });
}

/** What shows at the server under the number of an intent, and no intent speaks for. */
function hiddenBy({ inode, remoteId }: Intent, { intents, tree }: Pick<Outbox, 'intents' | 'tree'>): Item | undefined {
  const item = tree.view.item(inode);
  const isShown = item !== undefined && (item.flags & HIDDEN) === 0;
  return isShown && item.remoteId !== remoteId && !intents.ofRemote(item.remoteId) ? item : undefined;
}

/** Changes in folders that nobody knows any more. */
const unplaced = ({ intents, tree }: Pick<Outbox, 'intents' | 'tree'>): Intent[] =>
  [...intents.all()]
    .filter(({ parent, deleted }) => {
      const isKnown =
        parent === ROOT_INODE || intents.get(parent) !== undefined || tree.remoteIdOf(parent) !== undefined;
      return !isKnown && !deleted;
    })
    .map((intent) => ({ ...intent, state: 'held', reason: UNPLACED, released: false }));
