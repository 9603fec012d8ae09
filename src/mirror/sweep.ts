import type { CallOptions } from '../budget/calls.js';
import type { IndexSource } from './index-source.js';
import { listNearest } from './list-nearest.js';
import { pageRows } from './page-rows.js';
import { FAR } from './poll.js';
import type { MirrorStore } from './store.js';
import { type Step, walkOn } from './walk.js';

/**
 * Compares the mirror with the whole index, page by page, and so finds what polls cannot show: what may not be seen any
 * more, what was purged, what changed without counting as an update. What a page lacks is taken away only when the
 * listing of its folder lacks it too. Goes on where it was after a restart.
 */
export class Sweep {
  readonly #store: MirrorStore;
  readonly #source: IndexSource;

  constructor(store: MirrorStore, source: IndexSource) {
    this.#store = store;
    this.#source = source;
  }

  /** Server time when the last sweep that came to its end began, seconds; undefined before. */
  get doneAt(): number | undefined {
    return this.#store.view.number('sweep.done');
  }

  get isUnderWay(): boolean {
    return this.#store.view.number('sweep.from') !== undefined;
  }

  /** Seconds of server time that the sweep has come to. */
  get cursor(): number {
    return Math.max(0, this.#store.view.number('sweep.from') ?? 0);
  }

  /** All pages that are left. */
  async run(options: Pick<CallOptions, 'class' | 'signal'>): Promise<void> {
    while (!(await this.step(options))) options.signal?.throwIfAborted();
  }

  /** One page: 1 call, and 1 for each folder that lacks something. True when it was the last. */
  async step(options: Pick<CallOptions, 'class' | 'signal'>): Promise<boolean> {
    const { view } = this.#store;
    const step: Step = { from: view.number('sweep.from') ?? 0, page: view.number('sweep.page') ?? 1 };
    const perPage = pageRows(view);
    const call: CallOptions = { ...options, upkeep: true };
    const filter = { updatedFrom: step.from, updatedTo: (view.number('poll.at') ?? step.from) + FAR };
    const reply = await this.#source.page({ page: step.page, perPage, filter }, call);
    const result = await this.#store.ingestSweep(reply, step, perPage);
    for (const folder of result.folders) await listNearest(this.#store, this.#source, folder, call);
    if (result.doubtful.length > 0) await this.#store.settle(result.doubtful, reply.serverTime);
    const next = await walkOn(this.#store, step, result, reply.total);
    const began = step.from === 0 && step.page === 1 ? reply.serverTime : view.number('sweep.began');
    await this.#store.setMeta(
      next
        ? { 'sweep.from': next.from, 'sweep.page': next.page, 'sweep.began': began ?? reply.serverTime }
        : { 'sweep.from': '', 'sweep.page': 1, 'sweep.done': began ?? reply.serverTime },
    );
    return next === undefined;
  }
}
