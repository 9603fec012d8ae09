import type { ExecutionStats } from '../store/executions.js';

/** An end of a transfer was not there: the job waits for it. */
export interface Away {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Looks since then. */
  readonly looks: number;
  /** Something had been planned, and is left to do. Otherwise the same run begins again. */
  readonly began: boolean;
}

/** From one look to the next, milliseconds. */
const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE = 15 * 60_000;

/** What a run that found an end away leaves behind: when the job looks again, as its schedule permits. */
export function waitFor(
  before: Away | undefined,
  now: number,
  began: boolean,
): Required<Pick<ExecutionStats, 'away' | 'again'>> {
  const looks = (before?.looks ?? 0) + 1;
  const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE_MS * 2 ** (looks - 1));
  return { away: { since: before?.since ?? now, looks, began }, again: now + pause };
}
