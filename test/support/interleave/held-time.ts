import type { Clock } from '#src/base/clock.js';

interface Timer {
  readonly at: number;
  readonly work: () => void;
}

/** Time that stands still until it is told to pass; what is due happens one by one, in order. */
export class HeldTime implements Clock {
  readonly #start: number;
  #now: number;
  #timers: Timer[] = [];

  constructor(start: number) {
    this.#start = start;
    this.#now = start;
  }

  now(): number {
    return Math.floor(this.#now);
  }

  monotonic(): number {
    return this.#now - this.#start + 1000;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = (): void => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      });
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  after(ms: number, work: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), work };
    const index = this.#timers.findIndex(({ at }) => at > timer.at);
    this.#timers.splice(index < 0 ? this.#timers.length : index, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  /** Milliseconds until something is due. */
  get next(): number {
    return Math.max(0, (this.#timers[0]?.at ?? Number.POSITIVE_INFINITY) - this.#now);
  }

  /** Lets time pass up to the next that is due, which then happens, or `ms` milliseconds. @returns how many it was */
  pass(ms: number): number {
    const [timer] = this.#timers;
    const isDue = timer !== undefined && timer.at <= this.#now + ms;
    const passed = isDue ? Math.max(0, timer.at - this.#now) : ms;
    this.#now += passed;
    if (isDue) {
      this.#timers.shift();
      timer.work();
    }
    return passed;
  }
}
