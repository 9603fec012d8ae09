import { asInode, type Inode } from '../../base/ids.js';
import type { Item } from '../../mirror/database/view.js';
import type { LocalItem } from '../tree/tree.js';
import { mayBeThere, NOT_ATTEMPTED } from './attempt.js';
import { type Intent, NO_INODE, NO_REMOTE, NO_VERSION } from './intent.js';
import type { Intents } from './intents.js';

/** The intent of an item without local changes: everything is as at the server. */
export function untouched(item: LocalItem, now: number, who: string): Intent {
  return {
    inode: item.inode,
    remoteId: item.remoteId,
    folder: !item.isFile,
    parent: item.parent,
    name: item.name,
    deleted: false,
    baseParent: item.parent,
    baseName: item.name,
    baseVersion: item.versionId,
    baseNumber: item.versionNumber,
    baseSize: item.size,
    sequence: item.sequence,
    staged: false,
    dirty: false,
    contentItem: NO_REMOTE,
    contentVersion: NO_VERSION,
    size: item.isFile ? item.size : 0,
    mtime: item.localMtime ?? (item.isFile ? item.versionAt : item.updatedAt),
    mode: item.localMode,
    flushed: true,
    stagedAt: 0,
    state: 'held',
    reason: undefined,
    changedAt: now,
    since: now,
    attempts: 0,
    ...NOT_ATTEMPTED,
    released: false,
    who,
    upload: undefined,
    volatile: undefined,
    gaps: undefined,
  };
}

/** The intent of an item that is created here. */
export function made(inode: Inode, parent: Inode, name: string, folder: boolean, now: number, who: string): Intent {
  return {
    inode,
    remoteId: NO_REMOTE,
    folder,
    parent,
    name,
    deleted: false,
    baseParent: NO_INODE,
    baseName: '',
    baseVersion: NO_VERSION,
    baseNumber: 0,
    baseSize: 0,
    sequence: 0,
    staged: !folder,
    dirty: !folder,
    contentItem: NO_REMOTE,
    contentVersion: NO_VERSION,
    size: 0,
    mtime: now / 1000,
    mode: undefined,
    flushed: folder,
    stagedAt: 0,
    state: folder ? 'held' : 'open',
    reason: undefined,
    changedAt: now,
    since: now,
    attempts: 0,
    ...NOT_ATTEMPTED,
    released: false,
    who,
    upload: undefined,
    volatile: undefined,
    gaps: undefined,
  };
}

/** `to` takes over the identity of `from` at the server, as the next content of the same document. */
export function withIdentityOf(to: Intent, from: Intent): Intent {
  return {
    ...to,
    remoteId: from.remoteId,
    baseParent: from.baseParent,
    baseName: from.baseName,
    baseVersion: from.baseVersion,
    baseNumber: from.baseNumber,
    baseSize: from.baseSize,
    dirty: true,
    attemptAt: from.attemptAt,
    attempted: from.attempted,
  };
}

/** An item after another one took its identity: a new file with the same content, or a new folder. */
export function withoutIdentity(intent: Intent): Intent {
  const takesContent = !intent.folder && !intent.staged && intent.contentVersion === NO_VERSION;
  return {
    ...intent,
    remoteId: NO_REMOTE,
    baseParent: NO_INODE,
    baseName: '',
    baseVersion: NO_VERSION,
    baseNumber: 0,
    baseSize: 0,
    dirty: !intent.folder,
    ...NOT_ATTEMPTED,
    // An upload that an attempt has consumed cannot be used again.
    upload: intent.attempted ? undefined : intent.upload,
    contentItem: takesContent ? intent.remoteId : intent.contentItem,
    contentVersion: takesContent ? intent.baseVersion : intent.contentVersion,
  };
}

/** A known file without its local content: where it was moved to, with the content that the server has. */
export const withoutContent = (intent: Intent, known: Item | undefined, now: number): Intent => ({
  ...intent,
  staged: false,
  dirty: false,
  contentItem: NO_REMOTE,
  contentVersion: NO_VERSION,
  size: intent.baseSize,
  mtime: known?.versionAt ?? intent.mtime,
  flushed: true,
  stagedAt: 0,
  state: 'held',
  reason: undefined,
  changedAt: now,
  upload: undefined,
  volatile: undefined,
  gaps: undefined,
});

/** As `withoutIdentity`, for a file that stays on this machine only. */
export const setAside = (intent: Intent): Intent => ({ ...withoutIdentity(intent), upload: undefined });

/** The deletion of an item that the server has or may have. It gets an inode of its own if the item continues here. */
export function tombstone(inode: Inode, of: Intent, now: number): Intent {
  const isKnown = of.remoteId !== NO_REMOTE || !of.attempted;
  return {
    ...of,
    inode: asInode(inode),
    parent: isKnown ? of.baseParent : of.attempted.parent,
    name: isKnown ? of.baseName : of.attempted.name,
    deleted: true,
    staged: false,
    dirty: false,
    contentItem: NO_REMOTE,
    contentVersion: NO_VERSION,
    flushed: true,
    state: 'held',
    reason: undefined,
    changedAt: now,
    since: now,
    attempts: 0,
    released: false,
    upload: undefined,
    volatile: undefined,
    gaps: undefined,
  };
}

/** The item is as at the server: there is nothing to send. */
export const isNothing = (intent: Intent): boolean =>
  intent.remoteId !== NO_REMOTE &&
  intent.attempted === undefined &&
  !intent.deleted &&
  !intent.dirty &&
  intent.parent === intent.baseParent &&
  intent.name === intent.baseName;

/** The item was only moved here and has nothing new in it: once it is deleted at the server, nothing of it is left. */
export const hasNothingOfItsOwn = (intent: Intent, intents: Intents): boolean =>
  intent.remoteId !== NO_REMOTE &&
  !intent.deleted &&
  !intent.dirty &&
  intent.attempted === undefined &&
  intent.contentItem === NO_REMOTE &&
  intents.childrenOf(intent.inode).length === 0;

/** Whether the row records this state already: file times advance in steps, so the change may not be a real one. */
export function isNoted(
  known: Intent,
  seen: { readonly size: number; readonly mtimeMs: number },
  mtime: number,
  place: string,
): boolean {
  const isSame = known.stagedAt === seen.mtimeMs && known.size === seen.size && known.mtime === mtime;
  const isAtRest = known.flushed && known.dirty && known.upload === undefined && known.state !== 'uploading';
  return isSame && isAtRest && known.gaps === undefined && known.volatile === place;
}

/** An intent at its place, other intents to write with it, and inodes whose intents are dropped. */
export interface PlacedIntent {
  readonly intent: Intent;
  readonly others: readonly Intent[];
  readonly drop: readonly Inode[];
}

/**
 * If a new file takes a place that another file left, which the server does not know yet, it becomes the same document.
 */
export function claimPlace(intents: Intents, intent: Intent, now: number): PlacedIntent {
  const left = intent.folder ? undefined : intents.leftFrom(intent.parent, intent.name);
  const free = left && !left.folder && left.attemptAt === 0 && left.inode !== intent.inode && !mayBeThere(intent);
  if (!free) return { intent, others: [], drop: [] };
  const claimed = withIdentityOf(intent, left);
  if (left.deleted) return { intent: claimed, others: [], drop: [left.inode] };
  return { intent: claimed, others: [{ ...withoutIdentity(left), changedAt: now }], drop: [] };
}
