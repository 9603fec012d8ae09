import type { Inode } from '../../base/ids.js';
import { type Intent, NO_REMOTE, NO_VERSION } from '../intents/intent.js';
import type { DeleteGuardRecord } from './delete-guard-record.js';

/** Deletions and overwrites are counted over so many milliseconds. */
const WINDOW = 10 * 60_000;

export const DELETE_GUARD_REASON = 'many deletions or overwrites at once: release or discard them';

/** Whether the intent takes content away from the server: a deletion, or a new version over an old one. */
export const takesAway = (intent: Intent): boolean =>
  intent.remoteId !== NO_REMOTE &&
  ((intent.deleted && !intent.folder) || (!intent.deleted && intent.dirty && intent.baseVersion !== NO_VERSION));

/** What the brake holds: also a folder, since its deletion takes everything in it along. */
export const isGuarded = (intent: Intent): boolean => !intent.released && (intent.deleted || takesAway(intent));

/**
 * Holds mass deletion: a wrong `rm -rf`, a wrong rsync or ransomware must not empty a project. Files count one by one,
 * also in a folder that is removed whole; what a person released does not count. A new start forgets nothing of it.
 */
export class DeleteGuard {
  readonly #limit: number;
  readonly #record: DeleteGuardRecord;
  readonly #taking = new Set<Inode>();
  /** Times at which something was sent, each with how much was, oldest first. */
  readonly #sent: { readonly at: number; readonly count: number }[];
  #sentCount: number;
  #isOn: boolean;

  /** @param limit files in ten minutes */
  constructor(limit: number, record: DeleteGuardRecord) {
    this.#limit = limit;
    this.#record = record;
    this.#isOn = record.isOn;
    this.#sent = record.sent();
    this.#sentCount = this.#sent.reduce((sum, { count }) => sum + count, 0);
  }

  /** These were sent. */
  passed(intents: readonly Intent[], now: number): void {
    const count = intents.filter((intent) => takesAway(intent) && !intent.released).length;
    if (count === 0) return;
    this.#sent.push({ at: now, count });
    this.#sentCount += count;
    this.#record.add(now, count, now - WINDOW);
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
    while (this.#sent.length > 0 && this.#sent[0]!.at < now - WINDOW) this.#sentCount -= this.#sent.shift()!.count;
    const isOn = this.#taking.size > 0 && (this.#isOn || this.#sentCount + this.#taking.size >= this.#limit);
    if (isOn !== this.#isOn) this.#record.setOn(isOn);
    this.#isOn = isOn;
    return isOn;
  }
}
