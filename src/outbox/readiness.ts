import type { Inode } from '../base/ids.js';
import { isBraked } from './brake.js';
import type { Intent } from './intent.js';
import type { Outbox } from './outbox.js';
import { type Delays, readyAt } from './publish.js';

/** Milliseconds that `drain` waits for the rename of what looks like a transfer temporary: programs rename at once. */
const DRAIN_TEMPORARY = 5000;

/** When each intent may go up: by its own state, by who waits for it, and by whether mass deletion is held. */
export class Readiness {
  /** Mass deletion is held. */
  braked = false;
  readonly #outbox: Outbox;
  readonly #delays: Delays;
  /** Somebody waits for these, with how many do. */
  readonly #urgent = new Map<Inode, number>();
  /** When the last attempt at each began, on the clock that never jumps. */
  readonly #attempts = new Map<Inode, number>();
  #draining = 0;
  /** When the first of the drains under way began. */
  #drainBegan = 0;

  constructor(outbox: Outbox, delays: Delays) {
    this.#outbox = outbox;
    this.#delays = delays;
  }

  /** Milliseconds since the epoch, undefined while something must happen first; what stands before it in order is not looked at. */
  at(intent: Intent): number | undefined {
    const outbox = this.#outbox;
    if (this.braked && isBraked(intent)) return undefined;
    const writers = outbox.working(intent.inode)?.writers ?? 0;
    const kind = outbox.names.kind(intent.name, intent.folder);
    if (this.#urgent.has(intent.inode)) return readyAt(intent, kind, 0, { settle: 0, deletion: 0, temporary: 0 });
    if (this.#draining === 0) return readyAt(intent, kind, writers, this.#delays);
    const temporary = Math.min(this.#delays.temporary, DRAIN_TEMPORARY);
    const at = readyAt(intent, kind, writers, { settle: 0, deletion: 0, temporary });
    // What failed before is tried at once, and what fails now has its usual pause.
    const isOld = intent.state === 'failed' && !this.hasFailedSince(intent, this.#drainBegan);
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
    this.#attempts.set(inode, this.#outbox.clock.monotonic());
  }

  /** There is no intent any more. */
  forget(inode: Inode): void {
    this.#attempts.delete(inode);
  }

  /** Whether an attempt failed that began at this time or later: one that was under way before says nothing about now. */
  hasFailedSince(intent: Intent, time: number): boolean {
    return intent.state === 'failed' && (this.#attempts.get(intent.inode) ?? 0) >= time;
  }
}
