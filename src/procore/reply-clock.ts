import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';

/** Seconds by which a reply may be ahead of what is known of the server's clock: several machines answer. */
const MOST_AHEAD_S = 300;
/** Seconds by which it may be behind: so long a reply may have been on its way. */
const BEHIND_S = 300;
/** Replies in a row that say the same, and the seconds that they span, after which the server's clock was set. */
const SAME = 3;
const SPAN_S = 10;

/**
 * The server's time as its replies tell it, seconds since the epoch. It is never ahead of the last one plus what passed
 * here, so that one reply with a wrong `Date` puts nothing into the future; where several say the same the clock was set.
 */
export class ReplyClock {
  readonly #clock: Clock;
  readonly #log: Log;
  /** The server's time less the monotonic one here. */
  #offset: number | undefined;
  #doubt: { offset: number; replies: number; since: number } | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** @param date of a reply that has just come, seconds; undefined where it has none that can be read */
  at(date: number | undefined): number {
    const here = this.#clock.monotonic() / 1000;
    if (this.#offset === undefined) {
      if (date === undefined) return Math.floor(this.#clock.now() / 1000);
      this.#offset = date - here;
      return date;
    }
    const now = Math.floor(this.#offset + here);
    if (date === undefined) return now;
    if (date <= now + MOST_AHEAD_S && date >= now - BEHIND_S) {
      this.#doubt = undefined;
      this.#offset = Math.max(this.#offset, date - here);
      return date;
    }
    if (!this.#wasSet(date - here, here)) return Math.min(date, now);
    this.#offset = date - here;
    this.#doubt = undefined;
    this.#log.info({ seconds: date - now }, "the server's clock was set");
    return date;
  }

  #wasSet(offset: number, here: number): boolean {
    const doubt = this.#doubt;
    if (!doubt || Math.abs(doubt.offset - offset) > MOST_AHEAD_S) {
      this.#doubt = { offset, replies: 1, since: here };
      const seconds = Math.round(offset - this.#offset!);
      this.#log.warn({ seconds }, "the date of a reply is not that of the server's clock: it does not count");
      return false;
    }
    doubt.replies++;
    return doubt.replies >= SAME && here - doubt.since >= SPAN_S;
  }
}
