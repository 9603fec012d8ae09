import { SingleFlight } from '../base/abort.js';
import { Failure } from '../base/errors.js';
import type { CallClass } from '../budget/calls.js';
import { PAGE_ROWS } from './crawl.js';
import type { IndexSource } from './index-source.js';
import type { MirrorStore } from './store.js';
import type { Item, KnownUrl } from './view.js';

/** How far from the expected page a file is looked for before its folder is listed instead. */
const NEIGHBOUR_PAGES = 2;

/**
 * Where the bytes are. URLs expire; an expired one is renewed together with the up to 2,000 files around it in the
 * order of the index, one call for all, whoever waits for them.
 */
export class Urls {
  readonly #store: MirrorStore;
  readonly #source: IndexSource;
  readonly #flights = new SingleFlight<number, PageSpan>();
  /** Seconds after which URLs were refused, as far as has been learned. */
  #lifetime = Number.POSITIVE_INFINITY;
  /** Server time minus this machine's monotonic time, seconds. */
  #serverOffset: number | undefined;

  constructor(store: MirrorStore, source: IndexSource) {
    this.#store = store;
    this.#source = source;
  }

  /** A URL of the item's current version that is worth trying, or undefined. */
  known(item: Item): KnownUrl | undefined {
    const row = this.#store.view.url(item.inode);
    if (!row || row.versionId !== item.versionId) return undefined;
    const now = this.#serverNow();
    return now !== undefined && now - row.fetchedAt >= this.#lifetime ? undefined : row;
  }

  /** The storage refused this URL: later ones of its age are not tried at all. */
  refused(url: KnownUrl): void {
    const now = this.#serverNow();
    if (now !== undefined && url.fetchedAt > 0)
      this.#lifetime = Math.min(this.#lifetime, Math.max(1, now - url.fetchedAt));
  }

  /**
   * A URL other than `stale` for the item's current version.
   * @throws Failure `gone` where the server does not have the item any more
   */
  async renew(item: Item, stale: KnownUrl | undefined, callClass: CallClass, signal: AbortSignal): Promise<KnownUrl> {
    const fresh = (): KnownUrl | undefined => {
      const row = this.#store.view.url(item.inode);
      return row && row.versionId === item.versionId && row.url !== stale?.url && this.known(item) ? row : undefined;
    };
    const current = this.#store.view.url(item.inode);
    if (current && current.url !== stale?.url && fresh()) return current;
    let page = Math.floor((await this.#store.rank(item.remoteId)) / PAGE_ROWS) + 1;
    for (let step = 0; step <= NEIGHBOUR_PAGES && page >= 1; step++) {
      const span = await this.#page(page, callClass, signal);
      const found = fresh();
      if (found) return found;
      if (span.first === undefined || span.last === undefined || item.updatedAt < span.first) page--;
      else if (item.updatedAt > span.last) page++;
      else break;
    }
    await this.#store.ingestListing(await this.#source.folder(item.parentId, { class: callClass, signal }));
    const found = fresh();
    if (found) return found;
    throw new Failure('gone', { what: item.name });
  }

  /** One call for all who need the page at the same time. */
  #page(page: number, callClass: CallClass, signal: AbortSignal): Promise<PageSpan> {
    return this.#flights.run(page, (signal) => this.#fetch(page, callClass, signal), signal);
  }

  async #fetch(page: number, callClass: CallClass, signal: AbortSignal): Promise<PageSpan> {
    const reply = await this.#source.page(
      { page, perPage: PAGE_ROWS, filter: { type: 'file', inRecycleBin: false } },
      { class: callClass, signal },
    );
    this.#serverOffset = reply.serverTime - performance.now() / 1000;
    return this.#store.ingestPage(reply, undefined, {});
  }

  #serverNow(): number | undefined {
    return this.#serverOffset === undefined ? undefined : performance.now() / 1000 + this.#serverOffset;
  }

  /** Called with the server time of any reply. */
  sawServerTime(seconds: number): void {
    this.#serverOffset = seconds - performance.now() / 1000;
  }
}

interface PageSpan {
  readonly first: number | undefined;
  readonly last: number | undefined;
}
