import { constants } from 'node:fs';
import { asNodeId, type NodeId, ROOT_NODE, ROOT_NUMBER } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import type { Attributes, DirectoryEntry, DirectoryPage, Entry, KernelCache, NoEntry } from '../../fuse/filesystem.js';
import type { CompanyProjects } from '../../mirror/company/company-projects.js';
import type { CompanyProject, FolderLook, ProjectChange } from '../../mirror/company/store.js';
import type { Ownership } from '../attributes.js';
import type { ServedProjects } from './served-projects.js';

const FOLDER_SIZE = 4096;
/** Cookies of "." and "..". The cookie of a project is the file number of its folder, which is greater. */
const SELF_COOKIE = 1;
const PARENT_COOKIE = 2;

/** The folder of a company: one folder per project. Listing it and describing these folders opens no project. */
export class CompanyFolder {
  readonly #company: CompanyProjects;
  readonly #served: ServedProjects;
  readonly #owner: Ownership;
  readonly #log: Log;
  readonly #onChange = (changes: readonly ProjectChange[]): void => this.#changed(changes);
  #kernel: KernelCache | undefined;
  #telling: Promise<unknown> = Promise.resolve();

  constructor(company: CompanyProjects, served: ServedProjects, owner: Ownership, log: Log) {
    this.#company = company;
    this.#served = served;
    this.#owner = owner;
    this.#log = log;
  }

  mounted(kernel: KernelCache): void {
    this.#kernel = kernel;
    this.#company.events.on('changed', this.#onChange);
  }

  get entry(): Entry {
    const at = this.#company.store.changedAt;
    return this.#folder(ROOT_NODE, this.#attributes({ mtime: at, ctime: at, mode: undefined }));
  }

  /** The entry of a project's folder: from the open project, or as remembered from when it was last open. */
  entryOf(project: CompanyProject): Entry {
    const open = this.#served.get(project.id);
    if (open) return open.fileSystem.rootEntry;
    const attributes = { ...this.#attributes(project.look), ino: project.number };
    return this.#folder(asNodeId(project.number), attributes);
  }

  lookup(name: string): Entry | NoEntry {
    this.#company.look();
    const project = this.#company.store.named(name);
    return project ? this.entryOf(project) : { node: undefined, entryTimeout: this.#served.timeout };
  }

  open(): number {
    this.#company.look();
    return this.#served.newHandle();
  }

  /** As `readdir`. */
  list(cookie: number, limit: number): DirectoryPage {
    const dots = [dot('.', SELF_COOKIE), dot('..', PARENT_COOKIE)].filter((one) => one.cookie > cookie);
    const rest = this.#company.store.all.filter(({ number }) => number > cookie);
    const entries = rest.slice(0, Math.max(1, limit)).map(
      (project): DirectoryEntry => ({
        name: project.name,
        cookie: project.number,
        entry: this.entryOf(project),
        ino: project.number,
        directory: true,
      }),
    );
    return { entries: [...dots, ...entries], end: entries.length === rest.length };
  }

  /** Resolves when the kernel has been notified of every change known at the time of the call. */
  async told(): Promise<void> {
    await this.#telling;
  }

  close(): void {
    this.#company.events.off('changed', this.#onChange);
  }

  #folder(node: NodeId, attributes: Attributes): Entry {
    const { timeout } = this.#served;
    return { node, attributes, entryTimeout: timeout, attributeTimeout: timeout };
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
