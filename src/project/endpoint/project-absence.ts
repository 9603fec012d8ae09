import { type RemoteId, ROOT_INODE } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { Absence } from '../../jobs/endpoint.js';
import type { Item } from '../../mirror/database/view.js';
import { type Whereabouts, whereabouts } from '../../mirror/database/whereabouts.js';
import type { Mirror } from '../../mirror/mirror.js';
import { linuxNames } from '../../names/linux.js';

/**
 * Time after which the bin is asked again about items that it did not have, milliseconds: meanwhile sweeps and polls
 * report changes.
 */
const ASK_AGAIN_MS = 15 * 60_000;

/**
 * Distinguishes items that were deleted in a project from items that this account may just not see any more. One
 * instance per run.
 */
export class ProjectAbsence {
  readonly #mirror: Mirror;
  readonly #call: (signal: AbortSignal) => CallOptions;
  #hasAsked = false;

  constructor(mirror: Mirror, call: (signal: AbortSignal) => CallOptions) {
    this.#mirror = mirror;
    this.#call = call;
  }

  /**
   * Decides from what crawl, polls and sweeps have reported: no call. If no reply says that the item was deleted, the
   * recycle bin is asked once per run: 1 call, or none if the bin was asked a short time ago and the item was missing
   * then.
   * @param id the recorded remote id; undefined: the item is looked up by its name
   */
  async of(names: readonly string[], id: string | undefined, signal: AbortSignal): Promise<Absence> {
    const known = this.#known(names, id);
    if (known.is !== 'unseen' || this.#hasAsked || !this.#mayBeNews(known)) return known.is;
    this.#hasAsked = true;
    await this.#mirror.bin.ask(this.#call(signal));
    return this.#known(names, id).is;
  }

  #mayBeNews({ since }: Whereabouts): boolean {
    const { answered } = this.#mirror.bin;
    return !answered || answered.age > ASK_AGAIN_MS || (since !== undefined && since > answered.at);
  }

  #known(names: readonly string[], id: string | undefined): Whereabouts {
    const { view } = this.#mirror;
    const remoteId = id === undefined ? this.#formerly(names)?.remoteId : (Number(id) as RemoteId);
    return remoteId === undefined ? { is: 'unseen' } : whereabouts(view, remoteId);
  }

  /** The item that had this path until it, or a folder above it, was deleted: records of older releases have no ids. */
  #formerly(names: readonly string[]): Item | undefined {
    const { view, store } = this.#mirror;
    const name = names.at(-1);
    if (name === undefined) return view.item(ROOT_INODE);
    const parent = this.#formerly(names.slice(0, -1));
    if (!parent) return undefined;
    return view.child(parent, name) ?? store.recycled.namedIn(parent.remoteId, linuxNames.decode(name)).items.at(-1);
  }
}
