import pThrottle from 'p-throttle';
import type { Clock } from '../base/clock.js';

type Run = <T>(work: () => T) => Promise<T>;

/** A clock that was set by more than this, ms, makes the throttle's own bookkeeping worthless. */
const JUMP = 1000;

/**
 * The last gate before the wire: no span of `interval` ms sees more than the limit, whatever else is believed.
 * `p-throttle` in strict mode, built anew when the limit changes or this machine's clock is set.
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

  /** Runs `work` when its turn has come. `recent()`: how many calls the last interval has seen already. */
  run<T>(limit: number, recent: () => number, work: () => T): Promise<T> {
    const lead = this.#clock.now() - this.#clock.monotonic();
    if (limit !== this.#limit || Math.abs(lead - this.#wallLead) > JUMP) {
      this.#wallLead = lead;
      this.#limit = limit;
      const throttled = pThrottle({ limit, interval: this.#interval, strict: true })((inner: () => unknown) => inner());
      // A new throttle knows of no calls: those of the last interval take their places.
      for (let n = Math.min(limit, recent()); n > 0; n--) void throttled(() => undefined);
      this.#run = throttled as Run;
    }
    return this.#run(work);
  }
}
