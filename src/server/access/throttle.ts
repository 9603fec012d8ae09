import { LRUCache } from 'lru-cache';
import { pauseAfter } from '../../base/backoff.js';

/** The failure from which on there is a wait, and the waits, milliseconds. */
const FREE = 5;
const WAIT = { first: 1000, longest: 60_000 };
const FORGET = 15 * 60_000;
const MOST_KNOWN = 10_000;

/**
 * Slows down password guessing, for each pair of user name and client: an attacker locks out neither the other users at
 * the same address, nor the named user at another address.
 */
export class SignInThrottle {
  readonly #failures = new LRUCache<string, { count: number; until: number }>({ max: MOST_KNOWN, ttl: FORGET });

  /** Milliseconds before the next attempt; 0: none. */
  wait(name: string, client: string, now: number): number {
    return Math.max(0, (this.#failures.get(keyOf(name, client))?.until ?? 0) - now);
  }

  failed(name: string, client: string, now: number): void {
    const key = keyOf(name, client);
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const wait = count < FREE ? 0 : pauseAfter(count - FREE + 1, WAIT);
    this.#failures.set(key, { count, until: now + wait });
  }

  /** Undoes the count of an attempt that was not made. */
  undone(name: string, client: string): void {
    const known = this.#failures.get(keyOf(name, client));
    if (!known || known.count <= 1) this.succeeded(name, client);
    else
      this.#failures.set(keyOf(name, client), { count: known.count - 1, until: known.count > FREE ? known.until : 0 });
  }

  succeeded(name: string, client: string): void {
    this.#failures.delete(keyOf(name, client));
  }
}

const keyOf = (name: string, client: string): string => `${client} ${name}`;
