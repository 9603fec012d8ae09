import { SingleFlight } from '../base/abort.js';
import type { Clock } from '../base/clock.js';
import { isFailure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { CallClass } from '../budget/calls.js';
import type { IndexSource } from './index-source.js';
import { pageRows } from './page-rows.js';
import type { MirrorStore } from './store.js';
import type { Item, KnownUrl } from './view.js';

/** Milliseconds for which a look into the bin is good: what is deleted through this mirror shows at once anyway. */
const FRESH = 60_000;
/** Seconds: the end of a range must be named. */
const FAR = 10 * 366 * 24 * 3600;

/** The calls about the project's recycle bin; what is known of it is in `store.recycled`. */
export class RecycleBin {
  readonly #store: MirrorStore;
  readonly #source: IndexSource;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #flights = new SingleFlight<'look' | 'renew', void>();
  #lookedAt: number | undefined;

  constructor(store: MirrorStore, source: IndexSource, clock: Clock, log: Log) {
    this.#store = store;
    this.#source = source;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Asks what is in the bin, unless that was done a short time ago: 1 call, for the 2,000 items that changed last.
   * Without an answer what is known counts.
   */
  async look(callClass: CallClass, signal?: AbortSignal, isUrgent = false): Promise<void> {
    const age = this.#lookedAt === undefined ? undefined : this.#clock.monotonic() - this.#lookedAt;
    if (age !== undefined && age < FRESH && !isUrgent) return;
    try {
      await this.#flights.run('look', (signal) => this.#look(callClass, signal), signal);
    } catch (error) {
      if (signal?.aborted || !isFailure(error) || error.code === 'internal') throw error;
      this.#log.info({ why: error.line }, 'the recycle bin shows as it was last known');
    }
  }

  async #look(callClass: CallClass, signal: AbortSignal): Promise<void> {
    const perPage = pageRows(this.#store.view);
    const reply = await this.#source.page(
      { page: 1, perPage, newestFirst: true, filter: { inRecycleBin: true } },
      { class: callClass, signal },
    );
    const { total, serverTime } = reply;
    const isWhole = total !== undefined && total <= perPage;
    const { rows } = await this.#store.ingestPage(reply, undefined, {});
    if (isWhole && rows >= total) await this.#store.setMeta({ 'bin.at': serverTime });
    this.#lookedAt = this.#clock.monotonic();
  }

  /**
   * A URL other than `stale` for the current version of a file in the bin: 1 call brings those of up to 2,000 files
   * from this one on. Undefined where the index does not show it.
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
    // Another's renewal that was waited for may have begun further on.
    return (await renewal()) ?? (isOwn ? undefined : await renewal());
  }

  async #renew(item: Item, callClass: CallClass, signal: AbortSignal): Promise<void> {
    const { updatedAt } = item;
    const filter = { type: 'file', inRecycleBin: true, updatedFrom: updatedAt, updatedTo: updatedAt + FAR } as const;
    const query = { page: 1, perPage: pageRows(this.#store.view), filter };
    await this.#store.ingestPage(await this.#source.page(query, { class: callClass, signal }), undefined, {});
  }
}
