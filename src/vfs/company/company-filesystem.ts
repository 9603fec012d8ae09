import { constants } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { Failure } from '../../base/errors.js';
import { asNodeId, type NodeId, ROOT_NODE, ROOT_NUMBER } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import {
  type Attributes,
  type Awaitable,
  after,
  type Context,
  type DirectoryEntry,
  type DirectoryPage,
  type Entry,
  type FileSystem,
  type FileSystemStatistics,
  type Handle,
  type KernelCache,
  type NoEntry,
  type OpenFile,
  type WritableFileSystem,
} from '../../fuse/filesystem.js';
import type { CompanyProjects } from '../../mirror/company/company-projects.js';
import type { CompanyProject, FolderLook, ProjectChange } from '../../mirror/company/store.js';
import { isProbe } from '../../names/probes.js';
import type { Ownership } from '../attributes.js';
import { isHidden } from '../hidden/places.js';
import { numberOf } from '../nodes.js';
import { type ProjectFileSystem, STATISTICS } from '../project-filesystem.js';
import { companyWriting } from './company-writing.js';
import { type OpenProject, ServedProjects } from './served-projects.js';

export interface CompanyFileSystemOptions {
  readonly company: CompanyProjects;
  readonly open: OpenProject;
  readonly owner: Ownership;
  readonly readOnly: boolean;
  /** Seconds after its last use for which a project stays open. */
  readonly idle: number;
  readonly log: Log;
}

const PROCORE_XATTR = 'user.procore.';
const FOLDER_SIZE = 4096;
/** The most nodes per project whose cached pages are known to be current. */
const KNOWN_NODES = 10_000;
/** Cookies of "." and "..". The cookie of a project is the file number of its folder, which is greater. */
const SELF_COOKIE = 1;
const PARENT_COOKIE = 2;

/**
 * A company: one folder per project, served by a `ProjectFileSystem`. The project of a request is found by the node
 * number alone. Listing the company and reading the attributes of project folders opens no project.
 */
export class CompanyFileSystem implements FileSystem {
  readonly writable?: WritableFileSystem;
  readonly #company: CompanyProjects;
  readonly #served: ServedProjects;
  readonly #owner: Ownership;
  readonly #log: Log;
  readonly #readers = new WeakMap<Uint8Array, ProjectFileSystem>();
  /** Nodes opened since their project was opened. */
  readonly #openedSince = new WeakMap<ProjectFileSystem, LRUCache<NodeId, true>>();
  readonly #onChange = (changes: readonly ProjectChange[]): void => this.#changed(changes);
  #kernel: KernelCache | undefined;
  #telling: Promise<unknown> = Promise.resolve();

  constructor(options: CompanyFileSystemOptions) {
    const { company, open, log } = options;
    this.#company = company;
    this.#owner = options.owner;
    this.#log = log;
    this.#served = new ServedProjects({
      company,
      open,
      log,
      idle: options.idle * 1000,
      mode: 0o777 & ~options.owner.umask,
    });
    if (!options.readOnly)
      this.writable = companyWriting({
        projectOf: (node) => this.#projectOf(node),
        served: this.#served,
        clock: company.clock,
        log,
      });
  }

  mounted(kernel: KernelCache): void {
    this.#kernel = kernel;
    this.#served.mounted(kernel);
    this.#company.events.on('changed', this.#onChange);
  }

  lookup(parent: NodeId, name: string, context: Context): Awaitable<Entry | NoEntry> {
    if (parent !== ROOT_NODE) {
      // Names that desktops probe in every folder must not open a project.
      if (isProbe(name) && this.#isClosedFolder(parent)) return { node: undefined, entryTimeout: 0 };
      return this.#in(parent, context, (project) => project.lookup(parent, name, context));
    }
    this.#company.look();
    const project = this.#company.store.named(name);
    return project ? this.#entry(project) : { node: undefined, entryTimeout: this.#timeout };
  }

  getattr(node: NodeId, _handle: Handle | undefined, context: Context): Awaitable<Entry> {
    if (node === ROOT_NODE) return this.#root();
    const project = this.#projectOf(node);
    if (asNodeId(project.number) === node) return this.#entry(project);
    return this.#in(node, context, (fileSystem) => fileSystem.getattr(node, undefined, context));
  }

  opendir(node: NodeId, context: Context): Awaitable<Handle> {
    if (node === ROOT_NODE) {
      this.#company.look();
      return this.#served.newHandle();
    }
    return this.#opened(node, context, (project) => project.opendir(node, context));
  }

  readdir(node: NodeId, handle: Handle, cookie: number, limit: number, context: Context): Awaitable<DirectoryPage> {
    if (node !== ROOT_NODE)
      return this.#in(node, context, (project) => project.readdir(node, handle, cookie, limit, context));
    const dots = [dot('.', SELF_COOKIE), dot('..', PARENT_COOKIE)].filter((one) => one.cookie > cookie);
    const rest = this.#company.store.all.filter(({ number }) => number > cookie);
    const entries = rest.slice(0, Math.max(1, limit)).map(
      (project): DirectoryEntry => ({
        name: project.name,
        cookie: project.number,
        entry: this.#entry(project),
        ino: project.number,
        directory: true,
      }),
    );
    return { entries: [...dots, ...entries], end: entries.length === rest.length };
  }

  releasedir(node: NodeId, handle: Handle): void {
    if (node === ROOT_NODE) return;
    this.#served.released(this.#projectOf(node).id, (project) => project.releasedir(node, handle));
  }

  isListedAnew(node: NodeId): boolean {
    return isHidden(node);
  }

  open(node: NodeId, flags: number, context: Context): Awaitable<OpenFile> {
    return this.#opened(node, context, (project) =>
      after(project.open(node, flags, context), (file) => this.#asNow(project, node, file)),
    );
  }

  read(node: NodeId, handle: Handle, offset: number, size: number, context: Context): Awaitable<Uint8Array> {
    return this.#in(node, context, (project) =>
      after(project.read(node, handle, offset, size, context), (bytes) => {
        this.#readers.set(bytes, project);
        return bytes;
      }),
    );
  }

  sent(bytes: Uint8Array): void {
    this.#readers.get(bytes)?.sent(bytes);
  }

  release(node: NodeId, handle: Handle): void {
    this.#served.released(this.#projectOf(node).id, (project) => project.release(node, handle));
  }

  statfs(): FileSystemStatistics {
    return STATISTICS;
  }

  getxattr(node: NodeId, name: string, context: Context): Awaitable<Uint8Array | undefined> {
    // ls(1) requests other attributes of each folder that it lists: that must not open the projects.
    if (node === ROOT_NODE || !name.startsWith(PROCORE_XATTR)) return undefined;
    return this.#in(node, context, (project) => project.getxattr(node, name, context));
  }

  listxattr(): readonly string[] {
    return [];
  }

  destroy(): void {
    this.#company.events.off('changed', this.#onChange);
    this.#served.close();
  }

  /** Resolves when the kernel has been notified of every change known at the time of the call. */
  async told(): Promise<void> {
    await Promise.all([this.#telling, this.#served.told()]);
  }

  get #timeout(): number {
    return this.#served.timeout;
  }

  #in<T>(node: NodeId, context: Context, work: (project: ProjectFileSystem) => Awaitable<T>): Awaitable<T> {
    return this.#served.use(this.#projectOf(node), () => context.signal, work);
  }

  /** As `#in`, for opening a file or folder: the project stays in use until the handle is released. */
  #opened<T>(node: NodeId, context: Context, work: (project: ProjectFileSystem) => Awaitable<T>): Awaitable<T> {
    const { id } = this.#projectOf(node);
    return this.#in(node, context, (project) =>
      after(work(project), (value) => {
        this.#served.opened(id);
        return value;
      }),
    );
  }

  /**
   * Drops cached pages at the first open of a node since its project was opened: while the project was closed, the
   * kernel was not notified of what other mounts wrote.
   */
  #asNow(project: ProjectFileSystem, node: NodeId, file: OpenFile): OpenFile {
    const known = this.#openedSince.get(project) ?? new LRUCache<NodeId, true>({ max: KNOWN_NODES });
    this.#openedSince.set(project, known);
    if (known.get(node)) return file;
    known.set(node, true);
    return { ...file, keepCache: false };
  }

  /** @throws Failure `version-gone` (ESTALE, on which the kernel looks the path up again) */
  #projectOf(node: NodeId): CompanyProject {
    const { numbers } = this.#company.store;
    const id = numbers.project(numberOf(node));
    const project = id === undefined ? undefined : this.#company.store.get(id);
    if (!project) throw new Failure('version-gone', { path: `node ${node}` });
    return project;
  }

  /** Whether the node is the folder of a project that is not open. */
  #isClosedFolder(node: NodeId): boolean {
    const project = this.#projectOf(node);
    return asNodeId(project.number) === node && !this.#served.get(project.id);
  }

  /** The entry of a project's folder: from the open project, or as remembered from when it was last open. */
  #entry(project: CompanyProject): Entry {
    const node = asNodeId(project.number);
    const open = this.#served.get(project.id);
    if (open) return open.fileSystem.rootEntry;
    return this.#folder(node, { ...this.#attributes(project.look), ino: project.number });
  }

  #root(): Entry {
    const at = this.#company.store.changedAt;
    return this.#folder(ROOT_NODE, this.#attributes({ mtime: at, ctime: at, mode: undefined }));
  }

  #folder(node: NodeId, attributes: Attributes): Entry {
    return { node, attributes, entryTimeout: this.#timeout, attributeTimeout: this.#timeout };
  }

  #attributes({ mtime, ctime, mode }: FolderLook): Attributes {
    const { uid, gid, umask } = this.#owner;
    return {
      ino: ROOT_NUMBER,
      mode: constants.S_IFDIR | (mode ?? 0o777 & ~umask),
      nlink: 1,
      uid,
      gid,
      size: FOLDER_SIZE,
      atime: mtime,
      mtime,
      ctime,
    };
  }

  /** Notifies the kernel of projects that appeared, disappeared or were renamed. */
  #changed(changes: readonly ProjectChange[]): void {
    const kernel = this.#kernel;
    if (!kernel?.canInvalidate) return;
    const names = changes.flatMap(({ before, after }) => [before, after]).filter((name) => name !== undefined);
    const told = Promise.all([
      ...names.map((name) => kernel.invalidateEntry(ROOT_NODE, name)),
      kernel.invalidateNode(ROOT_NODE, 0),
    ]).catch((error: unknown) => this.#log.debug({ error }, 'the kernel did not take an invalidation'));
    this.#telling = Promise.all([this.#telling, told]);
  }
}

const dot = (name: string, cookie: number): DirectoryEntry => ({
  name,
  cookie,
  entry: undefined,
  ino: ROOT_NUMBER,
  directory: true,
});
