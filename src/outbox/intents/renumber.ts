import { type RemoteId, ROOT_INODE } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import { HIDDEN } from '../../mirror/database/flags.js';
import { isLocalInode } from '../../mirror/database/inode-ranges.js';
import type { Binding } from '../../mirror/database/numbers.js';
import type { MirrorStore } from '../../mirror/database/store.js';
import type { Item } from '../../mirror/database/view.js';
import type { Outbox } from '../outbox.js';
import { goalOf } from './attempt.js';
import { type Intent, isLocal, NO_REMOTE, UNPLACED } from './intent.js';

/**
 * Makes the inodes in `outbox.db` those of this mirror, before anything else uses them. A mirror that was lost, or is
 * older or newer than what was recorded, gives the items their recorded inodes again. An intent that cannot be placed
 * is held for a user.
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
    // An older program version recorded the inodes only: those that this mirror has are taken as its own.
    await store.bind([], freed, above);
    for (const inode of referred) intents.refersTo(inode);
    intents.change(unplaced(outbox));
  }
  identities.agree(await store.numbers());
}

/**
 * Inodes of intents under which the mirror shows another item, since it is newer than the outbox. If the intent was to
 * create an item, it may be this very item: a lookup precedes another creation.
 */
function clashes({ intents, tree }: Pick<Outbox, 'intents' | 'tree'>): Binding[] {
  const freed: Binding[] = [];
  const doubtful: Intent[] = [];
  let at = 0;
  for (const intent of intents.all()) {
    const item = hiddenBy(intent, { intents, tree });
    if (!item) continue;
    if (intent.remoteId !== NO_REMOTE || isLocal(intent)) freed.push({ inode: item.inode, remoteId: item.remoteId });
    else if (!intent.attempt.goal) {
      at = intents.attemptFrom(Math.max(intent.changedAt, at + 1));
      doubtful.push({ ...intent, attempt: { at, goal: goalOf(intent) } });
    }
  }
  if (doubtful.length > 0) intents.change(doubtful);
  return freed;
}

/**
 * Items that no intent concerns any more and that therefore show again, but whose inode has passed to the item that
 * took their place here: they are to get another inode.
 */
export function displaced(ids: readonly RemoteId[], { intents, tree }: Pick<Outbox, 'intents' | 'tree'>): Binding[] {
  return ids.flatMap((remoteId) => {
    const item = tree.view.byRemoteId(remoteId);
    const other = item && intents.get(item.inode);
    // The intent of an item just created gets its remote id a moment after the mirror.
    if (!other || (other.remoteId === NO_REMOTE && other.attempt.goal)) return [];
    return hiddenBy(other, { intents, tree }) ? [{ inode: item.inode, remoteId }] : [];
  });
}

/** The server item that shows under the inode of an intent and has no intent of its own. */
function hiddenBy({ inode, remoteId }: Intent, { intents, tree }: Pick<Outbox, 'intents' | 'tree'>): Item | undefined {
  const item = tree.view.item(inode);
  const isShown = item !== undefined && (item.flags & HIDDEN) === 0;
  return isShown && item.remoteId !== remoteId && !intents.ofRemote(item.remoteId) ? item : undefined;
}

/** Changes in folders that are not known any more. */
const unplaced = ({ intents, tree }: Pick<Outbox, 'intents' | 'tree'>): Intent[] =>
  [...intents.all()]
    .filter(({ here: { parent }, deleted }) => {
      const isKnown =
        parent === ROOT_INODE || intents.get(parent) !== undefined || tree.remoteIdOf(parent) !== undefined;
      return !isKnown && !deleted;
    })
    .map((intent) => ({ ...intent, state: 'held', reason: UNPLACED, released: false }));
