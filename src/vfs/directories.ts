import type { FileNumber } from '../base/ids.js';
import type { DirectoryEntry, DirectoryPage, Handle } from '../fuse/filesystem.js';
import type { ListedLocalItem, LocalItem, Tree } from '../outbox/tree/tree.js';
import type { ShownProject } from './shown-project.js';

/** Cookies of "." and "..". The cookie of a child is its inode, which is greater. */
const SELF_COOKIE = 1;
const PARENT_COOKIE = 2;
interface OpenDirectory {
  readonly folder: LocalItem;
  readonly self: FileNumber;
  readonly parent: FileNumber;
}

/**
 * Open directories. They are listed in order of inodes, so that a listing stays correct while the folder changes.
 * No entries are kept between two replies, because the kernel would cache stale ones as long as current ones.
 */
export class Directories {
  readonly #shown: ShownProject;
  readonly #tree: Tree;
  readonly #open = new Map<Handle, OpenDirectory>();
  readonly #isShown = (item: ListedLocalItem): boolean => !this.#shown.isConcealed(item);
  readonly #toEntry = (item: ListedLocalItem): DirectoryEntry => ({
    name: item.name,
    cookie: item.inode,
    entry: this.#shown.entry(item),
    ino: this.#shown.nodes.number(item.inode),
    directory: !item.isFile,
  });

  constructor(shown: ShownProject) {
    this.#shown = shown;
    this.#tree = shown.tree;
  }

  open(folder: LocalItem): Handle {
    const { nodes, handles } = this.#shown;
    const handle = handles.newHandle();
    const parent = folder.inode === nodes.root ? nodes.above : nodes.number(folder.parent);
    this.#open.set(handle, { folder, self: nodes.number(folder.inode), parent });
    return handle;
  }

  close(handle: Handle): void {
    this.#open.delete(handle);
  }

  /** About `limit` current entries with a greater cookie; none at the end. */
  read(handle: Handle, cookie: number, limit: number): DirectoryPage {
    const directory = this.#open.get(handle);
    if (!directory) return { entries: [], end: true };
    const { self, parent } = directory;
    // A folder created here gets a remote id once it is uploaded: use the current item.
    const folder = this.#tree.item(directory.folder.inode) ?? directory.folder;
    const dots = [dot('.', SELF_COOKIE, self), dot('..', PARENT_COOKIE, parent)].filter((one) => one.cookie > cookie);
    const most = Math.max(1, limit);
    let shown: readonly ListedLocalItem[];
    let end: boolean;
    let after = Math.max(cookie, PARENT_COOKIE);
    do {
      const items = this.#tree.listing(folder, after, most);
      shown = items.filter(this.#isShown);
      end = items.length < most;
      after = items.at(-1)?.inode ?? after;
      // An empty page would mean the end.
    } while (shown.length === 0 && !end);
    return { entries: [...dots, ...shown.map(this.#toEntry)], end };
  }
}

function dot(name: string, cookie: number, ino: FileNumber): DirectoryEntry {
  return { name, cookie, entry: undefined, ino, directory: true };
}
