/** The promise's result, unless the signal comes first; the work behind it goes on for others. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** One piece of work a key at a time: who asks while it runs gets the same result. */
export class SingleFlight<Key, T> {
  readonly #running = new Map<Key, Promise<T>>();

  /** `work` is not tied to one caller's signal, since others may wait for it too. */
  run(key: Key, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let running = this.#running.get(key);
    if (!running) {
      running = work().finally(() => this.#running.delete(key));
      // Whoever asked may have gone: the rejection is theirs to see, not the process's.
      running.catch(() => undefined);
      this.#running.set(key, running);
    }
    return abortable(running, signal);
  }
}
