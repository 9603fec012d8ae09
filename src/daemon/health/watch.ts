import { systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Notice } from '../../jobs/notify/notice.js';
import { LOOKED_FOR, type Notifier } from '../../jobs/notify/notifier.js';
import type { HealthReport } from './inspect.js';

/** Milliseconds between two looks. */
const CHECK_INTERVAL_MS = 60_000;

/** Looks at the whole from time to time, and has people told of what ails without anybody running into it. */
export class Watch {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  /** @param isOurs one process of the state folder looks */
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

/** A share is away for a while now and then: people are told of one that is for longer, milliseconds. */
const LONG_AWAY_MS = 3_600_000;

/** Those findings that nobody else tells of: a run that ends tells of itself. */
export const noticesOf = ({ findings }: HealthReport): Notice[] =>
  findings.flatMap(({ kind, subject, message, job, connection, age = LONG_AWAY_MS }): Notice[] => {
    const told = LOOKED_FOR.find((one) => one === kind);
    if (!told || age < LONG_AWAY_MS) return [];
    return [
      { kind: told, subject, message, ...(job ? { job } : {}), ...(connection === undefined ? {} : { connection }) },
    ];
  });
