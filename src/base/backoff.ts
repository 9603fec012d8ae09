/** Growing pauses between attempts, milliseconds. */
export interface Backoff {
  readonly first: number;
  /** Default: unlimited. */
  readonly longest?: number;
  /** How much longer each pause is than the one before; default 2. */
  readonly factor?: number;
  /** The share by which a pause is shorter or longer at random, so that many callers do not come at the same time. */
  readonly jitter?: number;
}

/** The pause after the `failures`-th failure in a row; the first one is 1. */
export function pauseAfter(failures: number, { first, longest, factor = 2, jitter }: Backoff): number {
  return scattered(Math.min(first * factor ** (failures - 1), longest ?? Number.POSITIVE_INFINITY), jitter);
}

/** The pauses of one series of failures; for a limit that changes within the series, or a series that ends. */
export class Pauses {
  readonly #backoff: Backoff;
  #last: number | undefined;

  constructor(backoff: Backoff) {
    this.#backoff = backoff;
  }

  /** The pause after one more failure. */
  next(longest = this.#backoff.longest ?? Number.POSITIVE_INFINITY): number {
    const { first, factor = 2, jitter } = this.#backoff;
    this.#last = Math.min(this.#last === undefined ? first : this.#last * factor, longest);
    return scattered(this.#last, jitter);
  }

  /** The series is over: the next pause is the first one again. */
  reset(): void {
    this.#last = undefined;
  }
}

const scattered = (pause: number, jitter = 0): number => pause * (1 + jitter * (2 * Math.random() - 1));
