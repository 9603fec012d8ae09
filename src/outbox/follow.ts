import type { Inode } from '../base/ids.js';
import { altered, type Change, disappeared, moved as movedTo, nextSequence } from '../mirror/database/changes.js';
import { BIN, DELETED, HIDDEN } from '../mirror/database/flags.js';
import type { Item } from '../mirror/database/view.js';
import { hasNothingOfItsOwn } from './intents/changes.js';
import { type Intent, NO_REMOTE, NO_VERSION, placed } from './intents/intent.js';
import type { Outbox } from './outbox.js';
import { isNewer } from './scheduler/order.js';

/**
 * Applies other users' changes at the server to items with a pending intent. Each of folder, name and content that was
 * not changed here follows the server. An item that was only moved here is deleted with the document. Returns the
 * resulting changes in the local tree.
 */
export function follow(
  changes: readonly Change[],
  { intents, tree, kept }: Pick<Outbox, 'intents' | 'tree' | 'kept'>,
): Change[] {
  if (intents.size === 0) return [];
  const seenNew = kept.keep(unseen(changes, { intents, tree }));
  const put: Intent[] = [];
  const drop: Inode[] = [];
  const seen: Change[] = [];
  for (const { intent, item } of concerned(changes, { intents, tree })) {
    // The item that took its place here has its times and permissions, under another inode.
    if (item.inode !== intent.inode && !intent.deleted) seen.push(altered(placed(intent)));
    if (intent.state === 'uploading') continue;
    const isThere = (item.flags & HIDDEN) === 0;
    // An item that is missing from a listing may be elsewhere: its send finds that out.
    if ((item.flags & (DELETED | BIN)) !== 0 && hasNothingOfItsOwn(intent, intents)) {
      drop.push(intent.inode);
      seen.push(disappeared(placed(intent), intent.sequence));
    }
    // An attempt with unknown outcome is looked up first. A deletion applies wherever the item is.
    if (intent.deleted || intent.attempt.goal) continue;
    const parent = isThere ? tree.view.parent(item)?.inode : undefined;
    if (parent === undefined) continue;
    const { here, base } = intent;
    const there = {
      parent: here.parent === base.parent ? parent : here.parent,
      name: here.name === base.name ? item.name : here.name,
    };
    const isElsewhere = there.parent !== here.parent || there.name !== here.name;
    const isTaken = isElsewhere && intents.child(there.parent, there.name) !== undefined;
    const moved = { ...intent, here: { ...here, ...there }, base: { ...base, parent, name: item.name } };
    const next = withContent(isTaken ? intent : moved, item);
    if (isSame(next, intent)) continue;
    put.push(next);
    const replacedSequence = next.sequence === intent.sequence ? undefined : intent.sequence;
    seen.push({ ...movedTo(placed(intent), placed(next)), replacedSequence });
  }
  if (put.length > 0 || drop.length > 0) intents.change(put, drop);
  return [...seenNew, ...seen];
}

/** Deletions of items that have other content at the server now, and of folders that contain something unseen. */
function unseen(changes: readonly Change[], outbox: Pick<Outbox, 'intents' | 'tree'>): Intent[] {
  const found = new Set<Intent>();
  const take = (deletion: Intent | undefined): void => {
    // A deletion that was sent already is compared afterwards.
    if (deletion?.deleted && deletion.attempt.at === 0) found.add(deletion);
  };
  for (const { intent, item } of concerned(changes, outbox))
    if ((item.flags & HIDDEN) === 0 && isNewer(item, intent)) take(intent);
  for (const { inode, after } of changes) {
    const folder = after && outbox.intents.get(after.parent);
    const item = folder?.deleted ? outbox.tree.view.item(inode) : undefined;
    if (item && !outbox.intents.ofRemote(item.remoteId)) take(folder);
  }
  return [...found];
}

/** Intents of changed items. Loops over the smaller set: a page of a crawl has many changes, and few intents wait. */
function* concerned(
  changes: readonly Change[],
  { intents, tree }: Pick<Outbox, 'intents' | 'tree'>,
): Generator<{ readonly intent: Intent; readonly item: Item }> {
  if (intents.size < changes.length) {
    const changed = new Set(changes.map(({ inode }) => inode));
    for (const intent of intents.all()) {
      const item = intent.remoteId === NO_REMOTE ? undefined : tree.view.byRemoteId(intent.remoteId);
      if (item && changed.has(item.inode)) yield { intent, item };
    }
  } else
    for (const { inode } of changes) {
      const item = tree.view.item(inode);
      const intent = item && intents.ofRemote(item.remoteId);
      if (intent) yield { intent, item };
    }
}

/** A file without local content shows another user's new version. */
function withContent(intent: Intent, item: Item): Intent {
  const { here, base, content } = intent;
  const isOwn = intent.folder || content.dirty || content.staged || content.item !== NO_REMOTE;
  if (isOwn || item.versionId === base.version || base.version === NO_VERSION) return intent;
  const { versionId: version, versionNumber: number, versionAt: mtime, size } = item;
  return {
    ...intent,
    here: { ...here, size, mtime, mode: undefined },
    base: { ...base, version, number, size },
    sequence: nextSequence(intent.sequence),
  };
}

const isSame = (a: Intent, b: Intent): boolean =>
  a.base.parent === b.base.parent &&
  a.base.name === b.base.name &&
  a.here.parent === b.here.parent &&
  a.here.name === b.here.name &&
  a.base.version === b.base.version;
