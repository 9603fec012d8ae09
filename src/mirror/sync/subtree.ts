import { isFailure } from '../../base/errors.js';
import type { CallOptions } from '../../budget/calls.js';
import type { MirrorStore } from '../database/store.js';
import type { Item } from '../database/view.js';
import type { IndexSource, WalkStep } from './index-source.js';
import { listNearest } from './list-nearest.js';
import { FAR_S } from './poll.js';
import { pageAt, walkOn } from './walk.js';

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
    const filter = { folderId: remoteId, updatedTo: (view.number('poll.at') ?? this.#step.from) + FAR_S };
    const call: CallOptions = { ...options, upkeep: true };
    try {
      const { reply, step } = await pageAt(this.#store, this.#source, this.#step, filter, call);
      const next = await walkOn(this.#store, step, await this.#store.ingestPage(reply, undefined, {}), reply);
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
