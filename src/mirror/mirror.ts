import { setMaxListeners } from 'node:events';
import { SingleFlight } from '../base/abort.js';
import { Pauses } from '../base/backoff.js';
import { type Clock, systemClock } from '../base/clock.js';
import { Condition } from '../base/condition.js';
import { Failure, isFailure } from '../base/errors.js';
import { type Inode, type RemoteId, ROOT_INODE } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { CallClass, CallOptions } from '../budget/calls.js';
import type { IndexFilter } from '../procore/items.js';
import type { ReadRow } from './database/protocol.js';
import { MirrorStore } from './database/store.js';
import type { Item, View } from './database/view.js';
import { Crawl } from './sync/crawl.js';
import type { IndexSource, WalkStep } from './sync/index-source.js';
import { listFolder } from './sync/list-folder.js';
import { listNearest } from './sync/list-nearest.js';
import { FAR_S, poll } from './sync/poll.js';
import { RecycleBin } from './sync/recycle-bin.js';
import { Subtree } from './sync/subtree.js';
import { Sweep } from './sync/sweep.js';
import { Upkeep } from './sync/upkeep.js';
import { Urls } from './sync/urls.js';
import { pageAt, walkOn } from './sync/walk.js';

export interface MirrorOptions {
  /** Path of `mirror.db`. */
  readonly path: string;
  readonly source: IndexSource;
  readonly log: Log;
  /** Seconds between polls; undefined: adapted to how the project is used. */
  readonly pollInterval: number | undefined;
  /** Milliseconds until the call budget allows one more upkeep call; default 0. */
  readonly upkeepWait?: (isWatched: boolean) => number;
  /** Resolves at once unless the server is known to be unreachable, else when it may answer again. */
  readonly reachable?: (signal: AbortSignal) => Promise<void>;
  readonly clock?: Clock;
}

export type MirrorState = 'crawling' | 'ready' | 'offline' | 'signed-out';

/** Milliseconds after a restart without requests to the server: the mirror answers from disk. */
const QUIET_START_MS = 5000;
const RETRY = { first: 1000, longest: 60_000 };
/**
 * Longest waits between retries, milliseconds. A retry while signed out only looks for a new sign-in on disk; a retry
 * while the server is unreachable costs no call.
 */
const LONGEST_TROUBLE = { 'signed-out': 15_000, offline: 4000 };

/** The last known tree of one project, kept current by a crawl and polls. */
export class Mirror {
  readonly store: MirrorStore;
  readonly urls: Urls;
  readonly bin: RecycleBin;
  readonly #source: IndexSource;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly sweep: Sweep;
  readonly #upkeep: Upkeep;
  readonly #listings = new SingleFlight<RemoteId, void>();
  readonly #polls = new SingleFlight<'poll', void>();
  readonly #stop = new AbortController();
  readonly #reachable: MirrorOptions['reachable'];
  #running: Promise<void> | undefined;
  #trouble: { readonly state: 'offline' | 'signed-out'; readonly failure: Failure } | undefined;
  readonly #stateChanged = new Condition();
  #lastPoll: number | undefined;

  constructor(options: MirrorOptions) {
    this.#source = options.source;
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
    this.store = new MirrorStore(options.path, options.log, this.#clock);
    this.urls = new Urls(this.store, options.source, this.#clock);
    this.bin = new RecycleBin(this.store, options.source, this.#clock, options.log);
    this.#reachable = options.reachable;
    this.sweep = new Sweep(this.store, options.source);
    this.#upkeep = new Upkeep({
      view: this.store.view,
      clock: this.#clock,
      fixed: options.pollInterval,
      wait: options.upkeepWait ?? (() => 0),
      looks: {
        poll: (signal) => this.#poll({ class: 'background', upkeep: true }, signal),
        list: async (folder, signal) => {
          await listNearest(this.store, options.source, folder.remoteId, { class: 'background', upkeep: true, signal });
        },
        sweep: this.sweep,
        subtree: (folder) => new Subtree(this.store, options.source, folder),
      },
    });
    setMaxListeners(0, this.#stop.signal);
  }

  get view(): View {
    return this.store.view;
  }

  get state(): MirrorState {
    return this.#trouble?.state ?? (this.view.crawlDone ? 'ready' : 'crawling');
  }

  /**
   * Resolves when the crawl is done; makes no call.
   * @throws Failure `signed-out`, `sign-in-refused` while it waits for a person; `interrupted` when this is closed
   */
  crawled(signal: AbortSignal): Promise<void> {
    const isDone = (): boolean => {
      this.#stop.signal.throwIfAborted();
      if (this.view.crawlDone) return true;
      if (this.#trouble?.state === 'signed-out') throw this.#trouble.failure;
      return false;
    };
    return this.#stateChanged.until(isDone, signal);
  }

  /** Seconds within which a change at the server becomes visible. */
  get freshness(): number {
    return this.#upkeep.freshness;
  }

  /** To be called when a program opens the folder or an item in it: the folder is refreshed more often for a while. */
  opened(folder: Inode): void {
    this.#upkeep.opened(folder);
  }

  /**
   * To be called when a job reads the project. The job does so every `seconds` seconds, and the poll interval adapts to
   * it.
   */
  looksEvery(job: string, seconds: number): void {
    this.#upkeep.looksEvery(job, seconds);
  }

  /** `items` does not count the root. */
  get progress(): { readonly done: boolean; readonly items: number; readonly total: number | undefined } {
    const done = this.view.crawlDone;
    return {
      done,
      items: Math.max(0, this.view.countItems() - 1),
      total: done ? undefined : this.view.number('crawl.total'),
    };
  }

  /** Loads the root: 1 call the first time, which also proves that the project can be read; no call later. */
  async open(signal?: AbortSignal): Promise<void> {
    // A process that was killed between the two writes knows the root but not `crawl.until`.
    if (this.view.item(ROOT_INODE) && this.view.number('crawl.until') !== undefined) return;
    const call: CallOptions = { class: 'interactive', ...(signal ? { signal } : {}) };
    await this.store.setMeta({ 'crawl.until': await listFolder(this.store, this.#source, undefined, call) });
  }

  /** Starts the crawl and the polls in the background. */
  start(): void {
    this.#running ??= this.#run(this.#stop.signal);
  }

  /** Ensures that every child of the folder is in the mirror: 1 call if the folder was not listed. */
  async list(folder: Item, callClass: CallClass, signal?: AbortSignal): Promise<void> {
    if (!this.view.isListed(folder.remoteId)) await this.refresh(folder, callClass, signal);
  }

  /** Lists the folder again: 1 call. */
  refresh(folder: Item, callClass: CallClass, signal?: AbortSignal): Promise<void> {
    const work = async (signal: AbortSignal): Promise<void> => {
      try {
        const id = folder.inode === ROOT_INODE ? undefined : folder.remoteId;
        await listFolder(this.store, this.#source, id, { class: callClass, signal });
      } catch (error) {
        this.#noteTrouble(error);
        throw error;
      }
    };
    return this.#listings.run(folder.remoteId, work, signal);
  }

  /**
   * Ensures that the mirror has everything that the server had at `time` (milliseconds since the epoch, this machine's
   * clock): at most 1 call, shared by all concurrent callers. Polls have no effect while the crawl runs.
   */
  async lookSince(time: number, signal: AbortSignal): Promise<void> {
    const asked = this.#clock.monotonic();
    // The first condition ends the loop even if the clock was set back.
    const isEnough = (last: number): boolean =>
      last >= asked || this.#clock.now() - (this.#clock.monotonic() - last) >= time;
    while (this.#lastPoll === undefined || !isEnough(this.#lastPoll)) await this.pollNow(signal);
  }

  /**
   * Lists the folder again with everything below it: 1 call, or 1 per 2,000 items if it has subfolders. A folder that
   * no longer exists is marked as gone.
   */
  async listBelow(id: RemoteId, options: CallOptions): Promise<void> {
    const { view, store } = this;
    const known = view.byRemoteId(id);
    if (!known) await listFolder(store, this.#source, id, options);
    const folder = known ?? view.byRemoteId(id);
    if (folder && (!view.crawlDone || hasFolders(view, id))) {
      const subtree = new Subtree(store, this.#source, folder);
      while (!(await subtree.step(options)));
    } else if (known) await listNearest(store, this.#source, id, options);
  }

  /** Reads the index without storing the rows: 1 call per 2,000 items. `serverTime` is in seconds. */
  async read(
    filter: IndexFilter,
    options: CallOptions,
  ): Promise<{ readonly rows: readonly ReadRow[]; readonly serverTime: number }> {
    const found: ReadRow[] = [];
    let serverTime = 0;
    const until = (this.view.number('poll.at') ?? this.#clock.now() / 1000) + FAR_S;
    for (let step: WalkStep | undefined = { from: filter.updatedFrom ?? 0, page: 1 }; step; ) {
      const range = { ...filter, updatedTo: Math.floor(until) };
      const { reply, step: at } = await pageAt(this.store, this.#source, step, range, options);
      const read = await this.store.read(reply);
      found.push(...read.items);
      serverTime ||= reply.serverTime;
      step = await walkOn(this.store, at, read, reply);
    }
    return { rows: found, serverTime };
  }

  /** Compares the complete mirror with the server: 1 call per 2,000 items. */
  async sweepNow(callClass: CallClass, signal: AbortSignal): Promise<void> {
    await this.sweep.run({ class: callClass, signal });
    await this.pollNow(signal);
  }

  /** Polls now, or joins the poll in progress. The next poll follows one interval later. */
  pollNow(signal: AbortSignal): Promise<void> {
    return this.#poll({ class: 'background' }, signal);
  }

  #poll(call: CallOptions, signal: AbortSignal): Promise<void> {
    const work = async (signal: AbortSignal): Promise<void> => {
      const began = this.#clock.monotonic();
      await poll(this.store, this.#source, { ...call, signal });
      this.#lastPoll = began;
      this.#upkeep.polled();
      this.#trouble = undefined;
    };
    return this.#polls.run('poll', work, signal);
  }

  /** Seconds since the start of the last successful poll; undefined before the first. */
  get sincePoll(): number | undefined {
    return this.#lastPoll === undefined ? undefined : (this.#clock.monotonic() - this.#lastPoll) / 1000;
  }

  async close(): Promise<void> {
    this.#stop.abort(new Failure('interrupted'));
    this.#stateChanged.changed();
    await this.#running;
    await this.store.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const crawl = new Crawl(this.store, this.#source, this.#log);
    if (this.view.crawlDone) await this.#pause(QUIET_START_MS, signal);
    else await this.#untilDone('crawl', () => crawl.run(signal), signal);
    while (!signal.aborted) await this.#untilDone('look for changes', () => this.#upkeep.next(signal), signal);
  }

  /** Repeats failed work, with growing pauses, until it succeeds or the mirror closes. */
  async #untilDone(what: string, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const pauses = new Pauses(RETRY);
    for (
      let wait = pauses.next();
      !signal.aborted;
      wait = pauses.next(this.#trouble && LONGEST_TROUBLE[this.#trouble.state])
    ) {
      try {
        await work();
        if (this.#trouble) this.#log.info({ what }, 'the server answers again');
        this.#trouble = undefined;
        this.#stateChanged.changed();
        return;
      } catch (error) {
        if (signal.aborted) return;
        const first = this.#trouble === undefined;
        this.#noteTrouble(error);
        this.#log[first ? 'warn' : 'debug'](
          { error, what, seconds: wait / 1000 },
          `the ${what} failed; it is tried again`,
        );
        await this.#pause(wait, signal);
        if (isFailure(error, 'unreachable')) await this.#reachable?.(signal);
      }
    }
  }

  #noteTrouble(error: unknown): void {
    if (isFailure(error, 'unreachable')) this.#trouble = { state: 'offline', failure: error };
    else if (isFailure(error, 'signed-out') || isFailure(error, 'sign-in-refused'))
      this.#trouble = { state: 'signed-out', failure: error };
    this.#stateChanged.changed();
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(ms, signal).catch(() => undefined);
  }
}

const CHUNK_ITEMS = 256;

/** Whether the folder has subfolders, as far as the mirror knows. */
function hasFolders(view: View, folder: RemoteId): boolean {
  for (let after = 0; ; ) {
    const children = view.children(folder, after, CHUNK_ITEMS);
    if (children.some(({ isFile }) => !isFile)) return true;
    if (children.length < CHUNK_ITEMS) return false;
    after = children.at(-1)!.inode;
  }
}
