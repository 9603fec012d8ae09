import { setImmediate } from 'node:timers/promises';
import { asRemoteId, type RemoteId } from '../../base/ids.js';
import { HIDDEN } from '../../mirror/database/flags.js';
import type { RecycledTwins } from '../../mirror/database/recycled-view.js';
import type { Item } from '../../mirror/database/view.js';
import type { Mirror } from '../../mirror/mirror.js';
import { fitsLinux, linuxNames, suffixedName } from '../../names/linux.js';

export interface RecycledEntry {
  readonly name: string;
  readonly item: Item;
}

export interface RecycledEntries {
  /** In order of their inodes. */
  readonly entries: readonly RecycledEntry[];
  readonly end: boolean;
}

/** The greatest depth of folders. */
const MOST_FOLDERS = 1000;
const SUFFIX = / \((\d{1,16})\)(?:\.[^.]*)?$/;

/** The id in the suffix of a name, if it has one. */
export function suffixOf(name: string): RemoteId | undefined {
  const id = SUFFIX.exec(name)?.[1];
  return id === undefined ? undefined : asRemoteId(Number(id));
}

/**
 * The project's recycle bin as a tree: the deleted items, and below deleted folders their content. Names are the
 * server's, encoded. Items with the same name all get their id as a suffix, so that a name never passes to another
 * item. A name with an id is always valid.
 */
export class RecycleTree {
  readonly #mirror: Mirror;

  constructor(mirror: Mirror) {
    this.#mirror = mirror;
  }

  /** About `limit` entries of the bin or a folder in it, with inodes above `after`; at least one unless at the end. */
  async entries(folder: Item | undefined, after: number, limit: number): Promise<RecycledEntries> {
    const { recycled } = this.#mirror.store;
    if (folder) {
      const items = this.#below(folder, after, limit);
      return { entries: items.map((item) => this.#entry(folder, item)), end: items.length < limit };
    }
    const entries: RecycledEntry[] = [];
    for (let at: number | undefined = after; at !== undefined; ) {
      const page = recycled.top(at);
      entries.push(...page.items.map((item) => this.#entry(undefined, item)));
      at = page.next;
      if (at !== undefined && entries.length >= limit) return { entries, end: false };
      // Yields to the event loop, as a deleted folder may contain very many items.
      if (at !== undefined) await setImmediate();
    }
    return { entries, end: true };
  }

  find(folder: Item | undefined, name: string): Item | undefined {
    const { view } = this.#mirror;
    const visible = folder && view.child(folder, name);
    if (visible) return visible;
    const { items, isCut } = this.#twins(folder, linuxNames.decode(name));
    const [only] = items;
    if (only && items.length === 1 && !isCut && this.nameOf(folder, only) === name) return only;
    const id = suffixOf(name);
    const item = id === undefined ? undefined : view.byRemoteId(id);
    if (!item || !this.#isIn(folder, item)) return undefined;
    const isCalledSo =
      this.nameOf(folder, item) === name || suffixedName(linuxNames.encode(item.remoteName), item.remoteId) === name;
    return isCalledSo ? item : undefined;
  }

  nameOf(folder: Item | undefined, item: Item): string {
    // An item that was not deleted itself, but with its folder, keeps the name that it has there.
    if ((item.flags & HIDDEN) === 0) return item.name;
    const plain = linuxNames.encode(item.remoteName);
    if (fitsLinux(plain) && !this.#hasTwin(folder, item, plain)) return plain;
    let name = suffixedName(plain, item.remoteId);
    while (this.#hasTwin(folder, item, name)) name = suffixedName(name, item.remoteId);
    return name;
  }

  /** Whether the item is in the bin, by itself or in a deleted folder. */
  holds(item: Item): boolean {
    const { view, store } = this.#mirror;
    for (let at: Item | undefined = item, depth = 0; at && depth < MOST_FOLDERS; at = view.parent(at), depth++) {
      if (store.recycled.isRecycled(at.remoteId)) return true;
      if ((at.flags & HIDDEN) !== 0) return false;
    }
    return false;
  }

  /** The folder in the bin that contains the item; undefined: the bin itself. */
  folderOf(item: Item): Item | undefined {
    const parent = this.#mirror.view.parent(item);
    return parent && this.holds(parent) ? parent : undefined;
  }

  #entry(folder: Item | undefined, item: Item): RecycledEntry {
    return { name: this.nameOf(folder, item), item };
  }

  #below(folder: Item, after: number, limit: number): Item[] {
    const { view, store } = this.#mirror;
    const kept = view.children(folder.remoteId, after, limit);
    // Items deleted from a folder before the folder itself was deleted are in the bin by themselves.
    const deleted = this.#isDeleted(folder.remoteId) ? store.recycled.below(folder.remoteId, after, limit) : [];
    return [...kept, ...deleted].sort((a, b) => a.inode - b.inode).slice(0, limit);
  }

  #twins(folder: Item | undefined, remoteName: string): RecycledTwins {
    const { recycled } = this.#mirror.store;
    if (!folder) return recycled.named(remoteName);
    return this.#isDeleted(folder.remoteId)
      ? recycled.namedIn(folder.remoteId, remoteName)
      : { items: [], isCut: false };
  }

  #hasTwin(folder: Item | undefined, item: Item, name: string): boolean {
    const remoteName = linuxNames.decode(name);
    if (this.#mirror.store.recycled.isNamedBeside(item, remoteName)) {
      const { items, isCut } = this.#twins(folder, remoteName);
      if (isCut || items.some(({ remoteId }) => remoteId !== item.remoteId)) return true;
    }
    return folder !== undefined && this.#mirror.view.child(folder, name) !== undefined;
  }

  #isIn(folder: Item | undefined, item: Item): boolean {
    if (!this.holds(item)) return false;
    return this.folderOf(item)?.remoteId === folder?.remoteId;
  }

  #isDeleted(id: RemoteId): boolean {
    return this.#mirror.store.recycled.isRecycled(id);
  }
}
