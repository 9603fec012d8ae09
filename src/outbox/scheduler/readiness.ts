import type { Inode } from '../../base/ids.js';
import type { Intent } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';
import { type Delays, FIRST_RETRY, readyAt } from '../upload/publish.js';
import { isGuarded } from './delete-guard.js';
import type { Refusals } from './refusals.js';

/** Milliseconds that `drain` waits for the rename of what looks like a transfer temporary: programs rename at once. */
const DRAIN_TEMPORARY_MS = 5000;
/** Milliseconds after which what failed in passing is tried again while somebody drains; it grows. */
const DRAIN_RETRY_MS = 1000;
/** Somebody waits for this very item. */
const AT_ONCE: Delays = { settle: 0, deletion: 0, temporary: 0, retry: FIRST_RETRY };

/** When each intent may go up: by its own state, by who waits for it, by whether mass deletion or its folder is held. */
export class Readiness {
  /** Mass deletion is held. */
  braked = false;
  readonly #outbox: Outbox;
  readonly #delays: Delays;
  readonly #refusals: Refusals;
  /** Somebody waits for these, with how many do. */
  readonly #urgent = new Map<Inode, number>();
  /** When the last attempt at each began, on the clock that never jumps, and whether only a person can make it succeed. */
  readonly #attempts = new Map<Inode, { readonly began: number; readonly needsSomebody: boolean }>();
  #draining = 0;
  /** When the first of the drains under way began. */
  #drainBegan = 0;

  constructor(outbox: Outbox, delays: Delays, refusals: Refusals) {
    this.#outbox = outbox;
    this.#delays = delays;
    this.#refusals = refusals;
  }

  /** Milliseconds since the epoch, undefined while something must happen first; what stands before it in order is not looked at. */
  at(intent: Intent): number | undefined {
    const isHeld = this.#refusals.of(intent) && !this.#urgent.has(intent.inode);
    return isHeld ? undefined : this.own(intent);
  }

  /** As `at`, whatever the server refused in its folder. */
  own(intent: Intent): number | undefined {
    const outbox = this.#outbox;
    if (this.braked && isGuarded(intent)) return undefined;
    const writers = outbox.working(intent.inode)?.writers ?? 0;
    const kind = outbox.names.kind(intent.name, intent.folder);
    if (this.#urgent.has(intent.inode)) return readyAt(intent, kind, 0, AT_ONCE);
    if (this.#draining === 0) return readyAt(intent, kind, writers, this.#delays);
    const temporary = Math.min(this.#delays.temporary, DRAIN_TEMPORARY_MS);
    const at = readyAt(intent, kind, writers, { ...AT_ONCE, temporary, retry: DRAIN_RETRY_MS });
    // What failed before is tried at once, and what fails now has its usual pause.
    const isOld = intent.state === 'failed' && !this.#hasFailedSince(intent, this.#drainBegan);
    return at !== undefined && isOld ? Math.min(at, this.#outbox.clock.now()) : at;
  }

  /**
   * Its content is acknowledged, and somebody has it open for writing: or nobody any more, since close(2) returns when the
   * kernel has had it flushed, and the release follows (fuse(4), FUSE_FLUSH, FUSE_RELEASE).
   */
  readonly isClosing = ({ inode, flushed, folder }: Intent): boolean =>
    flushed && !folder && (this.#outbox.working(inode)?.writers ?? 0) > 0;

  /** Somebody waits for these, or does not any more. */
  setUrgent(inodes: readonly Inode[], change: 1 | -1): void {
    for (const inode of inodes) {
      const left = (this.#urgent.get(inode) ?? 0) + change;
      if (left > 0) this.#urgent.set(inode, left);
      else this.#urgent.delete(inode);
      this.#outbox.intents.touch(inode);
    }
  }

  /** A drain begins, or has ended. */
  setDraining(change: 1 | -1): void {
    if (this.#draining === 0) this.#drainBegan = this.#outbox.clock.monotonic();
    this.#draining += change;
    this.#outbox.intents.touchAll();
  }

  /** An attempt at it begins. */
  began(inode: Inode): void {
    this.#attempts.set(inode, { began: this.#outbox.clock.monotonic(), needsSomebody: false });
  }

  /** The attempt at it failed. */
  failed(inode: Inode, needsSomebody: boolean): void {
    const { began } = this.#attempts.get(inode) ?? { began: 0 };
    this.#attempts.set(inode, { began, needsSomebody });
  }

  /** There is no intent any more. */
  forget(inode: Inode): void {
    this.#attempts.delete(inode);
  }

  /** Whether an attempt failed that began at this time or later, and only a person can make it succeed. */
  needsSomebody(intent: Intent, time: number): boolean {
    return this.#hasFailedSince(intent, time) && this.#attempts.get(intent.inode)!.needsSomebody;
  }

  /** One that was under way before says nothing about now. */
  #hasFailedSince({ inode, state }: Intent, time: number): boolean {
    return state === 'failed' && (this.#attempts.get(inode)?.began ?? 0) >= time;
  }
}
