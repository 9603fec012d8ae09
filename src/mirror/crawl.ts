import type { Log } from '../base/log.js';
import type { IndexSource } from './index-source.js';
import { learnPageRows, pageRows } from './page-rows.js';
import type { MirrorStore } from './store.js';

/**
 * Fills the mirror from the flat index: every row that was updated up to the moment when the crawl began, oldest
 * first. Within that fixed range a row can only leave (by being updated: the polls show it), which `Total` tells; then
 * the walk steps back so that nothing slips through. Goes on where it was after a restart.
 */
export class Crawl {
  readonly #store: MirrorStore;
  readonly #source: IndexSource;
  readonly #log: Log;

  constructor(store: MirrorStore, source: IndexSource, log: Log) {
    this.#store = store;
    this.#source = source;
    this.#log = log;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { view } = this.#store;
    const until = view.number('crawl.until');
    if (view.crawlDone || until === undefined) return;
    for (let pass = view.number('crawl.pass') ?? 1; ; pass++) {
      const total = await this.#walk(until, pass, signal);
      const known = await this.#store.countUntil(until);
      const complete = total === undefined || known >= total;
      if (complete || pass >= 2) {
        if (!complete) this.#log.warn({ known, total }, 'the index has rows that the crawl did not meet');
        await this.#store.finishCrawl({ 'crawl.done': 1, 'poll.at': until });
        return;
      }
      await this.#store.setMeta({ 'crawl.pass': pass + 1, 'crawl.page': 1 });
    }
  }

  /** Returns the number of rows that the server counts in the range. */
  async #walk(until: number, pass: number, signal: AbortSignal): Promise<number | undefined> {
    const { view } = this.#store;
    let page = view.number('crawl.page') ?? 1;
    let total = view.number('crawl.total');
    let perPage = pageRows(view);
    for (;;) {
      signal.throwIfAborted();
      const reply = await this.#source.page(
        { page, perPage, filter: { updatedFrom: 0, updatedTo: until } },
        { class: 'background', signal },
      );
      const left = total !== undefined && reply.total !== undefined ? total - reply.total : 0;
      const next = left > 0 ? Math.max(1, page - Math.ceil(left / perPage)) : page + 1;
      total = reply.total ?? total;
      const result = await this.#store.ingestPage(reply, undefined, {
        'crawl.page': next,
        'crawl.pass': pass,
        ...(total === undefined ? {} : { 'crawl.total': total }),
      });
      perPage = await learnPageRows(this.#store, perPage, page, result.rows, reply);
      const isLast = total === undefined ? result.rows < perPage : page * perPage >= total;
      if (left <= 0 && (isLast || result.rows === 0)) return total;
      page = next;
    }
  }
}
