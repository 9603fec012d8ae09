import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';

/** Seconds by which a reply's `Date` may be ahead of the known server time: replies come from several machines. */
const MOST_AHEAD_S = 300;
/** Seconds by which it may be behind: a reply may be in transit that long. */
const BEHIND_S = 300;
/**
 * Number of consecutive replies that agree, and the seconds that they span, after which the server's clock counts as
 * set.
 */
const SAME = 3;
const SPAN_S = 10;

/**
 * The server's time by the `Date` of its replies, seconds since the epoch. It is never ahead of the last known time
 * plus the time passed here, so that one reply with a wrong `Date` puts nothing into the future; where several replies
 * agree, the server's clock was set.
 */
export class ReplyClock {
  /** The server's time minus the monotonic time here. */
  #offset: number | undefined;
  #doubt: { offset: number; replies: number; since: number } | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** @param date of a reply that has just arrived, seconds; undefined where it is missing or invalid */
  at(date: number | undefined): number {
    const here = this.clock.monotonic() / 1000;
    if (this.#offset === undefined) {
      if (date === undefined) return Math.floor(this.clock.now() / 1000);
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
    this.log.info({ seconds: date - now }, "the server's clock was set");
    return date;
  }

  #wasSet(offset: number, here: number): boolean {
    const doubt = this.#doubt;
    if (!doubt || Math.abs(doubt.offset - offset) > MOST_AHEAD_S) {
      this.#doubt = { offset, replies: 1, since: here };
      const seconds = Math.round(offset - this.#offset!);
      this.log.warn({ seconds }, "the date of a reply is not that of the server's clock: it does not count");
      return false;
    }
    doubt.replies++;
    return doubt.replies >= SAME && here - doubt.since >= SPAN_S;
  }
}
