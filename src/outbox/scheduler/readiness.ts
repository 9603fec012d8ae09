import type { Inode } from '../../base/ids.js';
import type { Intent } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';
import { type Delays, FIRST_RETRY, readyAt } from '../upload/publish.js';
import { isGuarded } from './delete-guard.js';
import type { Refusals } from './refusals.js';

/**
 * Milliseconds that `drain` waits for the rename of a name that looks like a transfer temporary: programs rename at
 * once.
 */
const DRAIN_TEMPORARY_MS = 5000;
/** Milliseconds until a temporary failure is retried during a drain; the pause grows. */
const DRAIN_RETRY_MS = 1000;
/** Delays of an item that a caller waits for. */
const AT_ONCE: Delays = { settle: 0, deletion: 0, temporary: 0, retry: FIRST_RETRY };

/**
 * When each intent may be sent: by its own state, by who waits for it, and by whether the delete guard or a refusal in
 * its folder holds it.
 */
export class Readiness {
  /** The delete guard holds deletions and overwrites. */
  isGuardOn = false;
  readonly #outbox: Outbox;
  readonly #delays: Delays;
  readonly #refusals: Refusals;
  /** Items that callers wait for, with the number of callers. */
  readonly #urgent = new Map<Inode, number>();
  /** When the last attempt at each item began, on the monotonic clock, and whether only a user can make it succeed. */
  readonly #attempts = new Map<Inode, { readonly began: number; readonly needsSomebody: boolean }>();
  #draining = 0;
  /** When the first of the drains in progress began. */
  #drainBegan = 0;

  constructor(outbox: Outbox, delays: Delays, refusals: Refusals) {
    this.#outbox = outbox;
    this.#delays = delays;
    this.#refusals = refusals;
  }

  /**
   * Milliseconds since the epoch; undefined while something must happen first. Intents that must precede it are not
   * considered.
   */
  at(intent: Intent): number | undefined {
    const isHeld = this.#refusals.of(intent) && !this.#urgent.has(intent.inode);
    return isHeld ? undefined : this.own(intent);
  }

  /** As `at`, without regard to refusals in its folder. */
  own(intent: Intent): number | undefined {
    const outbox = this.#outbox;
    if (this.isGuardOn && isGuarded(intent)) return undefined;
    const writers = outbox.working(intent.inode)?.writers ?? 0;
    const kind = outbox.names.kind(intent.name, intent.folder);
    if (this.#urgent.has(intent.inode)) return readyAt(intent, kind, 0, AT_ONCE);
    if (this.#draining === 0) return readyAt(intent, kind, writers, this.#delays);
    const temporary = Math.min(this.#delays.temporary, DRAIN_TEMPORARY_MS);
    const at = readyAt(intent, kind, writers, { ...AT_ONCE, temporary, retry: DRAIN_RETRY_MS });
    // An intent that failed before the drain is tried at once; one that fails during it has its usual pause.
    const isOld = intent.state === 'failed' && !this.#hasFailedSince(intent, this.#drainBegan);
    return at !== undefined && isOld ? Math.min(at, this.#outbox.clock.now()) : at;
  }

  /**
   * The content is acknowledged and a handle is open for writing. The program may have closed the file already:
   * close(2) returns after the kernel's flush, and the release follows (fuse(4), FUSE_FLUSH, FUSE_RELEASE).
   */
  readonly isClosing = ({ inode, flushed, folder }: Intent): boolean =>
    flushed && !folder && (this.#outbox.working(inode)?.writers ?? 0) > 0;

  /** A caller begins to wait for these items, or stops. */
  setUrgent(inodes: readonly Inode[], change: 1 | -1): void {
    for (const inode of inodes) {
      const left = (this.#urgent.get(inode) ?? 0) + change;
      if (left > 0) this.#urgent.set(inode, left);
      else this.#urgent.delete(inode);
      this.#outbox.intents.touch(inode);
    }
  }

  /** A drain begins or has ended. */
  setDraining(change: 1 | -1): void {
    if (this.#draining === 0) this.#drainBegan = this.#outbox.clock.monotonic();
    this.#draining += change;
    this.#outbox.intents.touchAll();
  }

  /** An attempt at the item begins. */
  began(inode: Inode): void {
    this.#attempts.set(inode, { began: this.#outbox.clock.monotonic(), needsSomebody: false });
  }

  /** The attempt at the item failed. */
  failed(inode: Inode, needsSomebody: boolean): void {
    const { began } = this.#attempts.get(inode) ?? { began: 0 };
    this.#attempts.set(inode, { began, needsSomebody });
  }

  /** The item has no intent any more. */
  forget(inode: Inode): void {
    this.#attempts.delete(inode);
  }

  /** Whether an attempt that began at this time or later failed, and only a user can make it succeed. */
  needsSomebody(intent: Intent, time: number): boolean {
    return this.#hasFailedSince(intent, time) && this.#attempts.get(intent.inode)!.needsSomebody;
  }

  /** An attempt that began earlier says nothing about the present state. */
  #hasFailedSince({ inode, state }: Intent, time: number): boolean {
    return state === 'failed' && (this.#attempts.get(inode)?.began ?? 0) >= time;
  }
}
