import { EventEmitter } from 'node:events';
import { Failure } from '../../base/errors.js';
import { type Inode, type RemoteId, ROOT_INODE } from '../../base/ids.js';
import type { ContentVersion } from '../../cache/source.js';
import type { Change, Place } from '../../mirror/database/changes.js';
import { FILE, HIDDEN } from '../../mirror/database/flags.js';
import type { Item, ListedItem, View } from '../../mirror/database/view.js';
import { linuxNames } from '../../names/linux.js';
import { mayBeMadeBy } from '../intents/attempt.js';
import { type Intent, NO_REMOTE, NO_VERSION } from '../intents/intent.js';
import type { Intents } from '../intents/intents.js';
import { FolderTimes } from './folder-times.js';

/** An item as shown here: the server's last known state, with the local changes made since. */
export interface LocalItem extends Item {
  readonly parent: Inode;
  /** The local change that the server has not confirmed. */
  readonly intent: Intent | undefined;
  /** Seconds; set here for this content, or when something in the folder changed here. */
  readonly localMtime: number | undefined;
  /** Seconds; when something in the folder changed here. */
  readonly localCtime: number | undefined;
  /** Permission bits; set here for this content. */
  readonly localMode: number | undefined;
}

/** What a listing shows of an item. */
export type ListedLocalItem = ListedItem & Partial<Pick<LocalItem, 'localMtime' | 'localCtime' | 'localMode'>>;

/** Joins two layers: the mirror has the server's state, the intents have the local changes. */
export class Tree {
  readonly view: View;
  readonly folderTimes = new FolderTimes();
  /** Local changes, and the mount that made them. The mirror reports changes at the server. */
  readonly events = new EventEmitter<{ changed: [changes: readonly Change[], by: object | undefined] }>();
  readonly #intents: Intents;

  constructor(view: View, intents: Intents) {
    this.view = view;
    this.#intents = intents;
  }

  /** Reports changes to everybody but the mount that made them. */
  tell(changes: readonly Change[], by?: object): void {
    this.events.emit('changed', changes, by);
  }

  /** Undefined if there is no such item, it is deleted, or its identity passed to another inode. */
  item(inode: Inode): LocalItem | undefined {
    const intent = this.#intents.get(inode);
    if (intent) return intent.deleted ? undefined : this.#fromIntent(intent);
    const item = this.view.item(inode);
    if (!item || (item.flags & HIDDEN) !== 0 || this.#isTaken(item)) return undefined;
    return this.#fromMirror(item);
  }

  child(parent: LocalItem, name: string): LocalItem | undefined {
    if (this.#intents.size > 0) {
      const intent = this.#intents.child(parent.inode, name);
      if (intent) return this.#fromIntent(intent);
    }
    if (parent.remoteId === NO_REMOTE) return undefined;
    const item = this.view.child(parent, name);
    return item && !this.#isTaken(item, parent.inode) ? this.#fromMirror(item, parent.inode) : undefined;
  }

  /** Whether the server has a file at this place that is elsewhere or deleted here. */
  isLeft(parent: LocalItem, name: string): boolean {
    const left = this.#intents.leftFrom(parent.inode, name);
    return left !== undefined && !left.folder;
  }

  /** Children with an inode greater than `after`, in order of inode: `limit` of them, fewer only at the end. */
  children(parent: LocalItem, after: number, limit: number): LocalItem[] {
    const remote = (above: number): Item[] =>
      parent.remoteId === NO_REMOTE ? [] : this.view.children(parent.remoteId, above, limit);
    if (this.#intents.size === 0) return remote(after).map((item) => this.#fromMirror(item, parent.inode));
    const local = this.#intents.childrenOf(parent.inode);
    const found: LocalItem[] = [];
    for (let at = after; ; ) {
      const rows = remote(at);
      const isLast = rows.length < limit;
      // The mirror may have more rows after a full page: local items beyond its last row come with a later page.
      const horizon = isLast ? Number.POSITIVE_INFINITY : rows.at(-1)!.inode;
      const here = rows.filter(
        (item) => !this.#isTaken(item, parent.inode) && !this.#intents.child(parent.inode, item.name),
      );
      const both = [...here, ...local.filter(({ inode }) => inode > at && inode <= horizon)]
        .sort((a, b) => a.inode - b.inode)
        .slice(0, limit - found.length);
      for (const one of both)
        found.push('remoteName' in one ? this.#fromMirror(one, parent.inode) : this.#fromIntent(one));
      if (isLast || found.length === limit) return found;
      at = horizon;
    }
  }

  /** As `children`, with only what a listing shows; directly from the mirror if there is no local change. */
  listing(parent: LocalItem, after: number, limit: number): readonly ListedLocalItem[] {
    const isUntouched = this.#intents.isEmpty && this.folderTimes.isEmpty;
    if (isUntouched && parent.remoteId !== NO_REMOTE) return this.view.listing(parent.remoteId, after, limit);
    return this.children(parent, after, limit);
  }

  /** Whether the folder is empty, as far as is known here. */
  isEmpty(folder: LocalItem): boolean {
    if (this.#intents.childrenOf(folder.inode).length > 0) return false;
    for (let after = 0; ; ) {
      const items = folder.remoteId === NO_REMOTE ? [] : this.view.children(folder.remoteId, after, 256);
      if (items.some((item) => !this.#isTaken(item, folder.inode))) return false;
      if (items.length < 256) return true;
      after = items.at(-1)!.inode;
    }
  }

  /** @throws Failure `item-exists`, `is-a-folder`, `not-a-folder`, `folder-not-empty`, as rename(2) says */
  requireReplaceable(item: LocalItem, replaced: LocalItem, mayReplace: boolean): void {
    const path = replaced.name;
    if (!mayReplace) throw new Failure('item-exists', { path });
    if (item.isFile !== replaced.isFile) throw new Failure(item.isFile ? 'is-a-folder' : 'not-a-folder', { path });
    if (!replaced.isFile && !this.isEmpty(replaced)) throw new Failure('folder-not-empty', { path });
  }

  /** The item as it is now, whatever happened since it was looked up. @throws Failure `no-such-item` */
  current(item: LocalItem): LocalItem {
    const now = this.item(item.inode);
    if (!now) throw new Failure('no-such-item', { path: item.name });
    return now;
  }

  /**
   * The item with the version that it had when the request arrived, since later versions have not been seen here.
   * @throws Failure `version-gone` if its name stood for another item then, or the item has other local content now
   */
  asSeen(now: LocalItem, seen: LocalItem | undefined): LocalItem {
    if (seen?.inode !== now.inode) throw new Failure('version-gone', { path: now.name });
    // The sequence counts contents, also those of this machine, which have no version yet.
    const isSame = seen.sequence === now.sequence;
    if (isSame && (seen.intent || now.intent || seen.versionId === now.versionId)) return now;
    if (now.intent) throw new Failure('version-gone', { path: now.name });
    const { versionId, versionNumber, size } = seen;
    return { ...now, versionId, versionNumber, size };
  }

  /** An item that was just created. */
  required(inode: Inode): LocalItem {
    const item = this.item(inode);
    if (!item) throw new Failure('internal', { why: `inode ${inode} is not there after it was made` });
    return item;
  }

  parent(item: LocalItem): LocalItem | undefined {
    return item.inode === ROOT_INODE ? undefined : this.item(item.parent);
  }

  /** Path from the project's root, of shown names; undefined if a folder above is gone. */
  path(item: LocalItem): string | undefined {
    const names: string[] = [];
    for (let at: LocalItem | undefined = item; at?.inode !== ROOT_INODE; at = this.parent(at)) {
      if (!at || names.length > 1000) return undefined;
      names.unshift(at.name);
    }
    return names.join('/');
  }

  /** The path of a place here, for messages; also in a deleted folder. */
  pathOf({ parent, name: last }: Place): string {
    const names = [last];
    for (let at: Inode | undefined = parent; at !== undefined && at !== ROOT_INODE && names.length < 1000; ) {
      const above: Intent | undefined = this.#intents.get(at);
      const item: Item | undefined = above ? undefined : this.view.item(at);
      const name = above?.here.name ?? item?.name;
      if (name === undefined) break;
      names.unshift(name);
      at = above ? above.here.parent : item && this.view.parent(item)?.inode;
    }
    return names.join('/');
  }

  /**
   * Something in a folder was created, removed or renamed here, at `now` in milliseconds. An mtime set on the folder
   * before is discarded.
   */
  changedIn(folder: Inode, now: number): void {
    const id = this.remoteIdOf(folder);
    this.folderTimes.changed(folder, (id !== undefined && this.view.byRemoteId(id)?.updatedAt) || 0, now);
    const set = this.#intents.attributes(folder);
    if (set?.mtime === undefined) return;
    this.#intents.setAttributes(folder, set.mode === undefined ? undefined : { ...set, mtime: undefined });
  }

  /** The server's id of a folder here, or undefined while it is not there yet. */
  remoteIdOf(folder: Inode): RemoteId | undefined {
    const intent = this.#intents.get(folder);
    // After a loss of the mirror, the folder may not be listed again yet: it still has the recorded id.
    const id = intent
      ? intent.remoteId
      : (this.view.item(folder)?.remoteId ?? this.#intents.identities.remoteOf(folder));
    return id === undefined || id === NO_REMOTE ? undefined : id;
  }

  /**
   * Whether an intent stands for this server item, so that the mirror's row does not count. The intent of an item just
   * created gets its remote id a moment after the mirror, which knows the item by the same inode. If the reply was
   * lost, a poll may show the created item as a separate one until the lookup.
   */
  #isTaken(item: Item, folder?: Inode): boolean {
    if (this.#intents.size === 0) return false;
    if (this.#intents.ofRemote(item.remoteId) || this.#intents.get(item.inode)) return true;
    if (!this.#intents.hasCreationsInDoubt) return false;
    const parent = folder ?? this.view.parent(item)?.inode;
    return (
      parent !== undefined &&
      this.#intents.creationsInDoubt(parent, item.remoteName).some((intent) => mayBeMadeBy(item, intent))
    );
  }

  #fromMirror(item: Item, parent?: Inode): LocalItem {
    const set = this.#intents.attributes(item.inode);
    const counts = set !== undefined && (!item.isFile || set.versionId === item.versionId);
    const here = item.isFile ? undefined : this.folderTimes.at(item.inode, item.updatedAt);
    return {
      ...item,
      parent: parent ?? this.view.parent(item)?.inode ?? ROOT_INODE,
      intent: undefined,
      localMtime: here ?? (counts ? set.mtime : undefined),
      localCtime: here,
      localMode: counts ? set.mode : undefined,
    };
  }

  #fromIntent(intent: Intent): LocalItem {
    const { inode, remoteId, folder, here, base, content, sequence } = intent;
    const known = remoteId === NO_REMOTE ? undefined : this.view.byRemoteId(remoteId);
    const changed = Math.floor(intent.changedAt / 1000);
    const changedIn = folder ? this.folderTimes.at(inode, known?.updatedAt ?? 0) : undefined;
    return {
      inode,
      remoteId,
      parentId: this.remoteIdOf(here.parent) ?? NO_REMOTE,
      name: here.name,
      remoteName: linuxNames.decode(here.name),
      flags: (known?.flags ?? (folder ? 0 : FILE)) & ~HIDDEN,
      isFile: !folder,
      updatedAt: Math.max(known?.updatedAt ?? 0, content.dirty || !known ? changed : 0),
      createdAt: known?.createdAt ?? Math.floor(intent.since / 1000),
      size: here.size,
      versionId: content.version || base.version,
      versionNumber: base.number,
      versionAt: Math.floor(here.mtime),
      sequence,
      parent: here.parent,
      intent,
      localMtime: changedIn ?? here.mtime,
      localCtime: changedIn,
      localMode: here.mode,
    };
  }
}

/** The version whose content an item shows while no staging file holds it. */
export function versionOf(item: LocalItem): ContentVersion {
  const { size, name: label, intent } = item;
  if (intent && intent.content.version !== NO_VERSION)
    return { id: intent.content.version, remoteId: intent.content.item, size, label };
  return { id: item.versionId, remoteId: item.remoteId, size, label };
}
