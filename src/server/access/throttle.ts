import { LRUCache } from 'lru-cache';

/** Failures that cost nothing; each one more doubles the wait. */
const FREE = 5;
const LONGEST_PAUSE_MS = 60_000;
const FORGET = 15 * 60_000;
const MOST_KNOWN = 10_000;

/**
 * Makes guessing slow, by the name that is tried together with the client that tries: whoever guesses locks neither the
 * others of the same address out, nor the one whose name it is at another address.
 */
export class SignInThrottle {
  readonly #failures = new LRUCache<string, { count: number; until: number }>({ max: MOST_KNOWN, ttl: FORGET });

  /** Milliseconds that must pass before the next try; 0: none. */
  wait(name: string, client: string, now: number): number {
    return Math.max(0, (this.#failures.get(keyOf(name, client))?.until ?? 0) - now);
  }

  failed(name: string, client: string, now: number): void {
    const key = keyOf(name, client);
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const wait = count < FREE ? 0 : Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** (count - FREE));
    this.#failures.set(key, { count, until: now + wait });
  }

  /** A try that was counted and then not made: it is no failure, and takes no place of one. */
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
