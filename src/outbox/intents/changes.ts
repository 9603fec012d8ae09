import type { Inode } from '../../base/ids.js';
import type { Item } from '../../mirror/database/view.js';
import type { LocalItem } from '../tree/tree.js';
import { mayBeThere } from './attempt.js';
import { BASE_CONTENT, type Intent, NO_ATTEMPT, NO_BASE, NO_REMOTE, NO_VERSION } from './intent.js';
import type { Intents } from './intents.js';

/** A change that begins now, before any call for it. */
const begun = (now: number) => ({
  deleted: false,
  attempt: NO_ATTEMPT,
  state: 'held' as const,
  reason: undefined,
  changedAt: now,
  since: now,
  attempts: 0,
  released: false,
});

/** The intent of an item without local changes: everything is as at the server. */
export function untouched(item: LocalItem, now: number, who: string): Intent {
  const { inode, remoteId, isFile, parent, name, size, sequence } = item;
  return {
    ...begun(now),
    inode,
    remoteId,
    folder: !isFile,
    here: {
      parent,
      name,
      size: isFile ? size : 0,
      mtime: item.localMtime ?? (isFile ? item.versionAt : item.updatedAt),
      mode: item.localMode,
    },
    base: { parent, name, version: item.versionId, number: item.versionNumber, size },
    content: BASE_CONTENT,
    sequence,
    who,
  };
}

/** The intent of an item that is created here. */
export const made = (inode: Inode, parent: Inode, name: string, folder: boolean, now: number, who: string): Intent => ({
  ...begun(now),
  inode,
  remoteId: NO_REMOTE,
  folder,
  here: { parent, name, size: 0, mtime: now / 1000, mode: undefined },
  base: NO_BASE,
  content: { ...BASE_CONTENT, staged: !folder, dirty: !folder, flushed: folder },
  sequence: 0,
  state: folder ? 'held' : 'open',
  who,
});

/** `to` takes over the identity of `from` at the server, as the next content of the same document. */
export const withIdentityOf = (to: Intent, { remoteId, base, attempt }: Intent): Intent => ({
  ...to,
  remoteId,
  base,
  content: { ...to.content, dirty: true },
  attempt,
});

/** An item after another one took its identity: a new file with the same content, or a new folder. */
export function withoutIdentity(intent: Intent): Intent {
  const { folder, remoteId, base, content, attempt } = intent;
  const takesContent = !folder && !content.staged && content.version === NO_VERSION;
  return {
    ...intent,
    remoteId: NO_REMOTE,
    base: NO_BASE,
    content: {
      ...content,
      ...(takesContent ? { item: remoteId, version: base.version } : {}),
      dirty: !folder,
      // An upload that an attempt has consumed cannot be used again.
      upload: attempt.goal ? undefined : content.upload,
    },
    attempt: NO_ATTEMPT,
  };
}

/** A known file without its local content: where it was moved to, with the content that the server has. */
export const withoutContent = (intent: Intent, known: Item | undefined, now: number): Intent => ({
  ...intent,
  here: { ...intent.here, size: intent.base.size, mtime: known?.versionAt ?? intent.here.mtime },
  content: BASE_CONTENT,
  state: 'held',
  reason: undefined,
  changedAt: now,
});

/** As `withoutIdentity`, for a file that stays on this machine only. */
export function setAside(intent: Intent): Intent {
  const aside = withoutIdentity(intent);
  return { ...aside, content: { ...aside.content, upload: undefined } };
}

/** The deletion of an item that the server has or may have. It gets an inode of its own if the item continues here. */
export function tombstone(inode: Inode, of: Intent, now: number): Intent {
  const { parent, name } = (of.remoteId === NO_REMOTE ? of.attempt.goal : undefined) ?? of.base;
  return {
    ...of,
    ...begun(now),
    inode,
    deleted: true,
    here: { ...of.here, parent, name },
    content: BASE_CONTENT,
    attempt: of.attempt,
  };
}

/** The item is as at the server: there is nothing to send. */
export const isNothing = ({ remoteId, deleted, here, base, content, attempt }: Intent): boolean =>
  remoteId !== NO_REMOTE &&
  attempt.goal === undefined &&
  !deleted &&
  !content.dirty &&
  here.parent === base.parent &&
  here.name === base.name;

/** The item was only moved here and has nothing new in it: once it is deleted at the server, nothing of it is left. */
export const hasNothingOfItsOwn = ({ inode, remoteId, deleted, content, attempt }: Intent, intents: Intents): boolean =>
  remoteId !== NO_REMOTE &&
  !deleted &&
  !content.dirty &&
  attempt.goal === undefined &&
  content.item === NO_REMOTE &&
  intents.childrenOf(inode).length === 0;

/** Whether the row records this state already: file times advance in steps, so the change may not be a real one. */
export function isNoted(
  { here, content, state }: Intent,
  seen: { readonly size: number; readonly mtimeMs: number },
  mtime: number,
  place: string,
): boolean {
  const isSame = content.stagedAt === seen.mtimeMs && here.size === seen.size && here.mtime === mtime;
  const isAtRest = content.flushed && content.dirty && content.upload === undefined && state !== 'uploading';
  return isSame && isAtRest && content.gaps === undefined && content.volatile === place;
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
  const left = intent.folder ? undefined : intents.leftFrom(intent.here.parent, intent.here.name);
  const free = left && !left.folder && left.attempt.at === 0 && left.inode !== intent.inode && !mayBeThere(intent);
  if (!free) return { intent, others: [], drop: [] };
  const claimed = withIdentityOf(intent, left);
  if (left.deleted) return { intent: claimed, others: [], drop: [left.inode] };
  return { intent: claimed, others: [{ ...withoutIdentity(left), changedAt: now }], drop: [] };
}
