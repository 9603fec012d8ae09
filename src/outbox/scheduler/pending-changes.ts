import type { Inode } from '../../base/ids.js';
import { hasFailed, type Intent } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';
import type { Attempts } from '../upload/attempts.js';
import type { Consequence } from '../upload/publish.js';
import { DELETE_GUARD_REASON, isGuarded } from './delete-guard.js';
import { orderOf } from './order.js';
import type { Readiness } from './readiness.js';
import type { Refusals } from './refusals.js';

/** Limit of a chain of changes that wait for each other. */
const LONGEST_ORDER = 1000;

interface PendingChangesOptions {
  readonly outbox: Outbox;
  readonly readiness: Readiness;
  readonly refusals: Refusals;
  readonly attempts: Attempts;
  readonly isUnderWay: (inode: Inode) => boolean;
}

/**
 * Whether waiting helps: a caller waits for changes that may succeed, but not for changes that need a user's action.
 */
export class PendingChanges {
  readonly #options: PendingChangesOptions;
  #pausedUntil = 0;
  #pause: Consequence = {};

  constructor(options: PendingChangesOptions) {
    this.#options = options;
  }

  /** No send begins before this time, milliseconds since the epoch. */
  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** No send begins for so many milliseconds. */
  pause(ms: number, why: Consequence = {}): void {
    this.#pausedUntil = this.#options.outbox.clock.now() + ms;
    this.#pause = why;
  }

  resume(): void {
    this.#pausedUntil = 0;
  }

  /**
   * Whether any of the remaining intents can still be sent for a caller that began to wait at `began` of the monotonic
   * clock.
   */
  areThere(left: readonly Intent[], began: number, isPatient: boolean): boolean {
    const isPaused = this.#pausedUntil > this.#options.outbox.clock.now();
    if (isPaused && (!isPatient || this.#pause.needsSomebody)) return false;
    return left.some((intent) => this.#canGo(intent, began));
  }

  /** Whether only the refusal in its folder keeps a change from being sent at `now`, milliseconds since the epoch. */
  canTry(intent: Intent, now: number): boolean {
    const { outbox, readiness, attempts, isUnderWay } = this.#options;
    const at = isUnderWay(intent.inode) ? undefined : readiness.own(intent);
    if (at === undefined || (at > now && intent.state !== 'failed')) return false;
    if (attempts.awaited(intent) !== undefined) return false;
    const { kind } = orderOf(intent, outbox);
    return kind === 'go' || kind === 'free-place';
  }

  /**
   * Why an item that a caller waits for is not sent: because of itself, or of a folder above it. A refusal in its
   * folder is no obstacle, since the change is tried.
   */
  obstacle(chain: readonly Inode[]): string | undefined {
    const { outbox, readiness, isUnderWay } = this.#options;
    if (this.#pausedUntil > outbox.clock.now())
      return 'the server cannot be reached, or the calls of this hour are used up';
    for (const inode of chain) {
      const intent = outbox.intents.get(inode);
      if (!intent || isUnderWay(inode)) continue;
      if (readiness.isGuardOn && isGuarded(intent)) return DELETE_GUARD_REASON;
      if (hasFailed(intent) || intent.state === 'local') return intent.reason;
      if (readiness.at(intent) === undefined) return intent.reason;
    }
    return undefined;
  }

  /** Whether a change may still be sent, and the changes that must precede it. */
  #canGo(intent: Intent, began: number, steps = 0): boolean {
    const { outbox, readiness, refusals, isUnderWay } = this.#options;
    if (isUnderWay(intent.inode)) return true;
    if (readiness.needsSomebody(intent, began) || refusals.isRefusedSince(intent, began)) return false;
    if (readiness.own(intent) === undefined || steps > LONGEST_ORDER) return false;
    const order = orderOf(intent, outbox);
    if (order.kind !== 'after' && order.kind !== 'covered') return true;
    const inode = order.kind === 'after' ? order.inode : intent.baseParent;
    const first = inode === undefined ? undefined : outbox.intents.get(inode);
    return first !== undefined && this.#canGo(first, began, steps + 1);
  }
}
