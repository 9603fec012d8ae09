import type { FileNumber } from '../base/ids.js';
import type { DirectoryEntry, DirectoryPage, Handle } from '../fuse/filesystem.js';
import type { ListedLocalItem, LocalItem, Tree } from '../outbox/tree.js';

/** Cookies of the two entries that every folder has; a child's cookie is its inode, which is greater. */
const SELF_COOKIE = 1;
const PARENT_COOKIE = 2;
/** Rows read from SQLite at once; what does not fit into one reply waits in the handle. */
const CHUNK = 1024;

interface OpenDirectory {
  readonly folder: LocalItem;
  readonly self: FileNumber;
  readonly parent: FileNumber;
  /** Entries in order of their cookies; the last chunk that was read. */
  chunk: readonly DirectoryEntry[];
  /** The chunk answers for cookies from here … */
  from: number;
  /** … and ends the directory. */
  last: boolean;
}

/** Open directories: listed in order of inodes, so that a listing stays right while others change the folder. */
export class Directories {
  readonly #tree: Tree;
  readonly #open = new Map<Handle, OpenDirectory>();
  readonly #isShown: (item: ListedLocalItem) => boolean;
  readonly #toEntry: (item: ListedLocalItem) => DirectoryEntry;

  /** @param toEntry with the child's inode as cookie */
  constructor(
    tree: Tree,
    isShown: (item: ListedLocalItem) => boolean,
    toEntry: (item: ListedLocalItem) => DirectoryEntry,
  ) {
    this.#tree = tree;
    this.#isShown = isShown;
    this.#toEntry = toEntry;
  }

  open(handle: Handle, folder: LocalItem, self: FileNumber, parent: FileNumber): void {
    this.#open.set(handle, { folder, self, parent, chunk: [], from: -1, last: false });
  }

  close(handle: Handle): void {
    this.#open.delete(handle);
  }

  /** Entries with a greater cookie, none at the end. */
  read(handle: Handle, cookie: number): DirectoryPage {
    const directory = this.#open.get(handle);
    if (!directory) return { entries: [], end: true };
    const children = this.#children(directory, Math.max(cookie, PARENT_COOKIE));
    const dots = [dot('.', SELF_COOKIE, directory.self), dot('..', PARENT_COOKIE, directory.parent)];
    const entries = cookie < PARENT_COOKIE ? [...dots.slice(cookie), ...children] : children;
    return { entries, end: directory.last };
  }

  #children(directory: OpenDirectory, cookie: number): readonly DirectoryEntry[] {
    const { chunk, from } = directory;
    if (from !== -1 && cookie >= from) {
      if (chunk.length === 0 || cookie >= chunk[chunk.length - 1]!.cookie) {
        if (directory.last) return [];
      } else return cookie === from ? chunk : chunk.slice(firstAfter(chunk, cookie));
    }
    let items: readonly ListedLocalItem[];
    let after = cookie;
    do {
      items = this.#tree.listing(directory.folder, after, CHUNK);
      directory.chunk = items.filter(this.#isShown).map(this.#toEntry);
      directory.last = items.length < CHUNK;
      after = items.at(-1)?.inode ?? after;
      // An empty page would be the end.
    } while (directory.chunk.length === 0 && !directory.last);
    directory.from = cookie;
    return directory.chunk;
  }
}

function dot(name: string, cookie: number, ino: FileNumber): DirectoryEntry {
  return { name, cookie, entry: undefined, ino, directory: true };
}

/** Index of the first entry whose cookie is greater. */
function firstAfter(chunk: readonly DirectoryEntry[], cookie: number): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (chunk[middle]!.cookie <= cookie) low = middle + 1;
    else high = middle;
  }
  return low;
}
