import type { Log } from '../../base/log.js';
import type { MirrorStore } from '../database/store.js';
import type { IndexSource, RawPage, WalkStep } from './index-source.js';
import { pageRows } from './page-rows.js';
import { walkOn } from './walk.js';

/**
 * Fills the mirror from the flat index: every row updated up to the start of the crawl, oldest first. A row that is
 * updated meanwhile moves to the end of the range or out of it, where the polls show it. The walk continues by time, so
 * that no row is missed. Resumes after a restart.
 */
export class Crawl {
  constructor(
    private readonly store: MirrorStore,
    private readonly source: IndexSource,
    private readonly log: Log,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    const { view } = this.store;
    const until = view.number('crawl.until');
    if (view.crawlDone || until === undefined) return;
    for (let pass = view.number('crawl.pass') ?? 1; ; pass++) {
      await this.#walk(until, signal);
      const isComplete = await this.#isComplete(until, signal);
      if (isComplete || pass >= 2) {
        if (!isComplete) this.log.warn({ until }, 'the index has rows that the crawl did not meet');
        await this.store.finishCrawl({ 'crawl.done': 1, 'poll.at': until });
        return;
      }
      await this.store.setMeta({ 'crawl.pass': pass + 1, 'crawl.from': 0, 'crawl.page': 1 });
    }
  }

  async #walk(until: number, signal: AbortSignal): Promise<void> {
    const { view } = this.store;
    const total = view.number('crawl.total');
    let step: WalkStep = { from: view.number('crawl.from') ?? 0, page: view.number('crawl.page') ?? 1 };
    /** Rows from the step's second on, as the previous page counted them. */
    let before: number | undefined;
    for (;;) {
      signal.throwIfAborted();
      const reply = await this.#page(step, pageRows(view), until, signal);
      const result = await this.store.ingestPage(
        reply,
        undefined,
        total === undefined && reply.total !== undefined && step.from === 0 ? { 'crawl.total': reply.total } : {},
      );
      const left = before !== undefined && reply.total !== undefined ? before - reply.total : 0;
      // Rows of one second fill several pages, and some have left the range: the rows behind them have moved to pages
      // that were already read.
      const next =
        left > 0 && step.page > 1
          ? { ...step, page: Math.max(1, step.page - Math.ceil(left / reply.perPage)) }
          : await walkOn(this.store, step, result, reply);
      if (!next) return;
      before = next.from === step.from ? reply.total : undefined;
      await this.store.setMeta({ 'crawl.from': next.from, 'crawl.page': next.page });
      step = next;
    }
  }

  /** Whether the mirror has as many rows as the server counted at first or, if not, as it counts now: 1 call more. */
  async #isComplete(until: number, signal: AbortSignal): Promise<boolean> {
    const first = this.store.view.number('crawl.total');
    if (first === undefined) return true;
    const known = await this.store.countUntil(until);
    if (known >= first) return true;
    const { total } = await this.#page({ from: 0, page: 1 }, 1, until, signal);
    return total === undefined || known >= total;
  }

  #page({ from, page }: WalkStep, perPage: number, until: number, signal: AbortSignal): Promise<RawPage> {
    const filter = { updatedFrom: from, updatedTo: until };
    return this.source.page({ page, perPage, filter }, { class: 'background', signal });
  }
}
