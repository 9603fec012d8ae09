import type { RemoteId } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { SweepResult } from '../database/protocol.js';
import type { MirrorStore } from '../database/store.js';
import type { IndexSource, WalkStep } from './index-source.js';
import { listNearest } from './list-nearest.js';
import { FAR_S } from './poll.js';
import { knownStep, pageAt, stepMeta, walkOn } from './walk.js';

const START: WalkStep = { from: 0, page: 1 };
/** Values in `meta` while no sweep is in progress. */
const END = { 'sweep.from': '', 'sweep.page': 1 };

/**
 * Compares the mirror with the complete index, page by page, and so finds what polls cannot show: lost permissions,
 * purged items, changes that do not count as updates. An item that a page lacks is marked as gone only if the listing
 * of its folder lacks it too. Resumes after a restart.
 */
export class Sweep {
  constructor(
    private readonly store: MirrorStore,
    private readonly source: IndexSource,
  ) {}

  /** Server time at which the last completed sweep began, seconds; undefined if there was none. */
  get doneAt(): number | undefined {
    return this.store.view.number('sweep.done');
  }

  get isUnderWay(): boolean {
    return this.store.view.number('sweep.from') !== undefined;
  }

  /** Requests all pages, from the first one on. */
  async run(options: Pick<CallOptions, 'class' | 'signal'>): Promise<void> {
    let began: number | undefined;
    for (let step: WalkStep | undefined = START; step; ) {
      options.signal?.throwIfAborted();
      const page = await this.#page(step, options);
      began ??= page.serverTime;
      step = page.next;
    }
    await this.store.setMeta({ ...END, 'sweep.done': began! });
  }

  /** Requests the next page: 1 call, and 1 for each folder that has to be listed. True if it was the last page. */
  async step(options: Pick<CallOptions, 'class' | 'signal'>): Promise<boolean> {
    const { view } = this.store;
    const known = knownStep(view, 'sweep');
    const { next, serverTime } = await this.#page(known ?? START, options);
    const began = (known && view.number('sweep.began')) ?? serverTime;
    await this.store.setMeta(
      next ? { ...stepMeta('sweep', next), 'sweep.began': began } : { ...END, 'sweep.done': began },
    );
    return next === undefined;
  }

  async #page(
    step: WalkStep,
    options: Pick<CallOptions, 'class' | 'signal'>,
  ): Promise<{ readonly next: WalkStep | undefined; readonly serverTime: number }> {
    const { view } = this.store;
    const call: CallOptions = { ...options, upkeep: true };
    const filter = { updatedTo: (view.number('poll.at') ?? step.from) + FAR_S };
    const { reply, step: at } = await pageAt(this.store, this.source, step, filter, call);
    const result = await this.store.ingestSweep(reply, at);
    await this.#decide(result, reply.serverTime, call);
    return { next: await walkOn(this.store, at, result, reply), serverTime: reply.serverTime };
  }

  /** Lists the folders of items that a page lacked, until it is known for each item whether it exists. */
  async #decide(
    { doubtful, folders }: Pick<SweepResult, 'doubtful' | 'folders'>,
    serverTime: number,
    call: CallOptions,
  ): Promise<void> {
    if (doubtful.length === 0) return;
    const listed = new Set<RemoteId>();
    let wanted = folders;
    do {
      for (const folder of wanted) {
        if (listed.has(folder)) continue;
        for (const id of await listNearest(this.store, this.source, folder, call)) listed.add(id);
        listed.add(folder);
      }
      wanted = await this.store.settle({ doubtful, listed: [...listed], serverTime });
    } while (wanted.length > 0);
  }
}
