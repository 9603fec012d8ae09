import { Failure } from '../../base/errors.js';

/** Work of which so much goes on at once, whoever asks for it; what comes beside it is refused, and may come again. */
export class AtMost {
  readonly #most: number;
  readonly #what: string;
  #running = 0;

  /** @param what completes "too many … at once" */
  constructor(most: number, what: string) {
    this.#most = most;
    this.#what = what;
  }

  /** @throws Failure `too-many-requests` */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#most) throw new Failure('too-many-requests', { what: this.#what, seconds: 10 });
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
    }
  }
}
