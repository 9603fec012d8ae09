import { type Failure, type FailureCode, isFailure } from '../../base/errors.js';
import type { RemoteId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import type { CallOptions } from '../../budget/calls.js';
import type { IndexFilter } from '../../procore/items.js';
import type { MirrorStore } from '../database/store.js';
import type { IndexSource, WalkStep } from './index-source.js';
import { listFolder } from './list-folder.js';
import { indexForm, pageRows } from './page-rows.js';
import { knownStep, pageAt, stepMeta, walkOn } from './walk.js';

/** Key in `meta`: 1 while the crawl lists folders. */
const BY_FOLDER = 'crawl.folders';
/** Failures that are about one folder: the account may not see it, or the server cannot list it now. */
const REFUSALS: ReadonlySet<FailureCode> = new Set<FailureCode>(['gone', 'not-permitted', 'tool-not-permitted']);
const SKIPPED: ReadonlySet<FailureCode> = new Set<FailureCode>([...REFUSALS, 'server-error', 'bad-reply']);
/** Folders that are looked up together. */
const AT_ONCE = 64;
/** Rows of the index from which on it is worth a call to count the folders. */
const WORTH_COUNTING_ROWS = 1000;

/**
 * Fills the mirror from the flat index: every row updated up to the start of the crawl, oldest first. A row that is
 * updated meanwhile moves to the end of the range or out of it, where the polls show it. The walk continues by time, so
 * that no row is missed. Where the index has more pages than the project has folders, each folder is listed instead;
 * what changes in a listed folder is shown by the polls as well. Resumes after a restart.
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
      if (view.number(BY_FOLDER) === 1 || !(await this.#walk(until, signal))) {
        const refused = await this.#list(signal);
        return await this.store.finishCrawl({ 'crawl.done': 1, 'poll.at': until }, refused);
      }
      const isComplete = await this.#isComplete(until, signal);
      if (isComplete || pass >= 2) {
        if (!isComplete) this.log.warn({ until }, 'the index has rows that the crawl did not meet');
        await this.store.finishCrawl({ 'crawl.done': 1, 'poll.at': until });
        return;
      }
      await this.store.setMeta({ 'crawl.pass': pass + 1, 'crawl.from': 0, 'crawl.page': 1 });
    }
  }

  /** Whether listing each folder costs fewer calls than the rest of the index: 1 call, once, to count the folders. */
  async #isByFolder(rows: number | undefined, signal: AbortSignal): Promise<boolean> {
    const { view } = this.store;
    const known = view.number(BY_FOLDER);
    // Of pages of 2,000 rows there are hardly ever more than folders.
    if (known !== undefined || indexForm(view) === 1) return known === 1;
    let isByFolder = false;
    if (rows !== undefined && rows >= WORTH_COUNTING_ROWS) {
      const folders = await this.#count({ type: 'folder', inRecycleBin: false }, signal);
      isByFolder = folders !== undefined && folders < rows / pageRows(view);
    }
    await this.store.setMeta({ [BY_FOLDER]: isByFolder ? 1 : 0 });
    return isByFolder;
  }

  /** Lists every folder that was not listed: 1 call each. Returns those that may not be read. */
  async #list(signal: AbortSignal): Promise<readonly RemoteId[]> {
    const refused = new Set<RemoteId>();
    let failure: Failure | undefined;
    for (const folder of this.#neverListed(refused)) {
      signal.throwIfAborted();
      try {
        await listFolder(this.store, this.source, folder, { class: 'background', signal });
      } catch (error) {
        if (!isFailure(error) || !SKIPPED.has(error.code)) throw error;
        if (!REFUSALS.has(error.code)) failure = error;
        refused.add(folder);
      }
    }
    // The others are known by then: what failed is listed when the crawl is tried again.
    if (failure) throw failure;
    return [...refused];
  }

  /** Folders that were not listed yet, also those that the listings bring, until only refused ones are left. */
  *#neverListed(refused: ReadonlySet<RemoteId>): Generator<RemoteId> {
    // What a listing brings has greater inodes; another round finds what became visible behind.
    for (let after = 0, isFound = false; ; ) {
      const some = this.store.view.neverListed(after, AT_ONCE);
      if (some.length === 0 && !isFound) return;
      after = some.at(-1)?.inode ?? 0;
      if (after === 0) isFound = false;
      for (const { remoteId } of some)
        if (!refused.has(remoteId)) {
          isFound = true;
          yield remoteId;
        }
    }
  }

  /** Reads the index to its end. False: the folders are to be listed instead. */
  async #walk(until: number, signal: AbortSignal): Promise<boolean> {
    const { view } = this.store;
    const total = view.number('crawl.total');
    let step: WalkStep = knownStep(view, 'crawl') ?? { from: 0, page: 1 };
    /** Rows from the step's second on, as the previous page counted them. */
    let before: number | undefined;
    for (;;) {
      signal.throwIfAborted();
      const call: CallOptions = { class: 'background', signal };
      const { reply, step: at } = await pageAt(this.store, this.source, step, { updatedTo: until }, call);
      const result = await this.store.ingestPage(
        reply,
        undefined,
        total === undefined && reply.total !== undefined && at.from === 0 ? { 'crawl.total': reply.total } : {},
      );
      const left = before !== undefined && reply.total !== undefined ? before - reply.total : 0;
      // Rows of one second fill several pages, and some have left the range: the rows behind them have moved to pages
      // that were already read.
      const next =
        left > 0 && at.page > 1
          ? { ...at, page: Math.max(1, at.page - Math.ceil(left / reply.perPage)) }
          : await walkOn(this.store, at, result, reply);
      if (!next) return true;
      if (await this.#isByFolder(reply.total, signal)) return false;
      before = next.from === at.from ? reply.total : undefined;
      await this.store.setMeta(stepMeta('crawl', next));
      step = next;
    }
  }

  /** Whether the mirror has as many rows as the server counted at first or, if not, as it counts now: 1 call more. */
  async #isComplete(until: number, signal: AbortSignal): Promise<boolean> {
    const first = this.store.view.number('crawl.total');
    if (first === undefined) return true;
    const known = await this.store.countUntil(until);
    if (known >= first) return true;
    const total = await this.#count({ updatedFrom: 0, updatedTo: until }, signal);
    return total === undefined || known >= total;
  }

  /** Rows of the index that match, if the server counts them: 1 call. */
  async #count(filter: IndexFilter, signal: AbortSignal): Promise<number | undefined> {
    const query = { page: 1, perPage: 1, filter };
    return (await this.source.page(query, { class: 'background', signal })).total;
  }
}
