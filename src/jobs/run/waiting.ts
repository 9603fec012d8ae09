import { type Backoff, pauseAfter } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import { Condition } from '../../base/condition.js';
import { Failure, isFailure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';

/** Failures of the network or the other machine, not of one item: the run waits and retries. */
const TRANSIENT = new Set<string>([
  'target-unreachable',
  'target-throttled',
  'target-busy',
  'unreachable',
  'server-error',
  'server-busy',
  'upload-failed',
  'upload-unknown',
  'download-failed',
  'reply-lost',
  'bad-reply',
]);

/** Failures that mean that an endpoint is unreachable: no other item will succeed either. */
const GONE = new Set<string>(['target-unreachable', 'unreachable']);

/** Failures after which the run cannot continue. */
const FINAL = new Set<string>(['budget-exhausted', 'signed-out', 'sign-in-refused', 'target-full', 'target-login']);

export type Kind = 'again' | 'gone' | 'final' | 'item';

export function kindOf(error: unknown): Kind {
  if (!isFailure(error)) return 'item';
  if (FINAL.has(error.code)) return 'final';
  if (GONE.has(error.code) || (error.code === 'listing-incomplete' && kindOf(error.cause) === 'gone')) return 'gone';
  return TRANSIENT.has(error.code) ? 'again' : 'item';
}

/** Blocks callers of `pass` while it is closed. */
export class Gate {
  readonly #opened = new Condition();
  #open = true;

  get isOpen(): boolean {
    return this.#open;
  }

  close(): void {
    this.#open = false;
  }

  open(): void {
    this.#open = true;
    this.#opened.changed();
  }

  pass(signal: AbortSignal): Promise<void> {
    return this.#opened.until(() => this.#open, signal);
  }
}

/** Pauses between checks of an unreachable endpoint, and the total time, milliseconds. */
export interface Patience extends Backoff {
  readonly whole: number;
}

export const PATIENCE: Patience = { first: 1000, longest: 30_000, whole: 2 * 3600_000 };

/**
 * Resolves when the endpoint answers again.
 * @throws Failure of the last check when the total time is over
 */
export async function untilBack(
  look: (signal: AbortSignal) => Promise<unknown>,
  clock: Clock,
  signal: AbortSignal,
  patience: Patience,
): Promise<void> {
  const end = clock.monotonic() + patience.whole;
  for (let failures = 1; ; failures++) {
    await clock.sleep(pauseAfter(failures, patience), signal);
    try {
      await look(signal);
      return;
    } catch (error) {
      if (signal.aborted || clock.monotonic() > end) throw error;
      if (kindOf(error) === 'final') throw error;
      if (!(error instanceof Failure)) throw error;
    }
  }
}

/** Waits for an unreachable endpoint: one loop checks it for all waiting items. */
export class AwayEndpoint {
  readonly #look: (signal: AbortSignal) => Promise<void>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #job: string;
  readonly #patience: Patience;
  #back: Promise<void> | undefined;

  constructor(look: (signal: AbortSignal) => Promise<void>, clock: Clock, log: Log, job: string, patience = PATIENCE) {
    this.#look = look;
    this.#clock = clock;
    this.#log = log;
    this.#job = job;
    this.#patience = patience;
  }

  /** @throws as `untilBack` */
  wait(signal: AbortSignal): Promise<void> {
    if (!this.#back) {
      this.#log.warn({ job: this.#job }, 'one end of the transfer is gone; the run waits until it is back');
      this.#back = untilBack(this.#look, this.#clock, signal, this.#patience)
        .then(() => this.#log.info({ job: this.#job }, 'both ends are there again'))
        .finally(() => {
          this.#back = undefined;
        });
    }
    return this.#back;
  }
}
