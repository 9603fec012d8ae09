import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';

/** Milliseconds without trouble, after which it is told of again. */
const QUIET_MS = 60_000;

/** Told whenever the cache's own disk hinders a read: one line for all that happens within a while. */
export function hinderedReads(log: Log, clock: Clock): (error: unknown, file: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (error, file) => {
    const now = clock.monotonic();
    if (now - last > QUIET_MS)
      log.warn({ error, file }, 'cached files cannot be read at the moment: reads wait for that');
    last = now;
  };
}
