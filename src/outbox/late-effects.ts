import type { Change } from '../mirror/database/changes.js';
import { DELETED, HIDDEN } from '../mirror/database/flags.js';
import type { Item } from '../mirror/database/view.js';
import { linuxNames } from '../names/linux.js';
import { sizeOfDigests } from '../procore/own-versions.js';
import { type Intent, NO_REMOTE, needsPerson } from './intents/intent.js';
import { type LateCall, mayBeOf, PEOPLE } from './intents/late-calls.js';
import type { Outbox } from './outbox.js';

const DELETED_LATE = 'a deletion without an answer was carried out late: procorefs restore brings it back';
const MADE_LATE = 'a call without an answer made it late: remove it if it is not wanted';

/**
 * Tells what calls that were given up did late: one log line, and a line of `uploads` for a day. Nothing is undone: the
 * server keeps every version and every deleted item. A change counts as a call's by place, number and size, so that
 * telling costs no call; it may be another user's.
 */
export function tellLate(changes: readonly Pick<Change, 'inode'>[], outbox: Outbox): void {
  if (outbox.late.size === 0) return;
  for (const { inode } of changes) {
    const item = outbox.tree.view.item(inode);
    if (item) tellOf(item, outbox);
  }
}

/** As `tellLate`, of effects that showed before the daemon last ended. */
export function tellLateAtStart(outbox: Outbox): void {
  const { view } = outbox.tree;
  for (const { remoteId, parentId, name } of outbox.late.all()) {
    const folder = remoteId === NO_REMOTE ? view.byRemoteId(parentId) : undefined;
    const item = folder ? view.child(folder, linuxNames.encode(name)) : view.byRemoteId(remoteId);
    if (item) tellOf(item, outbox);
  }
}

function tellOf(item: Item, outbox: Outbox): void {
  const { late, intents, kept } = outbox;
  const own = intents.ofRemote(item.remoteId);
  if ((item.flags & HIDDEN) !== 0) {
    const removals = (item.flags & DELETED) !== 0 && !own?.deleted ? late.removals(item.remoteId) : [];
    if (removals.length === 0) return;
    kept.tell(item, pathOf(item, outbox), 'delete', DELETED_LATE);
  } else if (item.isFile && item.versionNumber === 1) {
    const calls = late.creations(item.parentId, item.remoteName, PEOPLE).filter(mayBeOf(item.remoteId));
    const one = calls.find(hasSize(item));
    if (!one || own || isAwaited(item, outbox)) return;
    late.passed(calls, item.remoteId);
    kept.tell(item, pathOf(item, outbox), 'new file', MADE_LATE);
  } else if (item.isFile) tellVersion(item, own, outbox);
}

function tellVersion(item: Item, own: Intent | undefined, outbox: Outbox): void {
  const calls = outbox.late.versions(item.remoteId).filter(mayBeOf(item.versionNumber));
  const current = calls.find(hasSize(item));
  // The next run of the job, or the send of what was written since, goes on from it.
  if (current && (current.job !== PEOPLE || (own && looksItself(own)))) return;
  tellVersions(calls, item.versionNumber, item, pathOf(item, outbox), outbox, current);
}

/**
 * Tells that one of these calls may have made one of the versions up to this number: `current`, or else any that was
 * saved over, where only the number of versions shows. What they still make comes after that.
 */
export function tellVersions(
  calls: readonly LateCall[],
  last: number,
  item: Pick<Item, 'remoteId' | 'inode'>,
  path: string,
  { kept, late }: Outbox,
  current?: LateCall,
): void {
  const one = current ?? calls.find(({ baseNumber }) => last > baseNumber + 1);
  if (!one) return;
  late.passed(calls, last);
  const first = one.baseNumber + 1;
  const which = first < last ? `one of versions ${first} to ${last}` : `version ${last}`;
  kept.tell(
    item,
    path,
    'new version',
    `a call without an answer saved ${which} late: compare .procore/versions/${path}`,
  );
}

const hasSize =
  ({ size }: Item) =>
  ({ digests }: LateCall): boolean =>
    sizeOfDigests(digests) === size;

/** A new file is about to be sent to the item's place, and recognizes it as its own. */
function isAwaited({ inode, name, remoteName, parentId }: Item, { intents, tree }: Outbox): boolean {
  const folder = tree.view.byRemoteId(parentId)?.inode;
  if (folder === undefined || intents.get(inode)) return true;
  return intents.creationsInDoubt(folder, remoteName).length > 0 || intents.child(folder, name)?.remoteId === NO_REMOTE;
}

/** The item's intent compares versions before it is sent. One that only moves or deletes does not. */
const looksItself = (own: Intent): boolean =>
  (!needsPerson(own) || own.attempt.goal !== undefined) &&
  (own.content.dirty || own.content.staged || own.attempt.goal?.upload !== undefined);

function pathOf(item: Item, { tree }: Outbox): string {
  const folder = tree.view.parent(item);
  return folder ? tree.pathOf({ parent: folder.inode, name: item.name }) : item.name;
}
