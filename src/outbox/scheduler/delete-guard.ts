import type { Inode } from '../../base/ids.js';
import { type Intent, NO_REMOTE, NO_VERSION } from '../intents/intent.js';
import type { DeleteGuardRecord } from './delete-guard-record.js';

/** Milliseconds over which deletions and overwrites are counted. */
const WINDOW = 10 * 60_000;

export const DELETE_GUARD_REASON = 'many deletions or overwrites at once: release or discard them';

/** Whether the intent takes content away from the server: a deletion, or a new version over an old one. */
export const takesAway = (intent: Intent): boolean =>
  intent.remoteId !== NO_REMOTE &&
  ((intent.deleted && !intent.folder) ||
    (!intent.deleted && intent.content.dirty && intent.base.version !== NO_VERSION));

/** Whether the delete guard may hold the intent; also a folder's, since its deletion includes everything in it. */
export const isGuarded = (intent: Intent): boolean => !intent.released && (intent.deleted || takesAway(intent));

/**
 * Holds mass deletion: a wrong `rm -rf`, a wrong rsync or ransomware must not empty a project. Each file counts, also
 * in a folder that is deleted as a whole. Changes that a user released do not count, nor do deletions that were released
 * when they were made (`isOwnAndNew`). The state survives a restart.
 */
export class DeleteGuard {
  readonly #limit: number;
  readonly #record: DeleteGuardRecord;
  readonly #taking = new Set<Inode>();
  /** Times at which deletions and overwrites were sent, with their number, oldest first. */
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

  /** These intents were sent. */
  passed(intents: readonly Intent[], now: number): void {
    const count = intents.filter((intent) => takesAway(intent) && !intent.released).length;
    if (count === 0) return;
    this.#sent.push({ at: now, count });
    this.#sentCount += count;
    this.#record.add(now, count, now - WINDOW);
  }

  /** Notes the present intent of an item. */
  lookAt(inode: Inode, intent: Intent | undefined): void {
    if (intent && takesAway(intent) && !intent.released) this.#taking.add(inode);
    else this.#taking.delete(inode);
  }

  /**
   * Whether pending deletions and overwrites must be held, counted together with those of the last ten minutes. Once
   * on, it stays on until none is held: a user who releases or discards some has said nothing about the rest.
   */
  isOn(now: number): boolean {
    while (this.#sent.length > 0 && this.#sent[0]!.at < now - WINDOW) this.#sentCount -= this.#sent.shift()!.count;
    const isOn = this.#taking.size > 0 && (this.#isOn || this.#sentCount + this.#taking.size >= this.#limit);
    if (isOn !== this.#isOn) this.#record.setOn(isOn);
    this.#isOn = isOn;
    return isOn;
  }
}
