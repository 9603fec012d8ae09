import { type Clock, systemClock } from './clock.js';

/** The promise's result, or a rejection as soon as the signal is aborted. The work behind the promise continues. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** A signal for a piece of work. `end` must be called when the work is over, to release the timer. */
export interface LimitedSignal {
  readonly signal: AbortSignal;
  /** Whether the time limit was reached. */
  readonly isOver: boolean;
  end(): void;
}

/**
 * Aborts with another signal, or after `ms` milliseconds. With `AbortSignal.any([signal, AbortSignal.timeout(ms)])`,
 * Node 20 may garbage-collect the timer while only the combined signal refers to it; a clock holds its timers.
 */
export function limited(
  other: AbortSignal,
  ms: number,
  reason: () => unknown,
  clock: Clock = systemClock,
): LimitedSignal {
  const controller = new AbortController();
  let isOver = false;
  const abort = (): void => {
    end();
    controller.abort(other.reason);
  };
  const cancel = clock.after(ms, () => {
    isOver = true;
    end();
    controller.abort(reason());
  });
  const end = (): void => {
    cancel();
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
 * Runs one piece of work per key at a time: callers during the run share its result. When the last caller has aborted,
 * the signal of the work is aborted.
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
    // All callers may have aborted: the rejection must not be unhandled.
    flight.result.catch(() => undefined).finally(() => this.#forget(key, flight));
    return flight;
  }

  #forget(key: Key, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
