import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Account, Role } from './account.js';

/** A token bucket: an amount that is spent at any rate, and refilled evenly. */
export class Bucket {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  /** @param now milliseconds */
  constructor(most: number, perSecond: number, now: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
    this.#at = now;
  }

  /** Takes the amount, or nothing. @returns seconds until there is enough; 0: it was taken */
  take(amount: number, now: number): number {
    const since = Math.max(0, now - this.#at) / 1000;
    this.#left = Math.min(this.#most, this.#left + since * this.#perSecond);
    this.#at = now;
    // An amount above the maximum takes the whole bucket.
    const wanted = Math.min(amount, this.#most);
    if (wanted > this.#left) return Math.max(1, Math.ceil((wanted - this.#left) / this.#perSecond));
    this.#left -= wanted;
    return 0;
  }
}

/** Procore calls that requests of one user may cause within `SECONDS`. */
const MOST: Readonly<Record<Role, number>> = { read: 60, manage: 600 };
const SECONDS = 600;
const MOST_KNOWN = 10_000;

/** Each user's share of the call budget, so that browsing cannot use up the calls that jobs and mounts need. */
export class Shares {
  readonly #buckets = new LRUCache<string, Bucket>({ max: MOST_KNOWN });
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The user at the unix socket has no limit. @throws Failure `too-many-requests` with the seconds to wait */
  spend({ name, role, isOwner }: Account, calls: number): void {
    if (isOwner) return;
    const key = `${role} ${name}`;
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(key) ?? new Bucket(MOST[role], MOST[role] / SECONDS, now);
    this.#buckets.set(key, bucket);
    const seconds = bucket.take(calls, now);
    if (seconds > 0) throw new Failure('too-many-requests', { what: 'calls at Procore of one user', seconds });
  }
}
