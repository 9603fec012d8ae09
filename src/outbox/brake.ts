import type { Inode } from '../base/ids.js';
import { type Intent, NO_REMOTE, NO_VERSION } from './intent.js';

/** Deletions and overwrites are counted over so many milliseconds. */
const WINDOW = 10 * 60_000;

/** Whether the intent takes content away from the server: a deletion, or a new version over an old one. */
export const takesAway = (intent: Intent): boolean =>
  intent.remoteId !== NO_REMOTE &&
  ((intent.deleted && !intent.folder) || (!intent.deleted && intent.dirty && intent.baseVersion !== NO_VERSION));

/** What the brake holds: also a folder, since its deletion takes everything in it along. */
export const isBraked = (intent: Intent): boolean => !intent.released && (intent.deleted || takesAway(intent));

/**
 * Holds mass deletion: a wrong `rm -rf`, a wrong rsync or ransomware must not empty a project. Files count one by one,
 * also in a folder that is removed whole; what a person released does not count.
 */
export class Brake {
  readonly #limit: number;
  readonly #taking = new Set<Inode>();
  #sent: number[] = [];
  #isOn = false;

  /** @param limit files in ten minutes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** One was sent. */
  passed(intent: Intent, now: number): void {
    if (takesAway(intent) && !intent.released) this.#sent.push(now);
  }

  /** What an item's intent is now. */
  lookAt(inode: Inode, intent: Intent | undefined): void {
    if (intent && takesAway(intent) && !intent.released) this.#taking.add(inode);
    else this.#taking.delete(inode);
  }

  /**
   * Whether what waits must be held, together with what went in the last ten minutes. Once on it stays so until nothing
   * is held any more: whoever releases or discards some of it has said nothing about the rest.
   */
  isOn(now: number): boolean {
    while (this.#sent.length > 0 && this.#sent[0]! < now - WINDOW) this.#sent.shift();
    this.#isOn = this.#taking.size > 0 && (this.#isOn || this.#sent.length + this.#taking.size >= this.#limit);
    return this.#isOn;
  }
}
