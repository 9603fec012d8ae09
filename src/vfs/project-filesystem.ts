import { Failure } from '../base/errors.js';
import { type Inode, type NodeId, ROOT_INODE } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { ContentCache, OpenBlob } from '../content/cache.js';
import { contentVersion } from '../content/project-source.js';
import type {
  Awaitable,
  Context,
  DirectoryPage,
  Entry,
  FileSystem,
  FileSystemStatistics,
  Handle,
  KernelCache,
  NoEntry,
  OpenFile,
} from '../fuse/filesystem.js';
import type { Change } from '../mirror/changes.js';
import { HIDDEN } from '../mirror/flags.js';
import type { Mirror } from '../mirror/mirror.js';
import type { Item, ListedItem, View } from '../mirror/view.js';
import { NAME_BYTES } from '../names/linux.js';
import { attributesOf, type Ownership } from './attributes.js';
import { Directories } from './directories.js';
import { Invalidation } from './invalidation.js';
import { Nodes } from './nodes.js';
import { type WebUrl, xattrs } from './xattrs.js';

export interface FileSystemOptions {
  readonly mirror: Mirror;
  readonly content: ContentCache;
  readonly owner: Ownership;
  readonly webUrl: WebUrl;
  readonly log: Log;
  /** The folder that is mounted; the project's root unless told. */
  readonly root?: Inode;
}

interface OpenHandle {
  readonly item: Item;
  readonly blob: OpenBlob;
}

/** Seconds: the kernel is told of every change, so what it knows may stay for long. */
const PUSHED_TIMEOUT = 3600;
/** Seconds, where the kernel cannot be told. */
const UNTOLD_TIMEOUT = 1;
const BLOCK = 4096;
/** What statfs says of a storage that has no limit of its own: 1 PiB. */
const BLOCKS = 2 ** 50 / BLOCK;

/** One project, or one folder of it, as a file system that can be read. */
export class ProjectFileSystem implements FileSystem {
  readonly #mirror: Mirror;
  readonly #view: View;
  readonly #content: ContentCache;
  readonly #owner: Ownership;
  readonly #webUrl: WebUrl;
  readonly #log: Log;
  readonly #nodes: Nodes;
  readonly #directories: Directories;
  readonly #files = new Map<Handle, OpenHandle>();
  /** Versions that are open although the server has newer ones, and how often. */
  readonly #openVersions = new Map<NodeId, { readonly item: Item; count: number }>();
  readonly #onChange = (changes: readonly Change[]): void => this.#changed(changes);
  #invalidation: Invalidation | undefined;
  #timeout = UNTOLD_TIMEOUT;
  #nextHandle = 1;

  constructor(options: FileSystemOptions) {
    this.#mirror = options.mirror;
    this.#view = options.mirror.view;
    this.#content = options.content;
    this.#owner = options.owner;
    this.#webUrl = options.webUrl;
    this.#log = options.log;
    this.#nodes = new Nodes(options.root ?? ROOT_INODE);
    this.#directories = new Directories(this.#view, (item) => ({
      name: item.name,
      cookie: item.inode,
      entry: this.#entry(item),
      ino: item.inode,
      directory: !item.isFile,
    }));
  }

  get openFiles(): number {
    return this.#files.size;
  }

  mounted(kernel: KernelCache): void {
    this.#timeout = kernel.canInvalidate ? PUSHED_TIMEOUT : UNTOLD_TIMEOUT;
    this.#invalidation = new Invalidation(this.#view, this.#nodes, kernel, this.#log);
    this.#mirror.store.events.on('changed', this.#onChange);
  }

  lookup(parent: NodeId, name: string, context: Context): Awaitable<Entry | NoEntry> {
    const folder = this.#item(parent);
    this.#invalidation?.asked(folder.inode);
    const child = this.#view.child(folder, name);
    if (child) return this.#entry(child);
    if (this.#view.isListed(folder.remoteId)) return this.#noEntry();
    return this.#mirror.list(folder, 'interactive', context.signal).then(() => {
      const found = this.#view.child(folder, name);
      return found ? this.#entry(found) : this.#noEntry();
    });
  }

  getattr(node: NodeId): Entry {
    return this.#entry(this.#item(node));
  }

  opendir(node: NodeId, context: Context): Awaitable<Handle> {
    const folder = this.#item(node);
    if (folder.isFile) throw new Failure('not-a-folder', { path: folder.name });
    this.#invalidation?.asked(folder.inode);
    const open = (): Handle => {
      const handle = this.#nextHandle++;
      const parent = node === 1 ? folder.inode : (this.#view.parent(folder)?.inode ?? ROOT_INODE);
      this.#directories.open(handle, folder, parent);
      return handle;
    };
    if (this.#view.isListed(folder.remoteId)) return open();
    return this.#mirror.list(folder, 'interactive', context.signal).then(open);
  }

  readdir(_node: NodeId, handle: Handle, cookie: number): DirectoryPage {
    return this.#directories.read(handle, cookie);
  }

  releasedir(_node: NodeId, handle: Handle): void {
    this.#directories.close(handle);
  }

  open(node: NodeId): OpenFile {
    const item = this.#item(node);
    const blob = this.#content.open(contentVersion(item));
    const handle = this.#nextHandle++;
    this.#files.set(handle, { item, blob });
    const known = this.#openVersions.get(node);
    if (known) known.count++;
    else this.#openVersions.set(node, { item, count: 1 });
    return blob.whole && item.size > 0 ? { handle, backingFd: blob.fd() } : { handle };
  }

  read(_node: NodeId, handle: Handle, offset: number, size: number, context: Context): Awaitable<Uint8Array> {
    const open = this.#files.get(handle);
    if (!open) throw new Failure('internal', { why: `read from handle ${handle}, which is not open` });
    const length = Math.min(size, open.item.size - offset);
    if (length <= 0) return new Uint8Array(0);
    return open.blob.read(offset, length, context.signal);
  }

  sent(bytes: Uint8Array): void {
    this.#content.sent(bytes);
  }

  release(node: NodeId, handle: Handle): void {
    const open = this.#files.get(handle);
    if (!open) return;
    this.#files.delete(handle);
    open.blob.close();
    const version = this.#openVersions.get(node);
    if (version && --version.count === 0) this.#openVersions.delete(node);
  }

  statfs(): FileSystemStatistics {
    return {
      blockSize: BLOCK,
      blocks: BLOCKS,
      blocksFree: BLOCKS,
      files: 0,
      filesFree: 0,
      nameMax: NAME_BYTES,
    };
  }

  getxattr(node: NodeId, name: string): Uint8Array | undefined {
    const value = xattrs.get(name)?.(this.#item(node), this.#view, this.#webUrl);
    return value === undefined ? undefined : Buffer.from(value);
  }

  listxattr(): readonly string[] {
    return [];
  }

  destroy(): void {
    this.#mirror.store.events.off('changed', this.#onChange);
    for (const { blob } of this.#files.values()) blob.close();
    this.#files.clear();
    this.#openVersions.clear();
  }

  /** @throws Failure `version-gone` (ESTALE, on which the kernel looks the path up again) */
  #item(node: NodeId): Item {
    const open = this.#openVersions.get(node);
    if (open) return this.#current(open.item, node);
    const item = this.#view.item(this.#nodes.inode(node));
    if (!item || this.#nodes.of(item) !== node || (item.flags & HIDDEN) !== 0)
      throw new Failure('version-gone', { path: item?.name ?? `node ${node}` });
    return item;
  }

  /** The newest row of an open file while its content is still the one that was opened; else as it was at opening. */
  #current(opened: Item, node: NodeId): Item {
    const item = this.#view.item(opened.inode);
    return item && this.#nodes.of(item) === node ? item : opened;
  }

  #entry(item: ListedItem): Entry {
    return {
      node: this.#nodes.of(item),
      attributes: attributesOf(item, this.#owner),
      entryTimeout: this.#timeout,
      attributeTimeout: this.#timeout,
    };
  }

  #noEntry(): NoEntry {
    return { node: undefined, entryTimeout: this.#timeout };
  }

  #changed(changes: readonly Change[]): void {
    this.#invalidation?.push(changes).catch((error) => this.#log.error({ error }, 'an invalidation failed'));
  }
}
