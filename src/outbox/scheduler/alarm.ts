import type { Clock } from '../../base/clock.js';

/** Calls back at the earliest of the times that it was set to. */
export class Alarm {
  readonly #clock: Clock;
  readonly #work: () => void;
  #cancel: (() => void) | undefined;
  #at = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, work: () => void) {
    this.#clock = clock;
    this.#work = work;
  }

  /** In `ms` milliseconds, unless it is set to an earlier time. */
  set(ms: number): void {
    const at = this.#clock.monotonic() + ms;
    if (this.#at <= at) return;
    this.clear();
    this.#at = at;
    this.#cancel = this.#clock.after(ms, () => {
      this.clear();
      this.#work();
    });
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#at = Number.POSITIVE_INFINITY;
  }
}
