import { DELETED, HIDDEN } from '../mirror/database/flags.js';
import type { Item } from '../mirror/database/view.js';
import { linuxNames } from '../names/linux.js';
import { sizeOfDigests } from '../procore/own-versions.js';
import { type Intent, NO_REMOTE, needsPerson } from './intents/intent.js';
import { type LateCall, mayBeOf, PEOPLE } from './intents/late-calls.js';
import type { Outbox } from './outbox.js';

const DELETED_LATE = 'a deletion without an answer was carried out late: procorefs restore brings it back';
const MADE_LATE = 'a call without an answer may have made it late: compare before you remove it';

/**
 * Tells what calls that were given up did late: one log line, and a line of `uploads` for a day. Nothing is undone: the
 * server keeps every version and every deleted item. A change counts as a call's by place, number and size, so that
 * telling costs no call; it may be another user's. To be called when the mirror has changed, or what waits for it.
 */
export function tellLate(outbox: Outbox): void {
  const { late, tree } = outbox;
  if (late.size === 0) return;
  for (const { remoteId, parentId, name } of late.all()) {
    const folder = remoteId === NO_REMOTE ? tree.view.byRemoteId(parentId) : undefined;
    const item = folder ? tree.view.child(folder, linuxNames.encode(name)) : tree.view.byRemoteId(remoteId);
    if (item) tellOf(item, outbox);
  }
}

function tellOf(item: Item, outbox: Outbox): void {
  const { late, intents, kept } = outbox;
  const own = intents.ofRemote(item.remoteId);
  if ((item.flags & HIDDEN) !== 0) {
    const isTaken = (item.flags & DELETED) !== 0 && !own?.deleted && late.removals(item.remoteId).length > 0;
    if (isTaken) kept.tell(item, pathOf(item, own, outbox), 'delete', DELETED_LATE);
  } else if (item.isFile && item.versionNumber === 1) {
    const calls = late.creations(item.parentId, item.remoteName, PEOPLE).filter(mayBeOf(item.remoteId));
    if (own || !calls.some(hasSize(item)) || isAwaited(item, outbox)) return;
    late.passed(calls, item.remoteId);
    kept.tell(item, pathOf(item, own, outbox), 'new file', MADE_LATE);
  } else if (item.isFile) {
    const calls = late.versions(item.remoteId).filter(mayBeOf(item.versionNumber));
    const current = calls.find(hasSize(item));
    // The send of what was written since looks at its bytes, and goes on from it.
    if (current && own && looksItself(own)) return;
    tellVersions(calls, item.versionNumber, item, pathOf(item, own, outbox), outbox, current);
  }
}

/**
 * Tells that one of these calls may have made one of the versions up to this number: `current`, or else any that was
 * saved over, where only the number of versions shows. What people's calls still make comes after that; a job looks for
 * what its own have covered.
 */
export function tellVersions(
  calls: readonly LateCall[],
  last: number,
  item: Pick<Item, 'remoteId' | 'inode'>,
  path: string,
  { kept, late }: Outbox,
  current?: LateCall,
): void {
  const covering = calls.find(({ baseNumber }) => last > baseNumber + 1);
  // The next run of a job goes on from its own version.
  const one = covering ?? (current?.job === PEOPLE ? current : undefined);
  late.passed(
    calls.filter(({ job }) => job === PEOPLE),
    last,
  );
  if (!one) return;
  const first = one.baseNumber + 1;
  const which = first < last ? `one of versions ${first} to ${last}` : `version ${last}`;
  const why = `a call without an answer may have saved ${which} late: compare those in .procore/versions`;
  kept.tell(item, path, 'new version', why);
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

function pathOf(item: Item, own: Intent | undefined, { tree }: Outbox): string {
  if (own && !own.deleted) return tree.pathOf(own.here);
  const folder = tree.view.parent(item);
  return folder ? tree.pathOf({ parent: folder.inode, name: item.name }) : item.name;
}
