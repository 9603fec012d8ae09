import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';

/** Milliseconds without an error after which the next one is logged again. */
const QUIET_MS = 60_000;

/**
 * Returns a function to call whenever the cache's own disk delays or fails a read. It logs one line for all errors
 * within a while.
 */
export function hinderedReads(log: Log, clock: Clock): (error: unknown, file: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (error, file) => {
    const now = clock.monotonic();
    if (now - last > QUIET_MS)
      log.warn({ error, file }, 'cached files cannot be read at the moment: reads wait for that');
    last = now;
  };
}
