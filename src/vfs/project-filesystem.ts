import { constants } from 'node:fs';
import { Failure } from '../base/errors.js';
import type { NodeId } from '../base/ids.js';
import type {
  Awaitable,
  Context,
  DirectoryPage,
  Entry,
  FileSystemStatistics,
  Handle,
  KernelCache,
  NoEntry,
  OpenedFolder,
  OpenFile,
  ReadBytes,
} from '../fuse/filesystem.js';
import type { FileSystem, WritingOperations } from '../fuse/operations.js';
import { META_FOLDER, NAME_BYTES } from '../names/linux.js';
import { isProbe } from '../names/probes.js';
import { Announcements } from './announcements.js';
import { Directories } from './directories.js';
import { outsideHidden } from './hidden/guard.js';
import { HiddenFolder } from './hidden/hidden-folder.js';
import { isHidden } from './hidden/places.js';
import { OpenFiles } from './open-files.js';
import type { ProjectParts, Showing, WritingRules } from './options.js';
import { ProjectWriting } from './project-writing.js';
import { ShownProject } from './shown-project.js';
import { xattrs } from './xattrs.js';

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

/** One project, or one folder of it, as a file system. What changes something is `ProjectWriting`'s. */
export class ProjectFileSystem implements FileSystem {
  readonly writable?: WritingOperations;
  readonly #shown: ShownProject;
  readonly #announcements: Announcements;
  readonly #hidden: HiddenFolder;
  readonly #directories: Directories;
  readonly #files: OpenFiles;
  readonly #writing: ProjectWriting | undefined;

  /** @param rules absent: the file system is read-only */
  constructor(project: ProjectParts, showing: Showing, rules?: WritingRules) {
    const shown = new ShownProject(project, showing);
    this.#shown = shown;
    this.#announcements = new Announcements(shown);
    this.#hidden = new HiddenFolder(shown);
    this.#directories = new Directories(shown);
    this.#files = new OpenFiles(shown, this.#announcements, this.#hidden);
    if (!rules) return;
    this.#writing = new ProjectWriting(shown, this.#announcements, this.#files, rules);
    this.writable = outsideHidden(this.#writing, this.#hidden, shown.nodes.rootNode);
  }

  get openFiles(): number {
    return this.#shown.handles.size;
  }

  /** The entry of the folder that is mounted. */
  get rootEntry(): Entry {
    return this.#shown.entry(this.#shown.item(this.#shown.nodes.rootNode));
  }

  mounted(kernel: KernelCache): void {
    this.#shown.mounted(kernel);
    this.#announcements.mounted(kernel);
  }

  lookup(parent: NodeId, name: string, context: Context): Awaitable<Entry | NoEntry> {
    if (isHidden(parent)) return this.#hidden.lookup(parent, name, context);
    const { nodes, tree } = this.#shown;
    if (name === META_FOLDER && parent === nodes.rootNode) return this.#hidden.entry;
    const folder = this.#shown.item(parent);
    this.#announcements.asked(folder.inode);
    const child = tree.child(folder, name);
    if (!child || child.isFile) this.#shown.watch(folder);
    if (child) return this.#shown.found(child, name);
    // Until the folder is listed, it is unknown whether a probed name exists: the kernel must not cache the answer.
    if (isProbe(name) && !this.#shown.isListed(folder)) return { node: undefined, entryTimeout: 0 };
    const listing = this.#shown.listed(folder, context);
    if (!listing) return this.#shown.found(undefined, name);
    return listing.then(() => this.#shown.found(tree.child(folder, name), name));
  }

  getattr(node: NodeId, _handle: Handle | undefined, context: Context): Awaitable<Entry> {
    if (isHidden(node)) return this.#hidden.getattr(node, context);
    const item = this.#shown.item(node);
    if (item.isFile) this.#shown.watch(this.#shown.tree.parent(item));
    return this.#shown.entry(item);
  }

  opendir(node: NodeId, context: Context): Awaitable<OpenedFolder> {
    if (isHidden(node)) return this.#hidden.opendir(node, context);
    const folder = this.#shown.item(node);
    if (folder.isFile) throw new Failure('not-a-folder', { path: folder.name });
    this.#announcements.asked(folder.inode);
    this.#shown.watch(folder);
    const open = (): OpenedFolder => ({ handle: this.#directories.open(folder) });
    const listing = this.#shown.listed(folder, context);
    return listing ? listing.then(open) : open();
  }

  readdir(node: NodeId, handle: Handle, cookie: number, limit: number, context: Context): Awaitable<DirectoryPage> {
    if (isHidden(node)) return this.#hidden.readdir(node, cookie, limit, context);
    return this.#directories.read(handle, cookie, limit);
  }

  releasedir(_node: NodeId, handle: Handle): void {
    this.#directories.close(handle);
  }

  open(node: NodeId, flags: number, context: Context): Awaitable<OpenFile> {
    if (isHidden(node)) return this.#hidden.open(node, flags, context);
    const item = this.#shown.item(node);
    this.#shown.watch(this.#shown.tree.parent(item));
    const writing = (flags & O_ACCMODE) !== O_RDONLY;
    const truncate = (flags & O_TRUNC) !== 0;
    if (writing || item.intent?.content.staged || this.#shown.handles.file(node))
      this.#shown.requireCurrent(node, item);
    if (writing) {
      if (!this.#writing) throw new Failure('read-only');
      return this.#writing.open(node, item, { truncate, grows: true }, context);
    }
    if (item.intent?.content.staged || this.#shown.working(item.inode, node))
      return this.#files.openWorking(node, item, { writing, truncate, grows: false }, context);
    return this.#files.openVersion(node, item, context);
  }

  read(node: NodeId, handle: Handle, offset: number, size: number, context: Context): Awaitable<ReadBytes> {
    return this.#files.read(node, handle, offset, size, context);
  }

  release(node: NodeId, handle: Handle): void {
    this.#files.release(node, handle);
  }

  statfs(): FileSystemStatistics {
    return STATISTICS;
  }

  getxattr(node: NodeId, name: string, context: Context): Awaitable<Uint8Array | undefined> {
    if (isHidden(node)) return this.#hidden.getxattr(node, name, context);
    const value = xattrs.get(name)?.(this.#shown.item(node), this.#shown.project);
    return value === undefined ? undefined : Buffer.from(value);
  }

  listxattr(): readonly string[] {
    return [];
  }

  destroy(): void {
    this.#announcements.close();
    this.#files.closeAll();
  }

  /**
   * Closes this file system while the mount stays. Names and attributes expire in the kernel by their time-outs; cached
   * listings do not, so they are invalidated.
   */
  async leave(): Promise<void> {
    const forgotten = this.#announcements.forget();
    this.destroy();
    await forgotten;
  }

  /** Resolves when the kernel has been notified of every change known at the time of the call. */
  told(): Promise<void> {
    return this.#announcements.told();
  }
}
