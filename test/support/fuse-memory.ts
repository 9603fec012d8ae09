import { fstatSync, readSync } from 'node:fs';
import { Failure, type FailureCode } from '#src/base/errors.js';
import { asFileNumber, asNodeId, type NodeId, ROOT_NODE } from '#src/base/ids.js';
import type {
  Context,
  DirectoryEntry,
  DirectoryPage,
  Entry,
  FileSystemStatistics,
  Handle,
  KernelCache,
  NoEntry,
  OpenedFolder,
  OpenFile,
  ReadBytes,
} from '#src/fuse/filesystem.js';
import type { FileSystem } from '#src/fuse/operations.js';

/** The content of a file under one node id. */
export interface Version {
  readonly node: NodeId;
  content: Uint8Array;
  /** Shown instead of the content's length, for big files of zeros. */
  size: number | undefined;
  /** A local file with the content: what is here counts then, also its times. */
  staging: number | undefined;
}

export class MemoryItem {
  readonly ino: number;
  readonly children: Map<string, MemoryItem> | undefined;
  version: Version;
  mode: number;
  mtime = 1_700_000_000.25;
  readonly xattrs = new Map<string, Uint8Array>();
  /** Offered for passthrough. */
  backingFd: number | undefined;

  constructor(node: NodeId, folder: boolean) {
    this.ino = node;
    this.children = folder ? new Map() : undefined;
    this.mode = folder ? 0o40755 : 0o100644;
    this.version = { node, content: new Uint8Array(), size: undefined, staging: undefined };
  }

  get node(): NodeId {
    return this.version.node;
  }

  set content(bytes: Uint8Array) {
    this.version.content = bytes;
  }

  set size(bytes: number | undefined) {
    this.version.size = bytes;
  }
}

export interface MemoryHandle {
  readonly item: MemoryItem;
  readonly version: Version;
}

export const no = (code: FailureCode): Failure => new Failure(code, { path: 'memory' });

/** A file system in memory, with the versions, hooks and counters that tests of the drivers need. */
export class MemoryFileSystem implements FileSystem {
  readonly root: MemoryItem;
  readonly calls: Record<string, number> = {};
  readonly open_ = new Map<Handle, MemoryHandle>();
  kernel: KernelCache | undefined;
  destroyed = 0;
  /** Seconds that the kernel may keep names and attributes. */
  timeout = 3600;
  statistics = { blockSize: 4096, blocks: 500_000_000, blocksFree: 1000, files: 7, filesFree: 3, nameMax: 255 };
  /** Runs before an operation; what it returns is awaited. */
  before: ((operation: string, node: NodeId, context: Context) => Promise<void> | void) | undefined;
  /** Uid and gid of everything. */
  owner = { uid: 0, gid: 0 };
  readonly #nodes = new Map<NodeId, MemoryHandle>();
  readonly #listings = new Map<NodeId, DirectoryEntry[]>();
  #next = 2;
  #nextHandle = 1;

  constructor() {
    this.root = this.item(true, ROOT_NODE);
  }

  protected item(folder: boolean, node?: NodeId): MemoryItem {
    const item = new MemoryItem(node ?? asNodeId(this.#next++), folder);
    this.#nodes.set(item.node, { item, version: item.version });
    return item;
  }

  folder(parent: MemoryItem, name: string): MemoryItem {
    return this.add(parent, name, this.item(true));
  }

  file(parent: MemoryItem, name: string, content: Uint8Array | string): MemoryItem {
    const item = this.item(false);
    item.content = typeof content === 'string' ? Buffer.from(content) : content;
    return this.add(parent, name, item);
  }

  protected add(parent: MemoryItem, name: string, item: MemoryItem): MemoryItem {
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
    item.version = { node: asNodeId(this.#next++), content: Buffer.from(content), size: undefined, staging: undefined };
    item.mtime++;
    this.#nodes.set(item.node, { item, version: item.version });
    this.#listings.clear();
  }

  mounted(kernel: KernelCache): void {
    this.kernel = kernel;
  }

  destroy(): void {
    this.destroyed++;
  }

  protected run<T>(operation: string, node: NodeId, context: Context, work: () => T): T | Promise<T> {
    this.calls[operation] = (this.calls[operation] ?? 0) + 1;
    const wait = this.before?.(operation, node, context);
    return wait ? wait.then(work) : work();
  }

  protected at(node: NodeId): MemoryHandle {
    const found = this.#nodes.get(node);
    if (!found) throw no('no-such-item');
    return found;
  }

  protected get(node: NodeId): MemoryItem {
    return this.at(node).item;
  }

  /** What was listed before is not what there is now. */
  protected changed(): void {
    this.#listings.clear();
  }

  protected entry(item: MemoryItem, version: Version = item.version): Entry {
    const staged = version.staging === undefined ? undefined : fstatSync(version.staging);
    const mtime = staged ? staged.mtimeMs / 1000 : item.mtime;
    return {
      node: version.node,
      attributes: {
        ino: asFileNumber(item.ino),
        mode: item.mode,
        nlink: item.children ? 2 : 1,
        ...this.owner,
        size: item.children ? 4096 : (staged?.size ?? version.size ?? version.content.length),
        atime: mtime,
        mtime,
        ctime: mtime,
      },
      entryTimeout: this.timeout,
      attributeTimeout: this.timeout,
    };
  }

  lookup(parent: NodeId, name: string, context: Context): Entry | NoEntry | Promise<Entry | NoEntry> {
    return this.run('lookup', parent, context, () => {
      const item = this.get(parent).children?.get(name);
      return item ? this.entry(item) : { node: undefined, entryTimeout: this.timeout };
    });
  }

  getattr(node: NodeId, handle: Handle | undefined, context: Context): Entry | Promise<Entry> {
    return this.run('getattr', node, context, () => {
      const opened = (handle === undefined ? undefined : this.open_.get(handle)) ?? this.at(node);
      return this.entry(opened.item, opened.version);
    });
  }

  opendir(node: NodeId, context: Context): OpenedFolder | Promise<OpenedFolder> {
    return this.run('opendir', node, context, () => {
      const item = this.get(node);
      if (!item.children) throw no('not-a-folder');
      return { handle: this.handle(item) };
    });
  }

  protected handle(item: MemoryItem, version: Version = item.version): Handle {
    const handle = this.#nextHandle++;
    this.open_.set(handle, { item, version });
    return handle;
  }

  #listing(item: MemoryItem): DirectoryEntry[] {
    let entries = this.#listings.get(item.node);
    if (!entries) {
      const self = { entry: undefined, ino: asFileNumber(item.ino), directory: true };
      entries = [
        { name: '.', cookie: 1, ...self },
        { name: '..', cookie: 2, ...self },
      ];
      for (const [name, child] of item.children!) {
        entries.push({
          name,
          cookie: entries.length + 1,
          entry: this.entry(child),
          ino: asFileNumber(child.ino),
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
    return this.run('readdir', node, context, () => {
      const all = this.#listing(this.get(node));
      return { entries: all.slice(cookie, cookie + limit), end: cookie + limit >= all.length };
    });
  }

  releasedir(_node: NodeId, handle: Handle): void {
    this.open_.delete(handle);
  }

  open(node: NodeId, _flags: number, context: Context): OpenFile | Promise<OpenFile> {
    return this.run('open', node, context, () => {
      const { item, version } = this.at(node);
      const handle = this.handle(item, version);
      return item.backingFd === undefined ? { handle } : { handle, backingFd: item.backingFd };
    });
  }

  read(node: NodeId, handle: Handle, offset: number, size: number, context: Context): ReadBytes | Promise<ReadBytes> {
    return this.run('read', node, context, () => {
      const opened = this.open_.get(handle);
      if (!opened) throw no('internal');
      const { content, size: shown, staging } = opened.version;
      if (staging !== undefined) {
        const bytes = Buffer.alloc(size);
        return { bytes: bytes.subarray(0, readSync(staging, bytes, 0, size, offset)) };
      }
      if (shown === undefined) return { bytes: content.subarray(offset, offset + size) };
      return { bytes: zeros.subarray(0, Math.max(0, Math.min(size, shown - offset))) };
    });
  }

  release(_node: NodeId, handle: Handle): void {
    this.calls.release = (this.calls.release ?? 0) + 1;
    this.open_.delete(handle);
  }

  statfs(context: Context): FileSystemStatistics | Promise<FileSystemStatistics> {
    return this.run('statfs', ROOT_NODE, context, () => this.statistics);
  }

  getxattr(node: NodeId, name: string, context: Context): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    return this.run('getxattr', node, context, () => this.get(node).xattrs.get(name));
  }

  listxattr(node: NodeId, context: Context): readonly string[] | Promise<readonly string[]> {
    return this.run('listxattr', node, context, () => [...this.get(node).xattrs.keys()]);
  }
}

const zeros = Buffer.alloc(1024 * 1024);
