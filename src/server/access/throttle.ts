import { LRUCache } from 'lru-cache';

/** Failures that cost nothing; each one more doubles the wait. */
const FREE = 5;
const LONGEST = 60_000;
const FORGET = 15 * 60_000;
const MOST_KNOWN = 10_000;

/** Makes guessing slow: by the name that is tried, and by the address that tries. */
export class Throttle {
  readonly #failures = new LRUCache<string, { count: number; until: number }>({ max: MOST_KNOWN, ttl: FORGET });

  /** Milliseconds that must pass before the next try; 0: none. */
  wait(keys: readonly string[], now: number): number {
    return Math.max(0, ...keys.map((key) => (this.#failures.get(key)?.until ?? 0) - now));
  }

  failed(keys: readonly string[], now: number): void {
    for (const key of keys) {
      const count = (this.#failures.get(key)?.count ?? 0) + 1;
      const wait = count < FREE ? 0 : Math.min(LONGEST, 1000 * 2 ** (count - FREE));
      this.#failures.set(key, { count, until: now + wait });
    }
  }

  succeeded(keys: readonly string[]): void {
    for (const key of keys) this.#failures.delete(key);
  }
}
