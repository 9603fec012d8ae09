import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import { type ProjectId, ROOT_INODE } from '../../base/ids.js';
import type { Budget } from '../../budget/budget.js';
import type { ContentCache } from '../../cache/cache.js';
import { childPath, nameOf, parentOf } from '../../endpoints/paths.js';
import type { EndpointItem } from '../../jobs/endpoint.js';
import type { StoredUploads } from '../../jobs/store/stored-uploads.js';
import { PRIVATE } from '../../mirror/database/flags.js';
import type { Item } from '../../mirror/database/view.js';
import type { Mirror } from '../../mirror/mirror.js';
import type { Removals } from '../../mirror/removal.js';
import type { LateCalls } from '../../outbox/intents/late-calls.js';
import type { ProcoreClient } from '../../procore/client.js';
import type { OwnWork } from '../../procore/own-versions.js';
import type { Uploads } from '../../procore/uploads.js';
import type { ProcoreWrites } from '../../procore/writes.js';

/** A project that this process owns. */
export interface ProjectAccess {
  readonly mirror: Mirror;
  readonly content: ContentCache;
  readonly client: ProcoreClient;
  readonly writes: ProcoreWrites;
  readonly uploads: Uploads;
  readonly ownWork: OwnWork;
  readonly late: LateCalls;
  readonly removals: Removals;
  readonly budget: Budget;
  readonly project: ProjectId;
  readonly clock: Clock;
  /** Name of the project in messages. */
  readonly name: string;
  /** Login and name of the account. */
  readonly account: readonly string[];
}

export interface ProcoreEndpointOptions {
  /** Id of the job, to which calls are charged. */
  readonly job: string;
  readonly jobName: string;
  /** Folder of the project in shown names; `''` is the whole project. */
  readonly path: string;
  readonly whenSpent: 'wait' | 'fail';
  /** The last background poll is fresh enough: the run makes none of its own. */
  readonly lastPollIsEnough: boolean;
  /** Storage for the progress of unfinished uploads. */
  readonly uploads?: StoredUploads | undefined;
  /** Items report who has them checked out. */
  readonly locks: boolean;
}

const MOST_LISTED = 1000;

/** Finds items of a project by paths of shown names. A folder that is not in the mirror yet is listed: 1 call each. */
export class ProjectTree {
  /** @param root name of the endpoint in messages */
  constructor(
    private readonly access: ProjectAccess,
    private readonly options: ProcoreEndpointOptions,
    private readonly root: string,
  ) {}

  missing(path: string): Failure {
    return new Failure('target-missing', { target: this.root, path });
  }

  /** Sorted by name. */
  async children(folder: string, signal: AbortSignal): Promise<EndpointItem[]> {
    const item = await this.folder(folder, signal);
    const { view } = this.access.mirror;
    const children: Item[] = [];
    for (let after = 0; ; ) {
      const page = view.children(item.remoteId, after, MOST_LISTED);
      children.push(...page);
      if (page.length < MOST_LISTED) break;
      after = page.at(-1)!.inode;
      // The same thread serves the mount.
      await setImmediate();
    }
    children.sort((a, b) => (a.name < b.name ? -1 : 1));
    return children.map((child) => this.item(child, childPath(folder, child.name)));
  }

  async place(path: string, signal: AbortSignal) {
    const parent = await this.folder(parentOf(path), signal);
    const name = nameOf(path);
    await this.list(parent, signal);
    return { parent, name, known: this.access.mirror.view.child(parent, name) };
  }

  async folder(path: string, signal: AbortSignal): Promise<Item> {
    const item = await this.find(path, signal);
    if (!item || item.isFile) throw this.missing(path);
    await this.list(item, signal);
    return item;
  }

  async list(folder: Item, signal: AbortSignal): Promise<void> {
    const { mirror } = this.access;
    if (!mirror.view.isListed(folder.remoteId)) await mirror.list(folder, 'job', signal);
  }

  find(path: string, signal: AbortSignal): Promise<Item | undefined> {
    return this.at(this.names(path), signal);
  }

  /** Names of a path from the project's root. */
  names(path: string): string[] {
    return `${this.options.path}/${path}`.split('/').filter((part) => part !== '');
  }

  /** @param names from the project's root */
  async at(names: readonly string[], signal: AbortSignal): Promise<Item | undefined> {
    const { view } = this.access.mirror;
    let item = view.item(ROOT_INODE);
    for (const name of names) {
      if (!item || item.isFile) return undefined;
      const child: Item | undefined = view.child(item, name);
      if (!child) await this.list(item, signal);
      item = child ?? view.child(item, name);
    }
    return item;
  }

  item(item: Item, path: string): EndpointItem {
    const { view } = this.access.mirror;
    const people = this.options.locks && item.isFile ? view.people(item.inode) : undefined;
    const holder = people?.checkedOutBy;
    return {
      path,
      name: item.name,
      id: String(item.remoteId),
      folder: !item.isFile,
      size: item.size,
      mtime: item.isFile ? item.versionAt : item.updatedAt,
      hidden: item.name.startsWith('.'),
      ...(item.isFile ? { version: String(item.versionId), versions: item.versionNumber } : {}),
      ...((item.flags & PRIVATE) === 0 ? {} : { private: true }),
      ...(holder !== undefined && !this.access.account.includes(holder) ? { lockedBy: holder } : {}),
    };
  }
}
