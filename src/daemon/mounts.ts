import { Failure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { drivers } from '../fuse/drivers.js';
import type { DriverName, Mounted } from '../fuse/filesystem.js';
import type { Item } from '../mirror/view.js';
import type { Ownership } from '../vfs/attributes.js';
import { ProjectFileSystem } from '../vfs/project-filesystem.js';
import { WritableProjectFileSystem } from '../vfs/writable-filesystem.js';
import type { CopyOutRequest } from './jobs/copy-out.js';
import type { Project } from './project.js';

export interface MountRequest {
  readonly mountpoint: string;
  /** As `findmnt` shows it. */
  readonly source: string;
  /** Path of the folder within the project. */
  readonly folder: string;
  readonly driver: DriverName;
  readonly allowOther: boolean;
  readonly readOnly: boolean;
  /** fsync waits for Procore as well. */
  readonly syncRemote: boolean;
  /** Files are checked out while they are open for writing. */
  readonly checkout: boolean;
  readonly owner: Ownership;
  readonly generic: readonly string[];
  readonly copyOut?: CopyOutRequest;
}

interface Live {
  readonly request: MountRequest;
  readonly mounted: Mounted;
  readonly fileSystem: ProjectFileSystem;
}

/** The mounts of one project: each its own file system and driver session over the same mirror and cache. */
export class Mounts {
  readonly #project: Project;
  readonly #log: Log;
  readonly #live = new Map<string, Live>();
  #onEmpty: (() => void) | undefined;
  /** A mount is being made: the last unmount must not end the daemon meanwhile. */
  #starting = 0;

  constructor(project: Project, log: Log) {
    this.#project = project;
    this.#log = log;
  }

  /** Resolves when the mount answers. */
  async add(request: MountRequest): Promise<void> {
    this.#starting++;
    try {
      if (this.#live.has(request.mountpoint))
        throw new Failure('mountpoint-busy', { path: request.mountpoint, source: request.source });
      const root = await this.#project.folderInode(request.folder);
      const { session, mirror, outbox, checkouts, readers, scheduler } = this.#project;
      const options = {
        mirror,
        outbox,
        owner: request.owner,
        webUrl: (item: Item) => session.webUrl(item),
        log: this.#log,
        root,
        checkouts,
        readers,
      };
      const fileSystem = request.readOnly
        ? new ProjectFileSystem(options)
        : new WritableProjectFileSystem(options, {
            checkout: request.checkout,
            ...(request.syncRemote ? { publish: (inode, signal) => scheduler.publish(inode, signal) } : {}),
          });
      const mounted = await drivers[request.driver].mount(fileSystem, {
        mountpoint: request.mountpoint,
        source: request.source,
        allowOther: request.allowOther,
        readOnly: request.readOnly,
        uid: process.getuid?.() ?? 0,
        gid: process.getgid?.() ?? 0,
        generic: request.generic,
        log: this.#log,
      });
      this.#live.set(request.mountpoint, { request, mounted, fileSystem });
      this.#log.info(
        { mountpoint: request.mountpoint, driver: mounted.driver, passthrough: mounted.passthrough },
        'mounted',
      );
      mounted.ended.then(() => this.#ended(request.mountpoint));
    } finally {
      this.#starting--;
      this.#checkEmpty();
    }
  }

  get(mountpoint: string): Mounted {
    const live = this.#live.get(mountpoint);
    if (!live) throw new Failure('not-mounted', { path: mountpoint });
    return live.mounted;
  }

  /** Path from the project's root of a path within the mount. */
  projectPath(mountpoint: string, path: string): string {
    const folder = this.#live.get(mountpoint)?.request.folder;
    if (folder === undefined) throw new Failure('not-mounted', { path: mountpoint });
    return [folder, path].filter((part) => part !== '').join('/');
  }

  get mountpoints(): string[] {
    return [...this.#live.keys()];
  }

  /** What the mounts that are up were asked for. */
  get requests(): MountRequest[] {
    return [...this.#live.values()].map(({ request }) => request);
  }

  /** Resolves when every mount shows what is known of the server by now. */
  async told(): Promise<void> {
    await Promise.all([...this.#live.values()].map(({ fileSystem }) => fileSystem.told()));
  }

  async unmount(mountpoint: string, force: boolean): Promise<void> {
    const mounted = this.get(mountpoint);
    await mounted.unmount(force);
    await mounted.ended;
  }

  /** Unmounts all; what is busy is detached, since the process ends. */
  async close(): Promise<void> {
    await Promise.all(this.mountpoints.map((mountpoint) => this.unmount(mountpoint, true)));
  }

  /** Called once the last mount has ended. */
  whenEmpty(callback: () => void): void {
    this.#onEmpty = callback;
    this.#checkEmpty();
  }

  #ended(mountpoint: string): void {
    this.#live.delete(mountpoint);
    this.#log.info({ mountpoint }, 'unmounted');
    this.onEnded?.(mountpoint);
    this.#checkEmpty();
  }

  /** Called for each mount that has ended, however it ended. */
  onEnded: ((mountpoint: string) => void) | undefined;

  #checkEmpty(): void {
    if (this.#live.size === 0 && this.#starting === 0) this.#onEmpty?.();
  }
}
