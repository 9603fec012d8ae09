import { pauseAfter } from '../../base/backoff.js';
import type { Away, ExecutionStats } from '../store/executions.js';

/** Pauses before the next check of an unreachable endpoint, milliseconds. */
const LOOK_AGAIN = { first: 60_000, longest: 15 * 60_000 };

/** Statistics of a run that found an endpoint unreachable: when the job tries again, as its schedule permits. */
export function waitFor(
  before: Away | undefined,
  now: number,
  began: boolean,
): Required<Pick<ExecutionStats, 'away' | 'again'>> {
  const looks = (before?.looks ?? 0) + 1;
  return { away: { since: before?.since ?? now, looks, began }, again: now + pauseAfter(looks, LOOK_AGAIN) };
}
