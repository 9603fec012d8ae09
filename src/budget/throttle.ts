import pThrottle from 'p-throttle';
import type { Clock } from '../base/clock.js';

type Run = <T>(work: () => T) => Promise<T>;

/** A clock change of more than this, ms, invalidates the throttle's own bookkeeping. */
const JUMP = 1000;

/**
 * The last check before a request is sent: no span of `interval` ms has more calls than the limit, whatever the ledger
 * says. `p-throttle` in strict mode, created anew when the limit changes or this machine's clock is set.
 */
export class Throttle {
  readonly #interval: number;
  readonly #clock: Clock;
  #limit = 0;
  #run: Run = () => Promise.reject(new Error('no limit yet'));
  #wallLead = 0;

  constructor(interval: number, clock: Clock) {
    this.#interval = interval;
    this.#clock = clock;
  }

  /** Runs `work` when its turn comes. `recent()`: number of calls already made in the last interval. */
  run<T>(limit: number, recent: () => number, work: () => T): Promise<T> {
    const lead = this.#clock.now() - this.#clock.monotonic();
    if (limit !== this.#limit || Math.abs(lead - this.#wallLead) > JUMP) {
      this.#wallLead = lead;
      this.#limit = limit;
      const throttled = pThrottle({ limit, interval: this.#interval, strict: true })((inner: () => unknown) => inner());
      // A new throttle starts empty: placeholders stand for the calls of the last interval.
      for (let n = Math.min(limit, recent()); n > 0; n--) void throttled(() => undefined);
      this.#run = throttled as Run;
    }
    return this.#run(work);
  }
}
