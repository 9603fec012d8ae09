import { constants } from 'node:fs';
import { Failure } from '../base/errors.js';
import { type Inode, type NodeId, ROOT_INODE } from '../base/ids.js';
import type { Log } from '../base/log.js';
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
import { altered, type Change } from '../mirror/database/changes.js';
import type { Mirror } from '../mirror/mirror.js';
import { WATCHED_S } from '../mirror/sync/poll-interval.js';
import { META_FOLDER, NAME_BYTES } from '../names/linux.js';
import { isProbe } from '../names/probes.js';
import { NO_REMOTE } from '../outbox/intents/intent.js';
import type { Outbox } from '../outbox/outbox.js';
import { type ListedLocalItem, type LocalItem, type Tree, versionOf } from '../outbox/tree/tree.js';
import type { Checkouts } from '../outbox/upload/checkouts.js';
import type { WorkingFile } from '../outbox/working/working-file.js';
import { attributesOf, type Ownership } from './attributes.js';
import { Directories } from './directories.js';
import { FileHandles } from './file-handles.js';
import { followOpen } from './follow-open.js';
import { Generations } from './generations.js';
import { HiddenFolder } from './hidden/hidden-folder.js';
import { isHidden } from './hidden/places.js';
import { Invalidation } from './invalidation.js';
import { Nodes } from './nodes.js';
import { openedBlob } from './opened-blob.js';
import type { FileSystemOptions } from './options.js';
import { isConcealed } from './privacy.js';
import type { Readers } from './readers.js';
import { spelledNode } from './spellings.js';
import { type XattrSources, xattrs } from './xattrs.js';

/**
 * Seconds. The kernel is notified of every change, so longer time-outs would be correct. But a program that only looks
 * names up must reach the daemon often enough for the folder to keep counting as watched.
 */
const PUSHED_TIMEOUT = WATCHED_S;
/** Seconds, where the kernel cannot be notified. */
const UNTOLD_TIMEOUT_S = 1;
/**
 * Seconds for which the kernel may keep the attributes of a file that has a working file: not 0, as programs ask for
 * attributes just after opening.
 */
const OPEN_TIMEOUT_S = 1;
const BLOCK_BYTES = 4096;
/** The size that statfs reports, 1 PiB: the server has no limit of its own. */
const BLOCKS = 2 ** 50 / BLOCK_BYTES;
export const STATISTICS: FileSystemStatistics = {
  blockSize: BLOCK_BYTES,
  blocks: BLOCKS,
  blocksFree: BLOCKS,
  files: 0,
  filesFree: 0,
  nameMax: NAME_BYTES,
};
const { O_ACCMODE = 3, O_RDONLY, O_TRUNC } = constants as typeof constants & { O_ACCMODE?: number };

/** One project, or one folder of it, as a file system: reading only. `WritableProjectFileSystem` adds writing. */
export class ProjectFileSystem implements FileSystem {
  protected readonly outbox: Outbox;
  protected readonly tree: Tree;
  protected readonly checkouts: Checkouts;
  protected readonly handles: FileHandles;
  protected readonly nodes: Nodes;
  protected readonly hidden: HiddenFolder;
  protected readonly log: Log;
  protected kernel: KernelCache | undefined;
  protected invalidation: Invalidation | undefined;
  readonly #mirror: Mirror;
  readonly #owner: Ownership;
  readonly #readers: Readers;
  readonly #xattrSources: XattrSources;
  readonly #directories: Directories;
  readonly #onChange = (changes: readonly Change[]): void => this.#changed(changes);
  readonly #onLocalChange = (changes: readonly Change[], by: object | undefined): void => {
    // The kernel already knows about changes made through this mount.
    if (by !== this) this.#changed(changes);
  };
  protected readonly generations: Generations;
  readonly #longest: number;
  #timeout = UNTOLD_TIMEOUT_S;
  #telling: Promise<unknown> = Promise.resolve();

  constructor(options: FileSystemOptions) {
    this.#mirror = options.mirror;
    this.outbox = options.outbox;
    this.tree = options.outbox.tree;
    this.#owner = options.owner;
    this.#readers = options.readers;
    this.checkouts = options.checkouts;
    this.#xattrSources = {
      view: this.tree.view,
      checkouts: options.checkouts,
      pins: options.pins,
      webUrl: options.webUrl,
    };
    this.log = options.log;
    this.handles = new FileHandles(options.shared?.newHandle);
    this.generations = new Generations((folder) => this.tree.item(folder) !== undefined);
    this.nodes = new Nodes(options.root ?? ROOT_INODE, options.shared?.numbering);
    this.#longest = options.shared?.timeout ?? PUSHED_TIMEOUT;
    this.hidden = new HiddenFolder({
      ...options,
      nodes: this.nodes,
      newHandle: () => this.handles.newHandle(),
      listed: (folder, context) => this.listed(folder, context),
    });
    this.#directories = new Directories(
      this.tree,
      (item) => !this.isConcealed(item),
      (item) => ({
        name: item.name,
        cookie: item.inode,
        entry: this.entry(item),
        ino: this.nodes.number(item.inode),
        directory: !item.isFile,
      }),
    );
  }

  get openFiles(): number {
    return this.handles.size;
  }

  mounted(kernel: KernelCache): void {
    this.kernel = kernel;
    this.#timeout = Math.min(this.#longest, kernel.canInvalidate ? PUSHED_TIMEOUT : UNTOLD_TIMEOUT_S);
    const conceals = this.#owner.privacy === 'hide';
    this.invalidation = new Invalidation(this.outbox, this.nodes, kernel, this.log, conceals);
    this.#mirror.store.events.on('changed', this.#onChange);
    this.tree.events.on('changed', this.#onLocalChange);
  }

  lookup(parent: NodeId, name: string, context: Context): Awaitable<Entry | NoEntry> {
    if (isHidden(parent)) return this.hidden.lookup(parent, name, context);
    if (name === META_FOLDER && parent === this.nodes.rootNode) return this.hidden.entry;
    const folder = this.item(parent);
    this.invalidation?.asked(folder.inode);
    const child = this.tree.child(folder, name);
    if (!child || child.isFile) this.watch(folder);
    if (child) return this.#found(child, name);
    // Until the folder is listed, it is unknown whether a probed name exists: the kernel must not cache the answer.
    if (isProbe(name) && !this.isListed(folder)) return { node: undefined, entryTimeout: 0 };
    const listing = this.listed(folder, context);
    return listing ? listing.then(() => this.#find(folder, name)) : this.#noEntry();
  }

  getattr(node: NodeId, _handle: Handle | undefined, context: Context): Awaitable<Entry> {
    if (isHidden(node)) return this.hidden.getattr(node, context);
    const item = this.item(node);
    if (item.isFile) this.watch(this.tree.parent(item));
    return this.entry(item);
  }

  /** The entry of the folder that is mounted. */
  get rootEntry(): Entry {
    return this.entry(this.item(this.nodes.rootNode));
  }

  isListedAnew(node: NodeId): boolean {
    return isHidden(node);
  }

  opendir(node: NodeId, context: Context): Awaitable<Handle> {
    if (isHidden(node)) return this.hidden.opendir(node, context);
    const folder = this.item(node);
    if (folder.isFile) throw new Failure('not-a-folder', { path: folder.name });
    this.invalidation?.asked(folder.inode);
    this.watch(folder);
    const open = (): Handle => {
      const handle = this.handles.newHandle();
      const { nodes } = this;
      const parent = node === nodes.rootNode ? nodes.above : nodes.number(folder.parent);
      this.#directories.open(handle, folder, nodes.number(folder.inode), parent);
      return handle;
    };
    const listing = this.listed(folder, context);
    return listing ? listing.then(open) : open();
  }

  readdir(node: NodeId, handle: Handle, cookie: number, limit: number, context: Context): Awaitable<DirectoryPage> {
    if (isHidden(node)) return this.hidden.readdir(node, cookie, limit, context);
    return this.#directories.read(handle, cookie, limit);
  }

  releasedir(_node: NodeId, handle: Handle): void {
    this.#directories.close(handle);
  }

  open(node: NodeId, flags: number, context: Context): Awaitable<OpenFile> {
    if (isHidden(node)) return this.hidden.open(node, flags, context);
    const item = this.item(node);
    this.watch(this.tree.parent(item));
    const writing = (flags & O_ACCMODE) !== O_RDONLY;
    if (writing || item.intent?.content.staged || this.handles.file(node)) this.requireCurrent(node, item);
    if (writing || item.intent?.content.staged || this.working(item.inode, node))
      return this.openWorking(node, item, writing, (flags & O_TRUNC) !== 0, context);
    const { uid, pid } = context;
    const blob = this.outbox.blob(versionOf(item), this.#readers.reading(pid));
    const handle = this.handles.add({ node, inode: item.inode, item, writing, uid, pid, blob, file: undefined });
    return openedBlob(handle, blob, item.size, this.log);
  }

  read(node: NodeId, handle: Handle, offset: number, size: number, context: Context): Awaitable<Uint8Array> {
    if (isHidden(node)) return this.hidden.read(handle, offset, size, context);
    const open = this.handles.get(handle);
    if (!open) throw new Failure('internal', { why: `read from handle ${handle}, which is not open` });
    if (open.file) return open.file.read(offset, size, context.signal);
    const length = Math.min(size, open.item.size - offset);
    if (length <= 0 || !open.blob) return new Uint8Array(0);
    return open.blob.read(offset, length, context.signal);
  }

  sent(bytes: Uint8Array): void {
    this.outbox.sent(bytes);
  }

  release(node: NodeId, handle: Handle): void {
    if (isHidden(node)) {
      this.hidden.release(handle);
      return;
    }
    const open = this.handles.remove(handle);
    if (!open) return;
    if (open.blob) {
      this.#readers.closed(open.pid, open.blob.position, open.item.size);
      open.blob.close();
    }
    if (!open.file) return;
    try {
      this.outbox.release(open.file, open.writing, open.uid);
    } finally {
      if (open.writing) this.tellRewritten(open.inode);
    }
  }

  statfs(): FileSystemStatistics {
    return STATISTICS;
  }

  getxattr(node: NodeId, name: string, context: Context): Awaitable<Uint8Array | undefined> {
    if (isHidden(node)) return this.hidden.getxattr(node, name, context);
    const value = xattrs.get(name)?.(this.item(node), this.#xattrSources);
    return value === undefined ? undefined : Buffer.from(value);
  }

  listxattr(): readonly string[] {
    return [];
  }

  destroy(): void {
    this.invalidation?.close();
    this.#mirror.store.events.off('changed', this.#onChange);
    this.tree.events.off('changed', this.#onLocalChange);
    for (const open of [...this.handles.all()]) {
      open.blob?.close();
      if (open.file) this.outbox.release(open.file, open.writing, open.uid);
    }
    this.handles.clear();
    this.hidden.close();
  }

  /**
   * Closes this file system while the mount stays. Names and attributes expire in the kernel by their time-outs; cached
   * listings do not, so they are invalidated.
   */
  async leave(): Promise<void> {
    const forgotten = this.invalidation?.forget();
    this.destroy();
    await forgotten;
  }

  /** Announces that a file was written: its cached pages are stale on the other mounts of the project. */
  protected tellRewritten(inode: Inode): void {
    this.afterwards(() => {
      const item = this.tree.item(inode);
      if (item) this.tell({ ...altered(item), rewritten: true });
    });
  }

  /** Announces changes made through this mount to the other mounts of the project. */
  protected tell(...changes: readonly Change[]): void {
    this.afterwards(() => this.tree.tell(changes, this));
  }

  /** Runs follow-up work of an operation that has succeeded: its errors are logged and never fail the operation. */
  protected afterwards(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.log.error({ error }, 'what was done here cannot be told to all whom it concerns');
    }
  }

  /** The working file of the current version at a node. A superseded version has none, even while it is open. */
  protected working(inode: Inode, node: NodeId): WorkingFile | undefined {
    const file = this.outbox.working(inode);
    const now = file && this.tree.item(inode);
    return now && this.nodes.of(now) === node ? file : undefined;
  }

  protected async openWorking(
    node: NodeId,
    item: LocalItem,
    writing: boolean,
    truncate: boolean,
    context: Context,
    grows = writing,
  ): Promise<OpenFile> {
    const file = await this.outbox.open(item, writing, truncate, grows);
    this.handles.share(node, file);
    // With a working file, attributes time out after a second: the other mounts must start to ask for the size again.
    if (writing) this.tellRewritten(item.inode);
    const { uid, pid } = context;
    const handle = this.handles.add({ node, inode: item.inode, item, writing, uid, pid, blob: undefined, file });
    return file.isComplete ? { handle, backingFd: file.fd } : { handle };
  }

  /** Writing, and reading written content, is possible only at the current version. @throws Failure `version-gone` */
  protected requireCurrent(node: NodeId, item: LocalItem): void {
    const now = this.tree.item(item.inode);
    if (now && this.nodes.of(now) !== node) throw new Failure('version-gone', { path: item.name });
  }

  /** @throws Failure `version-gone` (ESTALE, on which the kernel looks the path up again) */
  protected item(node: NodeId): LocalItem {
    const item = this.tree.item(this.nodes.inode(node));
    if (item && this.nodes.of(item) === node) {
      if (this.isConcealed(item) && node !== this.nodes.rootNode && !this.handles.version(node))
        throw new Failure('no-such-item', { path: item.name });
      return item;
    }
    const open = this.handles.version(node);
    if (open) return open;
    throw new Failure('version-gone', { path: item?.name ?? `node ${node}` });
  }

  /** Whether the item exists but is not shown on this mount. */
  protected isConcealed(item: Pick<ListedLocalItem, 'flags'>): boolean {
    return isConcealed(item.flags, this.#owner.privacy ?? 'owner');
  }

  protected entry(item: ListedLocalItem): Entry {
    const node = this.nodes.of(item);
    const file = this.handles.file(node) ?? this.working(item.inode, node);
    const listed = attributesOf(item, this.nodes.number(item.inode), this.#owner);
    // A removed file stays visible to programs that have it open, with no links.
    const isGone = this.handles.version(node) !== undefined && !this.tree.item(item.inode);
    const attributes = isGone ? { ...listed, nlink: 0 } : listed;
    const stat = file?.stat;
    return {
      node,
      generation: item.isFile ? 0 : this.generations.of(item.inode),
      attributes: stat ? { ...attributes, ...stat, ctime: Math.max(attributes.ctime, stat.mtime) } : attributes,
      entryTimeout: this.#timeout,
      // The kernel drops cached size and times at each write(2), but not at a write through a memory mapping.
      attributeTimeout: file ? Math.min(OPEN_TIMEOUT_S, this.#timeout) : this.#timeout,
    };
  }

  /** Undefined when every child of the folder is known; otherwise resolves once they are. */
  protected listed(folder: LocalItem, context: Context): Promise<void> | undefined {
    return this.isListed(folder) ? undefined : this.#mirror.list(folder, 'interactive', context.signal);
  }

  protected isListed(folder: LocalItem): boolean {
    return folder.remoteId === NO_REMOTE || this.#mirror.view.isListed(folder.remoteId);
  }

  /** Marks a folder as watched: watched folders are polled more often. */
  protected watch(folder: LocalItem | undefined): void {
    if (folder) this.#mirror.opened(folder.inode);
  }

  #find(folder: LocalItem, name: string): Entry | NoEntry {
    const found = this.tree.child(folder, name);
    return found ? this.#found(found, name) : this.#noEntry();
  }

  #found(item: LocalItem, name: string): Entry | NoEntry {
    if (this.isConcealed(item)) return this.#noEntry();
    const entry = this.entry(item);
    if (item.name === name) return entry;
    return { ...entry, node: spelledNode(entry.node), entryTimeout: 0, attributeTimeout: 0 };
  }

  #noEntry(): NoEntry {
    // When an item appears, the kernel is notified of its exact name only, not of other spellings.
    return { node: undefined, entryTimeout: this.#mirror.view.ignoresCase ? 0 : this.#timeout };
  }

  /** Resolves when the kernel has been notified of every change known at the time of the call. */
  async told(): Promise<void> {
    await this.#telling;
  }

  #changed(changes: readonly Change[]): void {
    this.afterwards(() => {
      for (const inode of followOpen(changes, { handles: this.handles, nodes: this.nodes, outbox: this.outbox }))
        this.#mirror.store.renew(inode).catch((error: unknown) => {
          this.log.error({ error }, 'what came back after it was removed here has the node of what is open');
        });
    });
    this.#telling = Promise.all([this.#telling, this.invalidation?.push(changes)]);
  }
}
