import type { Clock } from '../../base/clock.js';

/** Lets callers wait for the end of the next send, whichever it is. */
export class Completions {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A send has ended. */
  tell(): void {
    for (const end of [...this.#waiting]) end();
  }

  /** Resolves when a send ends, after `longest` milliseconds, or when aborted. */
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
