import { SingleFlight } from '../../base/abort.js';
import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { RemoteId } from '../../base/ids.js';
import type { CallClass } from '../../budget/calls.js';
import type { MirrorStore } from '../database/store.js';
import type { Item, KnownUrl } from '../database/view.js';
import type { IndexSource } from './index-source.js';
import { listFolder } from './list-folder.js';
import { indexForm, pageRows } from './page-rows.js';

/** Pages beside the expected one that are searched for a file before its folder is listed instead. */
const NEIGHBOUR_PAGES = 2;
/** Seconds for which any URL is valid, unless all are revoked at once. */
const LEAST_LIFETIME_S = 60;
/** Milliseconds between two calls for one page: a storage that refuses every URL must not cost a call for each. */
const PAGE_PAUSE_MS = 2000;

/**
 * The URLs of content. An expired URL is renewed together with those of up to 2,000 files around it in index order: one
 * call for all readers that wait for them.
 */
export class Urls {
  /** When a page was last requested, monotonic ms. */
  readonly #askedAt = new Map<number, number>();
  readonly #flights = new SingleFlight<number, PageSpan>();
  readonly #listings = new SingleFlight<RemoteId, number>();
  /** The shortest known age in seconds at which a URL was refused. */
  #lifetime = Number.POSITIVE_INFINITY;
  /** URLs fetched up to this server time (seconds) are expired. */
  #refusedUntil = Number.NEGATIVE_INFINITY;
  /** Server time minus this machine's monotonic time, seconds. */
  #serverOffset: number | undefined;

  constructor(
    private readonly store: MirrorStore,
    private readonly source: IndexSource,
    private readonly clock: Clock,
  ) {}

  /** A URL of the item's current version that is worth trying, or undefined. */
  known(item: Item): KnownUrl | undefined {
    const row = this.store.view.url(item.inode);
    if (!row || row.versionId !== item.versionId) return undefined;
    if (row.fetchedAt <= this.#refusedUntil) return undefined;
    const now = this.#serverNow();
    return now !== undefined && now - row.fetchedAt >= this.#lifetime ? undefined : row;
  }

  /** To be called when the storage refused this URL. If it has expired, URLs of the same age are not tried. */
  refused(url: KnownUrl): void {
    const now = this.#serverNow();
    // A young URL did not expire, so its refusal says nothing about others: they may still be valid.
    if (now === undefined || url.fetchedAt <= 0 || now - url.fetchedAt < LEAST_LIFETIME_S) return;
    this.#refusedUntil = Math.max(this.#refusedUntil, url.fetchedAt);
    this.#lifetime = Math.min(this.#lifetime, now - url.fetchedAt);
  }

  /**
   * A URL other than `stale` for the item's current version.
   * @throws Failure `gone` if the server does not have the item any more
   */
  async renew(item: Item, stale: KnownUrl | undefined, callClass: CallClass, signal: AbortSignal): Promise<KnownUrl> {
    const current = this.known(item);
    if (current && current.url !== stale?.url) return current;
    /** The item's URL, if it came with the reply of this server time or a later one. */
    const cameAt = (serverTime: number): KnownUrl | undefined => {
      const row = this.store.view.url(item.inode);
      return row && row.versionId === item.versionId && row.fetchedAt >= serverTime ? row : undefined;
    };
    if (this.#isFolderCheaper(item.parentId)) {
      const found = cameAt(await this.#listed(item.parentId, callClass, signal));
      if (found && found.url !== stale?.url) return found;
    }
    let page = Math.floor((await this.store.rank(item.remoteId)) / pageRows(this.store.view)) + 1;
    for (let step = 0; step <= NEIGHBOUR_PAGES && page >= 1; step++) {
      const span = await this.#page(page, callClass, signal);
      const found = cameAt(span.serverTime);
      if (found && found.url !== stale?.url) return found;
      if (span.first === undefined || span.last === undefined || item.updatedAt < span.first) page--;
      else if (item.updatedAt > span.last) page++;
      else break;
    }
    const found = cameAt(await this.#listed(item.parentId, callClass, signal));
    if (found) return found;
    throw new Failure('gone', { what: item.name });
  }

  /** Whether a listing of the folder, which renews all of it, is about as good as a page of the v2.0 index. */
  #isFolderCheaper(folder: RemoteId): boolean {
    const { view } = this.store;
    const least = pageRows(view) / 2;
    return indexForm(view) === 2 && view.listing(folder, 0, least).length >= least;
  }

  /** One call for all concurrent requests for the folder. Returns its server time. */
  #listed(folder: RemoteId, callClass: CallClass, signal: AbortSignal): Promise<number> {
    const list = (signal: AbortSignal) => listFolder(this.store, this.source, folder, { class: callClass, signal });
    return this.#listings.run(folder, list, signal);
  }

  /** One call for all concurrent requests for the page. */
  #page(page: number, callClass: CallClass, signal: AbortSignal): Promise<PageSpan> {
    return this.#flights.run(page, (signal) => this.#fetch(page, callClass, signal), signal);
  }

  async #fetch(page: number, callClass: CallClass, signal: AbortSignal): Promise<PageSpan> {
    const wait = (this.#askedAt.get(page) ?? Number.NEGATIVE_INFINITY) + PAGE_PAUSE_MS - this.clock.monotonic();
    // Other requests for the page join meanwhile.
    if (wait > 0) await this.clock.sleep(wait, signal);
    this.#askedAt.set(page, this.clock.monotonic());
    const { view } = this.store;
    const filter = { type: 'file', inRecycleBin: false } as const;
    const query = { page, perPage: pageRows(view), filter };
    const reply = await this.source.page(query, { class: callClass, signal });
    this.#serverOffset = reply.serverTime - this.clock.monotonic() / 1000;
    return { ...(await this.store.ingestPage(reply, undefined, {})), serverTime: reply.serverTime };
  }

  #serverNow(): number | undefined {
    return this.#serverOffset === undefined ? undefined : this.clock.monotonic() / 1000 + this.#serverOffset;
  }

  /** To be called with the server time of any reply. */
  sawServerTime(seconds: number): void {
    this.#serverOffset = seconds - this.clock.monotonic() / 1000;
  }
}

interface PageSpan {
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly serverTime: number;
}
