import { SingleFlight } from '../../base/abort.js';
import type { Clock } from '../../base/clock.js';
import { isFailure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { CallClass, CallOptions } from '../../budget/calls.js';
import type { PageResult } from '../database/protocol.js';
import type { MirrorStore } from '../database/store.js';
import type { Item, KnownUrl } from '../database/view.js';
import type { IndexSource, WalkStep } from './index-source.js';
import { learnPageRows, pageRows } from './page-rows.js';
import { knownStep, pageAt, stepMeta, walkOn } from './walk.js';

/** Milliseconds for which an answer about the bin is reused. Deletions through this mirror show at once anyway. */
const FRESH_MS = 60_000;
/** Seconds. The API requires an explicit end of a range. */
const FAR_BIN_S = 10 * 366 * 24 * 3600;
/** Additional pages that one look may request, because its caller waits. The next look continues. */
const MORE_PAGES = 5;
/** How far a bin of several pages is known is recorded as the step of a walk; of page 0: everything is known. */
const BIN = 'bin';

/** Calls about the project's recycle bin. Its known content is in `store.recycled`. */
export class RecycleBin {
  readonly #store: MirrorStore;
  readonly #source: IndexSource;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #flights = new SingleFlight<'look' | 'renew', void>();
  #lookedAt: number | undefined;
  #answeredAt = 0;

  constructor(store: MirrorStore, source: IndexSource, clock: Clock, log: Log) {
    this.#store = store;
    this.#source = source;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Requests the content of the bin, unless that was done a short time ago: 1 call, for the 2,000 items that changed
   * last. If the bin holds more, and the index has not shown them otherwise, 1 call more per 2,000 unknown items, at
   * most 5 per look. If a call fails, the known content remains in use.
   */
  async look(callClass: CallClass, signal?: AbortSignal, isUrgent = false): Promise<void> {
    const age = this.#lookedAt === undefined ? undefined : this.#clock.monotonic() - this.#lookedAt;
    if (age !== undefined && age < FRESH_MS && !isUrgent) return;
    await this.ask({ class: callClass, ...(signal ? { signal } : {}) });
  }

  /** Server time of the last answer in seconds, and its age in milliseconds of the clock. */
  get answered(): { readonly at: number; readonly age: number } | undefined {
    if (this.#lookedAt === undefined) return undefined;
    return { at: this.#answeredAt, age: this.#clock.monotonic() - this.#lookedAt };
  }

  /** As `look`, regardless of the age of the last answer. */
  async ask(call: CallOptions): Promise<void> {
    const { signal } = call;
    try {
      await this.#flights.run('look', (own) => this.#look({ ...call, signal: own }), signal);
    } catch (error) {
      if (signal?.aborted || !isFailure(error) || error.code === 'internal') throw error;
      this.#log.info({ why: error.line }, 'the recycle bin shows as it was last known');
    }
  }

  async #look(call: CallOptions): Promise<void> {
    const store = this.#store;
    const query = { page: 1, perPage: pageRows(store.view), newestFirst: true, filter: { inRecycleBin: true } };
    const reply = await this.#source.page(query, call);
    const { total, serverTime } = reply;
    const newest = await store.ingestPage(reply, undefined, {});
    const shown = await learnPageRows(store, 1, newest.rows, reply);
    if (total === undefined ? newest.rows >= shown : total > shown) await this.#older(newest, call);
    else if (total !== undefined && newest.rows >= total) await store.setMeta({ 'bin.at': serverTime });
    this.#lookedAt = this.#clock.monotonic();
    this.#answeredAt = serverTime;
  }

  /** Fetches the unknown part of the bin that is older than its newest page. */
  async #older(newest: PageResult, call: CallOptions): Promise<void> {
    const store = this.#store;
    const { first = 0, last = 0 } = newest;
    const { from, page, rows } = knownStep(store.view, BIN) ?? { from: undefined, page: 0 };
    // If the crawl and the polls also show deleted items, nothing is unknown.
    const isSeen = from === undefined ? newest.changed === 0 : from > last;
    const isKnown = page === 0 && (isSeen || (from === last && newest.changed < newest.rows));
    let step: WalkStep | undefined = isKnown ? undefined : { from: from ?? 0, page: page || 1, rows };
    for (let pages = 0; step && step.from <= last; pages++) {
      if (pages === MORE_PAGES) return;
      const filter = { inRecycleBin: true, updatedTo: first + FAR_BIN_S };
      const { reply, step: at }: Awaited<ReturnType<typeof pageAt>> = await pageAt(
        store,
        this.#source,
        step,
        filter,
        call,
      );
      step = await walkOn(store, at, await store.ingestPage(reply, undefined, {}), reply);
      if (step) await store.setMeta(stepMeta(BIN, step));
    }
    await store.setMeta(stepMeta(BIN, { from: first, page: 0 }));
  }

  /**
   * A URL other than `stale` for the current version of a file in the bin: 1 call brings those of up to 2,000 files,
   * beginning with this one. Undefined if the index does not show it.
   */
  async renew(
    item: Item,
    stale: KnownUrl | undefined,
    callClass: CallClass,
    signal: AbortSignal,
  ): Promise<KnownUrl | undefined> {
    let isOwn = false;
    const renewal = async (): Promise<KnownUrl | undefined> => {
      const work = (own: AbortSignal): Promise<void> => {
        isOwn = true;
        return this.#renew(item, callClass, own);
      };
      await this.#flights.run('renew', work, signal);
      return known();
    };
    const known = (): KnownUrl | undefined => {
      const row = this.#store.view.url(item.inode);
      return row && row.versionId === item.versionId && row.url !== stale?.url ? row : undefined;
    };
    // A joined renewal of another caller may have begun behind this file.
    return (await renewal()) ?? (isOwn ? undefined : await renewal());
  }

  async #renew(item: Item, callClass: CallClass, signal: AbortSignal): Promise<void> {
    const { updatedAt } = item;
    const filter = {
      type: 'file',
      inRecycleBin: true,
      updatedFrom: updatedAt,
      updatedTo: updatedAt + FAR_BIN_S,
    } as const;
    const { view } = this.#store;
    const query = { page: 1, perPage: pageRows(view), filter };
    await this.#store.ingestPage(await this.#source.page(query, { class: callClass, signal }), undefined, {});
  }
}
