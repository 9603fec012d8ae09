import { Pauses } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import { isFailure } from '../base/errors.js';

/** Milliseconds for which a failure is remembered. */
const REMEMBERED = { first: 1000, longest: 15_000 };

/**
 * Remembers a failure for a while, so that many requests for a token do not each call a login host that refused or was
 * unreachable.
 */
export class Setback {
  readonly #clock: Clock;
  readonly #pauses = new Pauses(REMEMBERED);
  #failure: unknown;
  #until = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws the last failure while it is recent */
  check(): void {
    if (this.#clock.monotonic() < this.#until) throw this.#failure;
  }

  /** The cause may be gone: the next attempt may be made at once. */
  forget(): void {
    this.#pauses.reset();
    this.#until = 0;
  }

  /** Runs `work`, and remembers its failure. */
  async after<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      this.forget();
      return result;
    } catch (error) {
      // Being signed out is local knowledge: it causes no request, and a new sign-in ends it.
      if (isFailure(error, 'signed-out')) throw error;
      this.#failure = error;
      this.#until = this.#clock.monotonic() + this.#pauses.next();
      throw error;
    }
  }
}
