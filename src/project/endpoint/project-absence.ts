import { type RemoteId, ROOT_INODE } from '../../base/ids.js';
import type { CallOptions } from '../../budget/calls.js';
import type { Absence } from '../../jobs/endpoint.js';
import type { Item } from '../../mirror/database/view.js';
import { type Whereabouts, whereabouts } from '../../mirror/database/whereabouts.js';
import type { Mirror } from '../../mirror/mirror.js';
import { linuxNames } from '../../names/linux.js';

/** The bin is asked again about what it did not have after so long, milliseconds: sweeps and polls look meanwhile. */
const ASK_AGAIN_MS = 15 * 60_000;

/** Tells what was deleted in a project from what may only not be seen any more. One for a run. */
export class ProjectAbsence {
  readonly #mirror: Mirror;
  readonly #call: (signal: AbortSignal) => CallOptions;
  #hasAsked = false;

  constructor(mirror: Mirror, call: (signal: AbortSignal) => CallOptions) {
    this.#mirror = mirror;
    this.#call = call;
  }

  /**
   * By what crawl, polls and sweeps said of it: no call. Where no reply says that it was deleted, the recycle bin is
   * asked, once a run: 1 call, and none while the same is missing as a short time ago.
   * @param id the remote id that was recorded; undefined: it is looked for by its name
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

  /** What had this path until it, or a folder above it, was deleted: records of older releases have no ids. */
  #formerly(names: readonly string[]): Item | undefined {
    const { view, store } = this.#mirror;
    const name = names.at(-1);
    if (name === undefined) return view.item(ROOT_INODE);
    const parent = this.#formerly(names.slice(0, -1));
    if (!parent) return undefined;
    return view.child(parent, name) ?? store.recycled.namedIn(parent.remoteId, linuxNames.decode(name)).items.at(-1);
  }
}
