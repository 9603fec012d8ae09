import { Failure, isFailure } from '../base/errors.js';
import { ROOT_INODE } from '../base/ids.js';
import type { CallOptions } from '../budget/calls.js';
import { nextSequence } from '../mirror/database/changes.js';
import { BIN } from '../mirror/database/flags.js';
import type { Item } from '../mirror/database/view.js';
import { takeBack } from '../mirror/take-back.js';
import { linuxNames, META_FOLDER } from '../names/linux.js';
import { NO_REMOTE } from '../outbox/intents/intent.js';
import type { LocalItem } from '../outbox/tree/tree.js';
import type { WrittenItem } from '../procore/writes.js';
import { BIN_FOLDER } from '../vfs/hidden/hidden-folder.js';
import { RecycleTree, suffixOf } from '../vfs/hidden/recycle-tree.js';
import { giveUp } from './discard.js';
import type { Project } from './project.js';

/** A restored item. */
export interface Restored {
  /** Path of the item now, from the project's root. */
  readonly path: string;
  /** A remark for the user. */
  readonly note?: string;
}

interface Found {
  readonly item: Item;
  readonly folder: LocalItem;
  readonly note?: string;
}

/**
 * Restores an item from the recycle bin: 1 call if the bin is known. The content of a folder is listed later, when
 * somebody looks at it. A deletion made here that has not reached the server yet is withdrawn without a call. The item
 * keeps its inode and shows at once.
 * @param path from the project's root: of an item in `.procore/recycle`, or where the item was
 * @throws Failure `usage`, `not-in-bin`, `restore-ambiguous`, `restore-taken`, `restore-refused`, `not-permitted`, or
 *   of a call
 */
export async function restorePath(project: Project, path: string, signal: AbortSignal): Promise<Restored> {
  const call: CallOptions = { class: 'interactive', signal };
  const names = path.split('/').filter((name) => name !== '');
  const hidden = names.indexOf(META_FOLDER);
  const inside = names.slice(hidden + 1);
  if (hidden >= 0 && (inside[0] !== BIN_FOLDER || inside.length < 2))
    throw new Failure('usage', {
      what: `${path} is nothing that was deleted; an older version comes back with cp over the file`,
    });
  const pending = hidden < 0 ? await deletedHere(project, path, signal) : undefined;
  if (pending) {
    giveUp(project, [pending.inode]);
    return { path: project.outbox.tree.pathOf(pending.here), note: 'it had not been deleted at the server yet' };
  }
  const found = hidden < 0 ? await whereItWas(project, path, signal) : await inBin(project, inside.slice(1), signal);
  const { item, folder, note } = found;
  const { outbox, mirror } = project;
  const name = linuxNames.encode(item.remoteName);
  const target = [outbox.tree.path(folder), name].filter((part) => part !== '').join('/');
  outbox.permissions.require(folder);
  await mirror.list(folder, 'interactive', signal);
  if (outbox.tree.child(folder, name)) throw new Failure('restore-taken', { path: `/${target}` });
  const written = await giveBack(project, item, folder, target, call);
  const isNew = written.item.version !== undefined && written.item.version.id !== item.versionId;
  const { inode, sequence } = item;
  const content = isNew ? { sequence: nextSequence(sequence), replaced: sequence } : { sequence };
  await mirror.store.confirm(written.item, written.serverTime, inode, { ...content, restored: true });
  const now = mirror.view.item(item.inode);
  return { path: (now && mirror.view.path(now)) ?? target, ...(note === undefined ? {} : { note }) };
}

/** The waiting intent that deletes the item which was at this path. */
async function deletedHere(project: Project, path: string, signal: AbortSignal) {
  const { parent, name } = placeOf(path);
  const folder = await folderAt(project, parent, path, signal);
  const intent = project.outbox.intents.leftFrom(folder.inode, name);
  if (!intent?.deleted) return undefined;
  // After the deletion was sent, the server may have carried it out.
  if (project.scheduler.isUnderWay(intent.inode) || intent.attempt.goal)
    throw new Failure('restore-later', { path: `/${path}` });
  return intent;
}

async function whereItWas(project: Project, path: string, signal: AbortSignal): Promise<Found> {
  const { parent, name } = placeOf(path);
  const folder = await folderAt(project, parent, path, signal);
  if (project.outbox.tree.child(folder, name)) throw new Failure('restore-taken', { path: `/${path}` });
  const tree = new RecycleTree(project.mirror);
  let items = deletedFrom(project, folder, name);
  if (items.length === 0) {
    await project.mirror.bin.look('interactive', signal, true);
    items = deletedFrom(project, folder, name);
  }
  const [item] = items;
  if (!item) throw new Failure('not-in-bin', { path: `/${path}` });
  if (items.length > 1) {
    const names = items.map((one) => `${META_FOLDER}/${BIN_FOLDER}/${tree.nameOf(undefined, one)}`).join(', ');
    throw new Failure('restore-ambiguous', { count: items.length, path: `/${path}`, names });
  }
  return { item, folder };
}

/**
 * Deleted items that were in a folder. If the server reports only that items are in the bin, not from which folder,
 * items of that name without a known folder match as well: the user knows the place.
 */
function deletedFrom({ mirror }: Project, folder: LocalItem, name: string): Item[] {
  if (folder.remoteId === NO_REMOTE) return [];
  const remoteName = linuxNames.decode(name);
  const there = mirror.store.recycled.namedIn(folder.remoteId, remoteName).items;
  if (there.length > 0) return [...there];
  const id = suffixOf(name);
  const suffixed = id === undefined ? undefined : mirror.view.byRemoteId(id);
  if (
    suffixed?.name === name &&
    suffixed.parentId === folder.remoteId &&
    mirror.store.recycled.isRecycled(suffixed.remoteId)
  )
    return [suffixed];
  return mirror.store.recycled.named(remoteName).items.filter((item) => {
    const parent = mirror.view.byRemoteId(item.parentId);
    return !parent || (parent.flags & BIN) !== 0;
  });
}

async function inBin(project: Project, names: readonly string[], signal: AbortSignal): Promise<Found> {
  const { mirror, outbox } = project;
  const tree = new RecycleTree(mirror);
  const find = (): Item | undefined => {
    let at: Item | undefined;
    for (const name of names) {
      at = tree.find(at, name);
      if (!at) return undefined;
    }
    return at;
  };
  let item = find();
  if (!item) {
    await mirror.bin.look('interactive', signal, true);
    item = find();
  }
  if (!item) throw new Failure('not-in-bin', { path: `"${names.join('/')}"` });
  // A parent folder that is not in the mirror may be newer than the last poll.
  if (!mirror.view.parent(item)) await mirror.pollNow(signal);
  const parent = mirror.view.parent(item);
  const folder = parent && outbox.tree.item(parent.inode);
  if (folder && outbox.tree.path(folder) !== undefined) return { item, folder };
  return {
    item,
    folder: outbox.tree.required(ROOT_INODE),
    note: 'the folder where it was is not known or not there any more: it is in the root of the project',
  };
}

async function giveBack(
  project: Project,
  item: Item,
  folder: LocalItem,
  target: string,
  call: CallOptions,
): Promise<WrittenItem> {
  const { session } = project;
  const access = { ...session.session, project: session.project.id };
  try {
    return await takeBack(access, item, { parentId: folder.remoteId }, call);
  } catch (error) {
    if (isFailure(error, 'name-taken')) throw new Failure('restore-taken', { path: `/${target}` }, error);
    if (isFailure(error, 'gone')) throw new Failure('restore-refused', { path: `/${target}` }, error);
    throw error;
  }
}

async function folderAt(project: Project, parent: string, path: string, signal: AbortSignal): Promise<LocalItem> {
  try {
    const folder = await project.find(parent, 'interactive', signal);
    if (!folder.isFile) return folder;
  } catch (error) {
    if (!isFailure(error, 'no-such-item')) throw error;
  }
  throw new Failure('not-in-bin', { path: `/${path}`, why: 'its folder is not there either: restore that first' });
}

function placeOf(path: string): { readonly parent: string; readonly name: string } {
  const slash = path.lastIndexOf('/');
  return { parent: path.slice(0, Math.max(0, slash)), name: path.slice(slash + 1) };
}
