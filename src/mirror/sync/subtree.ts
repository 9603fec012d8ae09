import { isFailure } from '../../base/errors.js';
import type { CallOptions } from '../../budget/calls.js';
import type { MirrorStore } from '../database/store.js';
import type { Item } from '../database/view.js';
import type { IndexSource, WalkStep } from './index-source.js';
import { listNearest } from './list-nearest.js';
import { pageRows } from './page-rows.js';
import { FAR_S } from './poll.js';
import { walkOn } from './walk.js';

/**
 * Loads the content of a folder that became visible after its content was made (restored, permitted) from the index: 1
 * call per 2,000 items, regardless of the number of folders.
 */
export class Subtree {
  readonly folder: Item;
  readonly #store: MirrorStore;
  readonly #source: IndexSource;
  #step: WalkStep = { from: 0, page: 1 };

  constructor(store: MirrorStore, source: IndexSource, folder: Item) {
    this.#store = store;
    this.#source = source;
    this.folder = folder;
  }

  /** Requests one page. True if it was the last. */
  async step(options: CallOptions): Promise<boolean> {
    const { view } = this.#store;
    const { remoteId } = this.folder;
    const { from, page } = this.#step;
    const filter = { folderId: remoteId, updatedFrom: from, updatedTo: (view.number('poll.at') ?? from) + FAR_S };
    const call: CallOptions = { ...options, upkeep: true };
    try {
      const reply = await this.#source.page({ page, perPage: pageRows(view), filter }, call);
      const next = await walkOn(this.#store, this.#step, await this.#store.ingestPage(reply, undefined, {}), reply);
      if (next) {
        this.#step = next;
        return false;
      }
      await this.#store.subtreeListed(remoteId);
    } catch (error) {
      if (!isFailure(error, 'gone') && !isFailure(error, 'not-permitted')) throw error;
      await listNearest(this.#store, this.#source, remoteId, call);
    }
    return true;
  }
}
