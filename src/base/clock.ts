import { setTimeout as delay } from 'node:timers/promises';

/** The source of time; tests use one that runs faster. */
export interface Clock {
  /** Milliseconds since the epoch by this machine's clock, which may be wrong. */
  now(): number;
  /** Milliseconds from an arbitrary start that never jump. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Runs `work` once after `ms` milliseconds. Returns a function that cancels it. Does not keep the process alive. */
  after(ms: number, work: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, signal ? { signal } : {});
    } catch (error) {
      throw signal?.aborted ? signal.reason : error;
    }
  },
  after(ms, work) {
    const timer = setTimeout(work, ms).unref();
    return () => clearTimeout(timer);
  },
};

/** Runs `work` every `ms` milliseconds, until the returned function is called. */
export function every(clock: Clock, ms: number, work: () => void): () => void {
  let cancel: () => void;
  const next = (): void => {
    cancel = clock.after(ms, () => {
      next();
      work();
    });
  };
  next();
  return () => cancel();
}
