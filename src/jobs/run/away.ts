import type { Away, ExecutionStats } from '../store/executions.js';

/** Pause before the next check of an unreachable endpoint, milliseconds. */
const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE = 15 * 60_000;

/** Statistics of a run that found an endpoint unreachable: when the job tries again, as its schedule permits. */
export function waitFor(
  before: Away | undefined,
  now: number,
  began: boolean,
): Required<Pick<ExecutionStats, 'away' | 'again'>> {
  const looks = (before?.looks ?? 0) + 1;
  const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE_MS * 2 ** (looks - 1));
  return { away: { since: before?.since ?? now, looks, began }, again: now + pause };
}
