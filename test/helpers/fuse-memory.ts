import { Failure } from '#src/base/errors.js';
import { asInode, asNodeId, type NodeId, ROOT_NODE } from '#src/base/ids.js';
import type {
  Context,
  DirectoryEntry,
  DirectoryPage,
  Entry,
  FileSystem,
  FileSystemStatistics,
  Handle,
  KernelCache,
  NoEntry,
  OpenFile,
} from '#src/fuse/filesystem.js';

export interface MemoryItem {
  readonly ino: number;
  /** The node id of the present version. */
  node: NodeId;
  readonly children: Map<string, MemoryItem> | undefined;
  content: Uint8Array;
  /** Shown instead of the content's length, for big files of zeros. */
  size: number | undefined;
  mode: number;
  mtime: number;
  readonly xattrs: Map<string, Uint8Array>;
  /** A local file with the content. */
  backingFd: number | undefined;
}

const no = (code: 'no-such-item' | 'not-a-folder' | 'internal'): Failure => new Failure(code, { path: 'memory' });

/** A file system in memory, with the versions, hooks and counters that tests of the drivers need. */
export class MemoryFileSystem implements FileSystem {
  readonly root: MemoryItem;
  readonly calls: Record<string, number> = {};
  readonly open_ = new Map<Handle, { item: MemoryItem; node: NodeId; content: Uint8Array; size: number | undefined }>();
  kernel: KernelCache | undefined;
  destroyed = 0;
  /** Seconds that the kernel may keep names and attributes. */
  timeout = 3600;
  statistics = { blockSize: 4096, blocks: 500_000_000, blocksFree: 1000, files: 7, filesFree: 3, nameMax: 255 };
  /** Runs before an operation; what it returns is awaited. */
  before: ((operation: string, node: NodeId, context: Context) => Promise<void> | void) | undefined;
  /** Uid and gid of everything. */
  owner = { uid: 0, gid: 0 };
  readonly #nodes = new Map<NodeId, MemoryItem>();
  readonly #listings = new Map<NodeId, DirectoryEntry[]>();
  #next = 2;
  #nextHandle = 1;

  constructor() {
    this.root = this.#item(true, ROOT_NODE);
  }

  #item(folder: boolean, node?: NodeId): MemoryItem {
    const id = node ?? asNodeId(this.#next++);
    const item: MemoryItem = {
      ino: id,
      node: id,
      children: folder ? new Map() : undefined,
      content: new Uint8Array(),
      size: undefined,
      mode: folder ? 0o40755 : 0o100644,
      mtime: 1_700_000_000.25,
      xattrs: new Map(),
      backingFd: undefined,
    };
    this.#nodes.set(id, item);
    return item;
  }

  folder(parent: MemoryItem, name: string): MemoryItem {
    return this.#add(parent, name, this.#item(true));
  }

  file(parent: MemoryItem, name: string, content: Uint8Array | string): MemoryItem {
    const item = this.#item(false);
    item.content = typeof content === 'string' ? Buffer.from(content) : content;
    return this.#add(parent, name, item);
  }

  #add(parent: MemoryItem, name: string, item: MemoryItem): MemoryItem {
    parent.children!.set(name, item);
    this.#listings.delete(parent.node);
    return item;
  }

  remove(parent: MemoryItem, name: string): void {
    parent.children!.delete(name);
    this.#listings.delete(parent.node);
  }

  /** A new version arrives: another node id under the same inode number. */
  newVersion(item: MemoryItem, content: string): void {
    item.node = asNodeId(this.#next++);
    item.content = Buffer.from(content);
    item.mtime++;
    this.#nodes.set(item.node, item);
    this.#listings.clear();
  }

  mounted(kernel: KernelCache): void {
    this.kernel = kernel;
  }

  destroy(): void {
    this.destroyed++;
  }

  #do<T>(operation: string, node: NodeId, context: Context, run: () => T): T | Promise<T> {
    this.calls[operation] = (this.calls[operation] ?? 0) + 1;
    const wait = this.before?.(operation, node, context);
    return wait ? wait.then(run) : run();
  }

  #get(node: NodeId): MemoryItem {
    const item = this.#nodes.get(node);
    if (!item) throw no('no-such-item');
    return item;
  }

  #entry(item: MemoryItem, node: NodeId = item.node): Entry {
    return {
      node,
      attributes: {
        ino: asInode(item.ino),
        mode: item.mode,
        nlink: item.children ? 2 : 1,
        ...this.owner,
        size: item.children ? 4096 : (item.size ?? item.content.length),
        atime: item.mtime,
        mtime: item.mtime,
        ctime: item.mtime,
      },
      entryTimeout: this.timeout,
      attributeTimeout: this.timeout,
    };
  }

  lookup(parent: NodeId, name: string, context: Context): Entry | NoEntry | Promise<Entry | NoEntry> {
    return this.#do('lookup', parent, context, () => {
      const item = this.#get(parent).children?.get(name);
      return item ? this.#entry(item) : { node: undefined, entryTimeout: this.timeout };
    });
  }

  getattr(node: NodeId, handle: Handle | undefined, context: Context): Entry | Promise<Entry> {
    return this.#do('getattr', node, context, () => {
      const opened = handle === undefined ? undefined : this.open_.get(handle);
      if (!opened || opened.item.children) return this.#entry(this.#get(node), node);
      const entry = this.#entry(opened.item, node);
      return { ...entry, attributes: { ...entry.attributes, size: opened.size ?? opened.content.length } };
    });
  }

  opendir(node: NodeId, context: Context): Handle | Promise<Handle> {
    return this.#do('opendir', node, context, () => {
      const item = this.#get(node);
      if (!item.children) throw no('not-a-folder');
      return this.#handle(item);
    });
  }

  #handle(item: MemoryItem): Handle {
    const handle = this.#nextHandle++;
    this.open_.set(handle, { item, node: item.node, content: item.content, size: item.size });
    return handle;
  }

  #listing(item: MemoryItem): DirectoryEntry[] {
    let entries = this.#listings.get(item.node);
    if (!entries) {
      const self = { entry: undefined, ino: asInode(item.ino), directory: true };
      entries = [
        { name: '.', cookie: 1, ...self },
        { name: '..', cookie: 2, ...self },
      ];
      for (const [name, child] of item.children!) {
        entries.push({
          name,
          cookie: entries.length + 1,
          entry: this.#entry(child),
          ino: asInode(child.ino),
          directory: child.children !== undefined,
        });
      }
      this.#listings.set(item.node, entries);
    }
    return entries;
  }

  readdir(
    node: NodeId,
    _handle: Handle,
    cookie: number,
    limit: number,
    context: Context,
  ): DirectoryPage | Promise<DirectoryPage> {
    return this.#do('readdir', node, context, () => {
      const all = this.#listing(this.#get(node));
      return { entries: all.slice(cookie, cookie + limit), end: cookie + limit >= all.length };
    });
  }

  releasedir(_node: NodeId, handle: Handle): void {
    this.open_.delete(handle);
  }

  open(node: NodeId, _flags: number, context: Context): OpenFile | Promise<OpenFile> {
    return this.#do('open', node, context, () => {
      const item = this.#get(node);
      const handle = this.#handle(item);
      return item.backingFd === undefined ? { handle } : { handle, backingFd: item.backingFd };
    });
  }

  read(node: NodeId, handle: Handle, offset: number, size: number, context: Context): Uint8Array | Promise<Uint8Array> {
    return this.#do('read', node, context, () => {
      const opened = this.open_.get(handle);
      if (!opened) throw no('internal');
      if (opened.size === undefined) return opened.content.subarray(offset, offset + size);
      return zeros.subarray(0, Math.max(0, Math.min(size, opened.size - offset)));
    });
  }

  release(_node: NodeId, handle: Handle): void {
    this.calls.release = (this.calls.release ?? 0) + 1;
    this.open_.delete(handle);
  }

  statfs(context: Context): FileSystemStatistics | Promise<FileSystemStatistics> {
    return this.#do('statfs', ROOT_NODE, context, () => this.statistics);
  }

  getxattr(node: NodeId, name: string, context: Context): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    return this.#do('getxattr', node, context, () => this.#get(node).xattrs.get(name));
  }

  listxattr(node: NodeId, context: Context): readonly string[] | Promise<readonly string[]> {
    return this.#do('listxattr', node, context, () => [...this.#get(node).xattrs.keys()]);
  }
}

const zeros = Buffer.alloc(1024 * 1024);
