import { setMaxListeners } from 'node:events';
import { SingleFlight } from '../base/abort.js';
import { type Clock, systemClock } from '../base/clock.js';
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
import { pageRows } from './sync/page-rows.js';
import { FAR_S, poll } from './sync/poll.js';
import { RecycleBin } from './sync/recycle-bin.js';
import { Subtree } from './sync/subtree.js';
import { Sweep } from './sync/sweep.js';
import { Upkeep } from './sync/upkeep.js';
import { Urls } from './sync/urls.js';
import { walkOn } from './sync/walk.js';

export interface MirrorOptions {
  /** Path of `mirror.db`. */
  readonly path: string;
  readonly source: IndexSource;
  readonly log: Log;
  /** Seconds between polls; undefined: as often as somebody looks. */
  readonly pollInterval: number | undefined;
  /** Milliseconds until the budget has a call for one more look; 0 unless told. */
  readonly upkeepWait?: (isWatched: boolean) => number;
  /** Resolves at once unless the server is known not to answer, else when it may again. */
  readonly reachable?: (signal: AbortSignal) => Promise<void>;
  readonly clock?: Clock;
}

export type MirrorState = 'crawling' | 'ready' | 'offline' | 'signed-out';

/** After a restart the mirror answers from disk; nothing is asked of the server for so long (milliseconds). */
const QUIET_START_MS = 5000;
const RETRY_FIRST = 1000;
const RETRY_LAST = 60_000;
/** Being signed out ends with a new sign-in, which is looked for on disk; a server out of reach costs no call. */
const LONGEST_TROUBLE = { 'signed-out': 15_000, offline: 4000 };

/** One project's tree as the server said it last, kept up by a crawl and polls. */
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
  #trouble: 'offline' | 'signed-out' | undefined;
  #lastPoll: number | undefined;

  constructor(options: MirrorOptions) {
    this.#source = options.source;
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
    this.store = new MirrorStore(options.path, options.log);
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
    return this.#trouble ?? (this.view.crawlDone ? 'ready' : 'crawling');
  }

  /** Seconds within which a change at the server shows. */
  get freshness(): number {
    return this.#upkeep.freshness;
  }

  /** Somebody opened the folder, or something in it: it is looked after more closely for a while. */
  opened(folder: Inode): void {
    this.#upkeep.opened(folder);
  }

  /** A job looks at the project now, and every so many seconds: polls keep up with it. */
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

  /** Makes the root known: no call after the first time, 1 call then, which also proves that the project can be read. */
  async open(signal?: AbortSignal): Promise<void> {
    // A process that was killed in between knows the root, and not from when on it is to be crawled.
    if (this.view.item(ROOT_INODE) && this.view.number('crawl.until') !== undefined) return;
    const call: CallOptions = { class: 'interactive', ...(signal ? { signal } : {}) };
    await this.store.setMeta({ 'crawl.until': await listFolder(this.store, this.#source, undefined, call) });
  }

  /** Begins crawl and polls in the background. */
  start(): void {
    this.#running ??= this.#run(this.#stop.signal);
  }

  /** Every child of the folder is in the mirror when this resolves; 1 call if it was not. */
  async list(folder: Item, callClass: CallClass, signal?: AbortSignal): Promise<void> {
    if (!this.view.isListed(folder.remoteId)) await this.refresh(folder, callClass, signal);
  }

  /** Lists the folder anew: 1 call. */
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
   * Everything that the server had at this time (milliseconds since the epoch, this machine's clock) is taken in when
   * this resolves: 1 call at most, and one for all who ask. While the crawl runs polls show nothing.
   */
  async lookSince(time: number, signal: AbortSignal): Promise<void> {
    const asked = this.#clock.monotonic();
    // A clock that was set back must not make this go on for ever.
    const isEnough = (last: number): boolean =>
      last >= asked || this.#clock.now() - (this.#clock.monotonic() - last) >= time;
    while (this.#lastPoll === undefined || !isEnough(this.#lastPoll)) await this.pollNow(signal);
  }

  /**
   * Lists the folder anew with everything below it: 1 call; with folders in it 1 for 2,000 items. One that is not there
   * any more is found to be gone.
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

  /** What the index shows at a time of the server's, in seconds, without taking it in: 1 call for 2,000 items. */
  async read(
    filter: IndexFilter,
    options: CallOptions,
  ): Promise<{ readonly rows: readonly ReadRow[]; readonly serverTime: number }> {
    const found: ReadRow[] = [];
    let serverTime = 0;
    const until = (this.view.number('poll.at') ?? this.#clock.now() / 1000) + FAR_S;
    for (let step: WalkStep | undefined = { from: filter.updatedFrom ?? 0, page: 1 }; step; ) {
      const { from, page }: WalkStep = step;
      const range = { ...filter, updatedFrom: from, updatedTo: Math.floor(until) };
      const reply = await this.#source.page({ page, perPage: pageRows(this.view), filter: range }, options);
      const read = await this.store.read(reply);
      found.push(...read.items);
      serverTime ||= reply.serverTime;
      step = await walkOn(this.store, step, read, reply);
    }
    return { rows: found, serverTime };
  }

  /** Compares everything with the server: 1 call for 2,000 items. */
  async sweepNow(callClass: CallClass, signal: AbortSignal): Promise<void> {
    await this.sweep.run({ class: callClass, signal });
    await this.pollNow(signal);
  }

  /** Polls now, or takes part in the poll that is under way. The next one comes an interval later. */
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

  /** Seconds since the last poll that succeeded began; undefined before the first. */
  get sincePoll(): number | undefined {
    return this.#lastPoll === undefined ? undefined : (this.#clock.monotonic() - this.#lastPoll) / 1000;
  }

  async close(): Promise<void> {
    this.#stop.abort(new Failure('interrupted'));
    await this.#running;
    await this.store.close();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const crawl = new Crawl(this.store, this.#source, this.#log);
    if (this.view.crawlDone) await this.#pause(QUIET_START_MS, signal);
    else await this.#untilDone('crawl', () => crawl.run(signal), signal);
    while (!signal.aborted) await this.#untilDone('look for changes', () => this.#upkeep.next(signal), signal);
  }

  /** Repeats what failed, with growing pauses, until it is done or the mirror closes. */
  async #untilDone(what: string, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let wait = RETRY_FIRST; !signal.aborted; wait = this.#nextWait(wait)) {
      try {
        await work();
        if (this.#trouble) this.#log.info({ what }, 'the server answers again');
        this.#trouble = undefined;
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

  #nextWait(wait: number): number {
    const longest = this.#trouble ? LONGEST_TROUBLE[this.#trouble] : RETRY_LAST;
    return Math.min(wait * 2, longest);
  }

  #noteTrouble(error: unknown): void {
    if (isFailure(error, 'unreachable')) this.#trouble = 'offline';
    else if (isFailure(error, 'signed-out') || isFailure(error, 'sign-in-refused')) this.#trouble = 'signed-out';
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(ms, signal).catch(() => undefined);
  }
}

const CHUNK_ITEMS = 256;

/** Whether a folder is in it, as far as is known here. */
function hasFolders(view: View, folder: RemoteId): boolean {
  for (let after = 0; ; ) {
    const children = view.children(folder, after, CHUNK_ITEMS);
    if (children.some(({ isFile }) => !isFile)) return true;
    if (children.length < CHUNK_ITEMS) return false;
    after = children.at(-1)!.inode;
  }
}
