import type { Inode, NodeId } from '../base/ids.js';
import type { Handle } from '../fuse/filesystem.js';
import type { LocalItem } from '../outbox/tree/tree.js';
import type { WorkingFile } from '../outbox/working/working-file.js';
import type { OpenedVersion } from './opened-version.js';

/** An open file: a version's blob, or the working file that readers and writers of an inode share. */
export interface FileHandle {
  readonly node: NodeId;
  readonly inode: Inode;
  /** The item as it was when the file was opened. */
  readonly item: LocalItem;
  readonly writing: boolean;
  /** The user who opened the file. */
  readonly uid: number;
  blob: OpenedVersion | undefined;
  file: WorkingFile | undefined;
}

/** Returns a generator of unique handles. */
export function countHandles(): () => Handle {
  let next = 1;
  return () => next++;
}

/** The open files of one mount. */
export class FileHandles {
  readonly #handles = new Map<Handle, FileHandle>();
  /** Items by node id while they are open: their versions may be older than those in the tree. */
  readonly #versions = new Map<NodeId, { readonly item: LocalItem; file: WorkingFile | undefined; count: number }>();
  readonly #newHandle: () => Handle;

  /** @param newHandle given if several file systems share a mount, and so its handles */
  constructor(newHandle: () => Handle = countHandles()) {
    this.#newHandle = newHandle;
  }

  get size(): number {
    return this.#handles.size;
  }

  /** A new handle for a file or folder. */
  newHandle(): Handle {
    return this.#newHandle();
  }

  add(open: FileHandle): Handle {
    const handle = this.newHandle();
    this.#handles.set(handle, open);
    const known = this.#versions.get(open.node);
    if (known) {
      known.count++;
      known.file = open.file ?? known.file;
    } else this.#versions.set(open.node, { item: open.item, file: open.file, count: 1 });
    return handle;
  }

  get(handle: Handle): FileHandle | undefined {
    return this.#handles.get(handle);
  }

  remove(handle: Handle): FileHandle | undefined {
    const open = this.#handles.get(handle);
    if (!open) return undefined;
    this.#handles.delete(handle);
    const version = this.#versions.get(open.node);
    if (version && --version.count === 0) this.#versions.delete(open.node);
    return open;
  }

  /** The item as it was when this node was opened; undefined if the node is not open. */
  version(node: NodeId): LocalItem | undefined {
    return this.#versions.get(node)?.item;
  }

  /** The working file that this node is read from, while the node is open. */
  file(node: NodeId): WorkingFile | undefined {
    return this.#versions.get(node)?.file;
  }

  /** Switches all open handles of the node to a new working file. */
  share(node: NodeId, file: WorkingFile): void {
    const known = this.#versions.get(node);
    if (known) known.file = file;
    for (const open of this.#handles.values()) {
      if (open.node !== node || open.file) continue;
      open.blob?.close();
      open.blob = undefined;
      open.file = file;
      file.handles++;
    }
  }

  all(): IterableIterator<FileHandle> {
    return this.#handles.values();
  }

  clear(): void {
    this.#handles.clear();
    this.#versions.clear();
  }
}
