import { join } from 'node:path';
import { Failure } from '../base/errors.js';
import { type Inode, ROOT_INODE } from '../base/ids.js';
import { type FileLock, lockHolder, tryLock } from '../base/lock.js';
import type { Log } from '../base/log.js';
import type { CallClass } from '../budget/calls.js';
import { ContentCache } from '../content/cache.js';
import { ProjectSource } from '../content/project-source.js';
import { Mirror } from '../mirror/mirror.js';
import type { Item } from '../mirror/view.js';
import type { ProjectSession } from './session.js';
import type { StateFolder } from './state-folder.js';

export interface ProjectOptions {
  /** Bytes of cached content, and bytes of disk to leave free. */
  readonly cacheLimit: number;
  readonly cacheReserve: number;
  /** Seconds. */
  readonly pollInterval: number;
}

export const projectKey = (session: Pick<ProjectSession, 'connection' | 'project'>): string =>
  `${session.connection.id}-${session.project.id}`;

/** Another process has the project. */
export class Owned extends Error {
  readonly pid: number | undefined;

  constructor(pid: number | undefined) {
    super('the project has an owner');
    this.pid = pid;
  }
}

/**
 * The one owner of a project on this host: mirror, content cache and what fills them. Holds the project's lock, which
 * the kernel releases with the process.
 */
export class Project {
  readonly mirror: Mirror;
  readonly content: ContentCache;
  readonly session: ProjectSession;
  readonly #lock: FileLock;

  private constructor(session: ProjectSession, lock: FileLock, mirror: Mirror, content: ContentCache) {
    this.session = session;
    this.#lock = lock;
    this.mirror = mirror;
    this.content = content;
  }

  /** @throws Owned when another process has it */
  static async open(session: ProjectSession, state: StateFolder, options: ProjectOptions, log: Log): Promise<Project> {
    const folder = state.project(projectKey(session));
    const lockFile = join(folder, 'lock');
    const lock = tryLock(lockFile);
    if (!lock) throw new Owned(lockHolder(lockFile));
    const { project } = session;
    const { client, storage } = session.session;
    let mirror: Mirror | undefined;
    try {
      const opened = new Mirror({
        path: join(folder, 'mirror.db'),
        pollInterval: options.pollInterval,
        log,
        source: {
          page: (query, callOptions) => client.indexRaw(project.id, { ...query, sort: 'updated_at' }, callOptions),
          folder: (id, callOptions) =>
            id === undefined ? client.rootFolder(project.id, callOptions) : client.folder(project.id, id, callOptions),
        },
      });
      mirror = opened;
      const source = new ProjectSource({
        mirror: opened,
        storage,
        versions: (item, signal) => client.versions(project.id, item.remoteId, { class: 'interactive', signal }),
        log,
      });
      const content = ContentCache.open({
        folder: join(folder, 'cache'),
        limit: options.cacheLimit,
        reserve: options.cacheReserve,
        source,
        log,
      });
      return new Project(session, lock, mirror, content);
    } catch (error) {
      await mirror?.close();
      lock.release();
      throw error;
    }
  }

  /** The item at a path of shown names from the project's root; lists folders that are not known yet. */
  async find(path: string, callClass: CallClass, signal?: AbortSignal): Promise<Item> {
    const { view } = this.mirror;
    let item = view.item(ROOT_INODE);
    for (const name of path.split('/').filter((part) => part !== '')) {
      if (!item) break;
      if (item.isFile) throw new Failure('not-a-folder', { path: item.name });
      let child: Item | undefined = view.child(item, name);
      if (!child) {
        await this.mirror.list(item, callClass, signal);
        child = view.child(item, name);
      }
      item = child;
    }
    if (!item) throw new Failure('no-such-item', { path: `/${path}` });
    return item;
  }

  async folderInode(path: string, signal?: AbortSignal): Promise<Inode> {
    const item = await this.find(path, 'interactive', signal);
    if (item.isFile) throw new Failure('not-a-folder', { path: `/${path}` });
    return item.inode;
  }

  async close(): Promise<void> {
    await this.content.close();
    await this.mirror.close();
    this.#lock.release();
  }
}
