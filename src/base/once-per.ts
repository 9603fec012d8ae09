import { LRUCache } from 'lru-cache';
import type { Clock } from './clock.js';

/** Milliseconds after which the log may tell the same thing again. */
const LOG_AGAIN_MS = 600_000;
/** Keys that are remembered. */
const MOST_KEYS = 100;

/** Limits how often the same thing is done: once per interval and key. */
export class OncePer {
  readonly #clock: Clock;
  readonly #interval: number;
  readonly #doneAt = new LRUCache<string, number>({ max: MOST_KEYS });

  /** @param interval milliseconds; the default is for lines of the log */
  constructor(clock: Clock, interval = LOG_AGAIN_MS) {
    this.#clock = clock;
    this.#interval = interval;
  }

  /** Does the work unless it was done within the interval. */
  run(key: string, work: () => void): void {
    const now = this.#clock.monotonic();
    if (now - (this.#doneAt.get(key) ?? Number.NEGATIVE_INFINITY) < this.#interval) return;
    this.#doneAt.set(key, now);
    work();
  }
}
