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

/** A signal for a piece of work, and the end of what it holds: `end` must be called when the work is over. */
export interface LimitedSignal {
  readonly signal: AbortSignal;
  /** The time was over. */
  readonly isOver: boolean;
  end(): void;
}

/**
 * Aborts with another signal, or after `ms` milliseconds. Unlike `AbortSignal.any([signal, AbortSignal.timeout(ms)])`, of
 * which Node 20 may collect the timer while nothing but the combined signal refers to it, it is held until it ends.
 */
export function limited(other: AbortSignal, ms: number, reason: () => unknown): LimitedSignal {
  const controller = new AbortController();
  let isOver = false;
  const abort = (): void => {
    end();
    controller.abort(other.reason);
  };
  const timer = setTimeout(() => {
    isOver = true;
    end();
    controller.abort(reason());
  }, ms);
  const end = (): void => {
    clearTimeout(timer);
    other.removeEventListener('abort', abort);
  };
  if (other.aborted) abort();
  else other.addEventListener('abort', abort);
  return {
    signal: controller.signal,
    get isOver() {
      return isOver;
    },
    end,
  };
}

interface Flight<T> {
  readonly result: Promise<T>;
  readonly end: AbortController;
  waiting: number;
}

/**
 * One piece of work a key at a time: who asks while it runs gets the same result. When the last who asked has gone, the
 * work's own signal ends it.
 */
export class SingleFlight<Key, T> {
  readonly #flights = new Map<Key, Flight<T>>();

  run(key: Key, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const flight = this.#flights.get(key) ?? this.#start(key, work);
    flight.waiting++;
    return abortable(flight.result, signal).finally(() => {
      if (--flight.waiting > 0) return;
      this.#forget(key, flight);
      flight.end.abort(signal?.reason);
    });
  }

  #start(key: Key, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const end = new AbortController();
    const flight: Flight<T> = { result: work(end.signal), end, waiting: 0 };
    this.#flights.set(key, flight);
    // Whoever asked may have gone: the rejection is theirs to see, not the process's.
    flight.result.catch(() => undefined).finally(() => this.#forget(key, flight));
    return flight;
  }

  #forget(key: Key, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
