/** Lets somebody wait for the next thing that is done, whatever it is. */
export class Completions {
  readonly #waiting = new Set<() => void>();

  /** Something is done. */
  tell(): void {
    for (const end of [...this.#waiting]) end();
  }

  /** Resolves when something is done, after so many milliseconds, or when aborted. */
  next(longest: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, longest);
      signal.addEventListener('abort', end);
      this.#waiting.add(end);
      if (signal.aborted) end();
    });
  }
}
