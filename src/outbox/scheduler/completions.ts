import type { Clock } from '../../base/clock.js';

/** Lets somebody wait for the next thing that is done, whatever it is. */
export class Completions {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something is done. */
  tell(): void {
    for (const end of [...this.#waiting]) end();
  }

  /** Resolves when something is done, after so many milliseconds, or when aborted. */
  async next(longest: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const end = (): void => woken.abort();
    signal.addEventListener('abort', end);
    this.#waiting.add(end);
    if (signal.aborted) end();
    try {
      await this.#clock.sleep(longest, woken.signal);
    } catch (error) {
      if (!woken.signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', end);
      this.#waiting.delete(end);
    }
  }
}
