import { Failure } from '../base/errors.js';

/** Bytes that have arrived and are not on disk yet, over all downloads. Downloads stop reading while it is full. */
export class Memory {
  readonly #limit: number;
  #used = 0;
  #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    if (this.#used >= this.#limit || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** Undefined when there is room now; else a promise of room (`interrupted` when aborted). */
  room(signal: AbortSignal): Promise<void> | undefined {
    if (this.#used < this.#limit) return undefined;
    return this.#wait(signal);
  }

  async #wait(signal: AbortSignal): Promise<void> {
    while (this.#used >= this.#limit) {
      if (signal.aborted) throw new Failure('interrupted', {}, signal.reason);
      let leave!: () => void;
      await new Promise<void>((resolve) => {
        leave = resolve;
        this.#waiting.push(resolve);
        signal.addEventListener('abort', leave, { once: true });
      });
      signal.removeEventListener('abort', leave);
    }
  }
}
