import { join } from 'node:path';
import type { BandwidthLimiter } from '../base/bandwidth.js';
import { type Clock, systemClock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import { type Inode, type RemoteId, ROOT_INODE } from '../base/ids.js';
import { inOrder } from '../base/in-order.js';
import { type FileLock, lockHolder, tryLock } from '../base/lock.js';
import type { Log } from '../base/log.js';
import type { CallClass } from '../budget/calls.js';
import { ContentCache } from '../cache/cache.js';
import type { CacheLimit } from '../cache/cache-limit.js';
import { FileVersions } from '../cache/file-versions.js';
import { ProjectSource } from '../cache/project-source.js';
import type { ContentVersion } from '../cache/source.js';
import { altered, type Change } from '../mirror/database/changes.js';
import { Mirror } from '../mirror/mirror.js';
import { Removals } from '../mirror/removal.js';
import { indexSource } from '../mirror/sync/index-source.js';
import { linuxNames } from '../names/linux.js';
import { follow } from '../outbox/follow.js';
import { NO_REMOTE } from '../outbox/intents/intent.js';
import { displaced, renumber } from '../outbox/intents/renumber.js';
import { tellLate } from '../outbox/late-effects.js';
import { Outbox } from '../outbox/outbox.js';
import { Scheduler } from '../outbox/scheduler/scheduler.js';
import type { SendingRules } from '../outbox/sending-rules.js';
import { PinKeeper } from '../outbox/tree/pin-keeper.js';
import { Pins } from '../outbox/tree/pins.js';
import type { LocalItem, Tree } from '../outbox/tree/tree.js';
import { Checkouts } from '../outbox/upload/checkouts.js';
import { conflictName } from '../outbox/upload/conflict-name.js';
import { Sender } from '../outbox/upload/sender.js';
import { OwnWork } from '../procore/own-versions.js';
import type { PreviewBudget } from '../vfs/preview-budget.js';
import { Readers } from '../vfs/readers.js';
import type { ProjectSession } from './session.js';
import type { StateFolder } from './state-folder.js';

export interface ProjectOptions extends SendingRules {
  readonly noDelete: boolean;
  readonly temporary: readonly string[];
  /** How long a file with the name of a temporary file waits for its rename, milliseconds; default: ten minutes. */
  readonly temporaryDelay?: number;
  /** Bytes of cached content, and bytes of disk to leave free. */
  readonly cacheLimit: number;
  /** The cache limit that several projects share, if they do. */
  readonly cacheShared?: CacheLimit;
  readonly cacheReserve: number;
  /** Budget for content that programs read without a person waiting, shared by all projects that use this object. */
  readonly previews: PreviewBudget;
  /** Bandwidth limit of downloads, shared by all projects that use this object; undefined: no limit. */
  readonly downloads?: BandwidthLimiter | undefined;
  /** Seconds; undefined: the interval depends on use. */
  readonly pollInterval: number | undefined;
  readonly clock?: Clock;
}

const TEMPORARY_DELAY = 10 * 60_000;
/** Intents that are sent at the same time: more would only wait for the call budget. */
const PARALLEL_INTENTS = 8;

export const projectKey = (session: {
  readonly connection: { readonly id: string };
  readonly project: { readonly id: number };
}): string => `${session.connection.id}-${session.project.id}`;

/** Another process owns the project or the company. */
export class Owned extends Error {
  readonly pid: number | undefined;

  constructor(pid: number | undefined) {
    super('it has an owner');
    this.pid = pid;
  }
}

/** Makes this process the only owner of a folder's data. @throws Owned */
export function takeLock(folder: string): FileLock {
  const file = join(folder, 'lock');
  const lock = tryLock(file);
  if (!lock) throw new Owned(lockHolder(file));
  return lock;
}

/**
 * The only owner of a project on this host: its mirror, content cache, outbox and background tasks. It holds the
 * project's lock, which the kernel releases with the process.
 */
export class Project {
  readonly mirror: Mirror;
  readonly content: ContentCache;
  readonly versions: FileVersions;
  readonly session: ProjectSession;
  readonly outbox: Outbox;
  readonly scheduler: Scheduler;
  readonly checkouts: Checkouts;
  readonly pins: Pins;
  readonly pinKeeper: PinKeeper;
  readonly readers: Readers;
  readonly removals: Removals;
  /** Milliseconds since the epoch. Distinguishes counters of this opening of the project from those of another one. */
  readonly openedAt: number;
  /** Bytes sent so far, by upload in progress. */
  readonly progress = new Map<Inode, number>();
  readonly ownWork: OwnWork;
  readonly #lock: FileLock;
  #endOfOutages: (() => void) | undefined;

  private constructor(
    session: ProjectSession,
    lock: FileLock,
    folder: string,
    mirror: Mirror,
    content: ContentCache,
    versions: FileVersions,
    options: ProjectOptions,
    log: Log,
  ) {
    const { clock = systemClock } = options;
    this.session = session;
    this.openedAt = clock.now();
    this.#lock = lock;
    this.mirror = mirror;
    this.content = content;
    this.versions = versions;
    this.readers = new Readers({ budget: options.previews, clock, log });
    this.outbox = new Outbox({
      folder,
      view: mirror.view,
      content,
      log,
      clock,
      reserve: options.cacheReserve,
      temporary: options.temporary,
      noDelete: options.noDelete,
      longestBelow: (folders, without) => mirror.store.longestBelow(folders, without),
      syncMirror: () => mirror.store.sync(),
    });
    if (mirror.view.ignoresCase) this.outbox.intents.ignoreCase();
    mirror.store.events.on('changed', (changes) => this.#follow(changes, log));
    this.outbox.intents.events.on('kept', (ids) => this.#showAgain(ids, log));
    const { client, writes, uploads } = session.session;
    const { account } = session.connection;
    const names = [account?.login, account?.name].filter((text) => text !== undefined);
    this.checkouts = new Checkouts({
      outbox: this.outbox,
      store: mirror.store,
      writes,
      project: session.project.id,
      account: names,
      log,
    });
    this.pins = new Pins(this.outbox);
    const { outbox, pins } = this;
    this.pinKeeper = new PinKeeper({ pins, outbox, content, store: mirror.store, log });
    const { storage } = session.session;
    this.ownWork = new OwnWork({ client, storage, project: session.project.id, account: names });
    const { ownWork } = this;
    const { late } = outbox;
    this.removals = new Removals({
      mirror,
      client,
      writes,
      project: session.project.id,
      clock,
      unanswered: {
        add: (item, time) => late.addRemoval(item, time),
        forget: (id) => {
          for (const one of late.removals(id)) late.forget(one);
          outbox.kept.forget(id);
        },
      },
      nameBeside: (name) => linuxNames.decode(conflictName(linuxNames.encode(name), new Date(clock.now()))),
    });
    const sender = new Sender({
      outbox: this.outbox,
      store: mirror.store,
      content,
      client,
      writes,
      uploads,
      ownWork,
      removals: this.removals,
      project: session.project.id,
      log,
      checkedIn: (inode) => this.checkouts.forget(inode),
      progress: (inode, bytes) => this.progress.set(inode, bytes),
    });
    this.scheduler = new Scheduler({
      outbox: this.outbox,
      sender,
      rules: options,
      temporary: options.temporaryDelay ?? TEMPORARY_DELAY,
      parallel: PARALLEL_INTENTS,
      log,
    });
  }

  /** @throws Owned if another process owns the project */
  static async open(session: ProjectSession, state: StateFolder, options: ProjectOptions, log: Log): Promise<Project> {
    const folder = state.project(projectKey(session));
    const lock = takeLock(folder);
    const { project } = session;
    const { client, storage } = session.session;
    const { clock = systemClock } = options;
    let mirror: Mirror | undefined;
    let content: ContentCache | undefined;
    let outbox: Outbox | undefined;
    try {
      const opened = new Mirror({
        path: join(folder, 'mirror.db'),
        pollInterval: options.pollInterval,
        upkeepWait: (isWatched) => session.session.budget.upkeepWait(isWatched),
        reachable: (signal) => client.api.reachable(signal),
        log,
        clock,
        source: indexSource(client, project.id),
      });
      mirror = opened;
      const versions = new FileVersions((item, signal) =>
        client.versions(project.id, item.remoteId, { class: 'interactive', signal }),
      );
      const source = new ProjectSource({ mirror: opened, storage, versions, log, clock });
      content = ContentCache.open({
        folder: join(folder, 'cache'),
        limit: options.cacheLimit,
        shared: options.cacheShared,
        reserve: options.cacheReserve,
        bandwidth: options.downloads,
        source,
        replaced: (version) => outbox && tellReplaced(version, outbox.tree),
        log,
        clock,
      });
      const made = new Project(session, lock, folder, opened, content, versions, options, log);
      outbox = made.outbox;
      await renumber(outbox, opened.store, log);
      return made;
    } catch (error) {
      await inOrder(
        () => outbox?.close(),
        () => content?.close(),
        () => mirror?.close(),
        () => lock.release(),
      ).catch((cause: unknown) => log.warn({ error: cause }, 'what was opened of a project did not end cleanly'));
      throw error;
    }
  }

  /** The item at a path of shown names from the project's root; lists folders that are not known yet. */
  async find(path: string, callClass: CallClass, signal?: AbortSignal): Promise<LocalItem> {
    const { tree } = this.outbox;
    let item = tree.item(ROOT_INODE);
    for (const name of path.split('/').filter((part) => part !== '')) {
      if (!item) break;
      if (item.isFile) throw new Failure('not-a-folder', { path: item.name });
      let child: LocalItem | undefined = tree.child(item, name);
      if (!child && item.remoteId !== NO_REMOTE) {
        await this.mirror.list(item, callClass, signal);
        child = tree.child(item, name);
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

  /** Makes name lookup ignore case, permanently. No effect if it already does. */
  async ignoreCase(): Promise<void> {
    await this.mirror.store.ignoreCase();
    this.outbox.intents.ignoreCase();
  }

  /** Starts the background tasks. */
  start(): void {
    this.mirror.start();
    this.scheduler.start();
    this.#endOfOutages = this.session.session.client.api.onReachable(() => this.scheduler.resume());
    this.checkouts.start();
    tellLate(this.outbox);
    this.pinKeeper.start();
  }

  /** Adapts the waiting intents to changes that others made at the server. */
  #follow(changes: readonly Change[], log: Log): void {
    try {
      const seen = follow(changes, this.outbox);
      if (seen.length > 0) this.outbox.tree.tell(seen);
      tellLate(this.outbox);
      const { intents, tree } = this.outbox;
      // An item that came back at the server, for example, whose inode number another item took here.
      const shown = changes.filter(({ inode, after }) => after && intents.get(inode));
      const ids = shown.flatMap(({ inode }) => tree.view.item(inode)?.remoteId ?? []);
      if (ids.length > 0) this.#showAgain(ids, log);
    } catch (error) {
      log.error({ error }, 'the outbox cannot be written; what others changed is merged when it goes up');
    }
  }

  #showAgain(ids: readonly RemoteId[], log: Log): void {
    const freed = displaced(ids, this.outbox);
    if (freed.length === 0) return;
    this.outbox.intents.identities.forget(freed);
    this.mirror.store.bind([], freed, 0).catch((error: unknown) => {
      log.error({ error }, 'what is kept shows only when what took its place has gone up');
    });
  }

  async close(): Promise<void> {
    this.#endOfOutages?.();
    await inOrder(
      () => this.pinKeeper.close(),
      () => this.scheduler.close(),
      () => this.checkouts.close(),
      () => this.outbox.close(),
      () => this.content.close(),
      () => this.mirror.close(),
      () => this.#lock.release(),
    );
  }
}

/** Tells the mount to drop the kernel's cached pages of a replaced version: old and new bytes must not be mixed. */
function tellReplaced({ remoteId, id }: ContentVersion, tree: Tree): void {
  const current = tree.view.byRemoteId(remoteId);
  const item = current?.versionId === id ? tree.item(current.inode) : undefined;
  if (item) tree.tell([{ ...altered(item), rewritten: true }]);
}
