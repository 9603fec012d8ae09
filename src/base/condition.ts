import type { Clock } from './clock.js';

/** Lets callers wait for a state of this process, the changes of which are announced. */
export class Condition {
  readonly #waiting = new Set<() => void>();

  /** To be called after each change that somebody may wait for. */
  changed(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves when the state is reached, which is checked at once and after each change. @throws the signal's reason */
  async until(isReached: () => boolean, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (isReached()) return;
      await this.next(signal);
    }
  }

  /** Resolves at the next change, or when aborted. */
  async next(signal?: AbortSignal): Promise<void> {
    let leave!: () => void;
    await new Promise<void>((resolve) => {
      leave = this.#enter(resolve, signal);
    });
    leave();
  }

  /** Resolves at the next change, after `ms` milliseconds, or when aborted. */
  async nextWithin(ms: number, clock: Clock, signal?: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const leave = this.#enter(() => woken.abort(), signal);
    try {
      await clock.sleep(ms, woken.signal);
    } catch (error) {
      if (!woken.signal.aborted) throw error;
    } finally {
      leave();
    }
  }

  #enter(wake: () => void, signal: AbortSignal | undefined): () => void {
    this.#waiting.add(wake);
    signal?.addEventListener('abort', wake, { once: true });
    if (signal?.aborted) wake();
    return () => {
      this.#waiting.delete(wake);
      signal?.removeEventListener('abort', wake);
    };
  }
}
