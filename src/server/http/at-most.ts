import { Failure } from '../../base/errors.js';

/** Limits how many pieces of work run at once over all clients; further ones are refused, and can be repeated later. */
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
