import { SingleFlight } from '../../base/abort.js';
import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { CallClass } from '../../budget/calls.js';
import type { MirrorStore } from '../database/store.js';
import type { Item, KnownUrl } from '../database/view.js';
import type { IndexSource } from './index-source.js';
import { listFolder } from './list-folder.js';
import { pageRows } from './page-rows.js';

/** How far from the expected page a file is looked for before its folder is listed instead. */
const NEIGHBOUR_PAGES = 2;
/** Seconds that any URL is good for, unless all were ended at once. */
const LEAST_LIFETIME_S = 60;
/** Milliseconds between two calls for one page: a storage that refuses URL after URL must not cost a call each. */
const PAGE_PAUSE_MS = 2000;

/**
 * Where the bytes are. URLs expire; an expired one is renewed together with the up to 2,000 files around it in the
 * order of the index, one call for all, whoever waits for them.
 */
export class Urls {
  readonly #store: MirrorStore;
  readonly #source: IndexSource;
  readonly #clock: Clock;
  /** When a page was last asked for, monotonic ms. */
  readonly #askedAt = new Map<number, number>();
  readonly #flights = new SingleFlight<number, PageSpan>();
  /** Seconds after which URLs were refused, as far as has been learned. */
  #lifetime = Number.POSITIVE_INFINITY;
  /** URLs fetched up to this server time (seconds) have been refused. */
  #refusedUntil = Number.NEGATIVE_INFINITY;
  /** Server time minus this machine's monotonic time, seconds. */
  #serverOffset: number | undefined;

  constructor(store: MirrorStore, source: IndexSource, clock: Clock) {
    this.#store = store;
    this.#source = source;
    this.#clock = clock;
  }

  /** A URL of the item's current version that is worth trying, or undefined. */
  known(item: Item): KnownUrl | undefined {
    const row = this.#store.view.url(item.inode);
    if (!row || row.versionId !== item.versionId) return undefined;
    if (row.fetchedAt <= this.#refusedUntil) return undefined;
    const now = this.#serverNow();
    return now !== undefined && now - row.fetchedAt >= this.#lifetime ? undefined : row;
  }

  /** The storage refused this URL: if it died of age, others as old are not tried at all. */
  refused(url: KnownUrl): void {
    const now = this.#serverNow();
    // A young one did not die of age, so it tells nothing of others: each that is tried may still be good.
    if (now === undefined || url.fetchedAt <= 0 || now - url.fetchedAt < LEAST_LIFETIME_S) return;
    this.#refusedUntil = Math.max(this.#refusedUntil, url.fetchedAt);
    this.#lifetime = Math.min(this.#lifetime, now - url.fetchedAt);
  }

  /**
   * A URL other than `stale` for the item's current version.
   * @throws Failure `gone` where the server does not have the item any more
   */
  async renew(item: Item, stale: KnownUrl | undefined, callClass: CallClass, signal: AbortSignal): Promise<KnownUrl> {
    const current = this.known(item);
    if (current && current.url !== stale?.url) return current;
    /** The item's URL, if it came with a reply of this server time. */
    const cameAt = (serverTime: number): KnownUrl | undefined => {
      const row = this.#store.view.url(item.inode);
      return row && row.versionId === item.versionId && row.fetchedAt >= serverTime ? row : undefined;
    };
    let page = Math.floor((await this.#store.rank(item.remoteId)) / pageRows(this.#store.view)) + 1;
    for (let step = 0; step <= NEIGHBOUR_PAGES && page >= 1; step++) {
      const span = await this.#page(page, callClass, signal);
      const found = cameAt(span.serverTime);
      if (found && found.url !== stale?.url) return found;
      if (span.first === undefined || span.last === undefined || item.updatedAt < span.first) page--;
      else if (item.updatedAt > span.last) page++;
      else break;
    }
    const found = cameAt(await listFolder(this.#store, this.#source, item.parentId, { class: callClass, signal }));
    if (found) return found;
    throw new Failure('gone', { what: item.name });
  }

  /** One call for all who need the page at the same time. */
  #page(page: number, callClass: CallClass, signal: AbortSignal): Promise<PageSpan> {
    return this.#flights.run(page, (signal) => this.#fetch(page, callClass, signal), signal);
  }

  async #fetch(page: number, callClass: CallClass, signal: AbortSignal): Promise<PageSpan> {
    const wait = (this.#askedAt.get(page) ?? Number.NEGATIVE_INFINITY) + PAGE_PAUSE_MS - this.#clock.monotonic();
    // Whoever needs the page meanwhile joins.
    if (wait > 0) await this.#clock.sleep(wait, signal);
    this.#askedAt.set(page, this.#clock.monotonic());
    const reply = await this.#source.page(
      { page, perPage: pageRows(this.#store.view), filter: { type: 'file', inRecycleBin: false } },
      { class: callClass, signal },
    );
    this.#serverOffset = reply.serverTime - this.#clock.monotonic() / 1000;
    return { ...(await this.#store.ingestPage(reply, undefined, {})), serverTime: reply.serverTime };
  }

  #serverNow(): number | undefined {
    return this.#serverOffset === undefined ? undefined : this.#clock.monotonic() / 1000 + this.#serverOffset;
  }

  /** Called with the server time of any reply. */
  sawServerTime(seconds: number): void {
    this.#serverOffset = seconds - this.#clock.monotonic() / 1000;
  }
}

interface PageSpan {
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly serverTime: number;
}
