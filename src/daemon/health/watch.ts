import { systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Notice } from '../../jobs/notify/notice.js';
import { LOOKED_FOR, type Notifier } from '../../jobs/notify/notifier.js';
import type { HealthReport } from './inspect.js';

/** Milliseconds between two checks. */
const CHECK_INTERVAL_MS = 60_000;

/** Checks the health of the state folder periodically, and notifies users of problems. */
export class Watch {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  /** @param isOurs whether this is the one process of the state folder that checks */
  constructor(look: () => Promise<HealthReport>, isOurs: () => boolean, notifier: Notifier, log: Log) {
    this.#running = (async () => {
      const { signal } = this.#stop;
      for (;;) {
        await systemClock.sleep(CHECK_INTERVAL_MS, signal).catch(() => undefined);
        if (signal.aborted) return;
        try {
          if (isOurs()) notifier.found(noticesOf(await look()));
        } catch (error) {
          log.warn({ error }, 'the state could not be looked at');
        }
      }
    })();
  }

  async close(): Promise<void> {
    this.#stop.abort(new Failure('interrupted'));
    await this.#running;
  }
}

/** Milliseconds that a share must be unavailable before users are notified: short outages are normal. */
const LONG_AWAY_MS = 3_600_000;

/** The findings to notify of. Those about ended runs are excluded: each run notifies itself when it ends. */
export const noticesOf = ({ findings }: HealthReport): Notice[] =>
  findings.flatMap(({ kind, subject, message, job, connection, age = LONG_AWAY_MS }): Notice[] => {
    const told = LOOKED_FOR.find((one) => one === kind);
    if (!told || age < LONG_AWAY_MS) return [];
    return [
      { kind: told, subject, message, ...(job ? { job } : {}), ...(connection === undefined ? {} : { connection }) },
    ];
  });
