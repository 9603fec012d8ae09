import type { Job } from '../definition/job-schema.js';
import { nextRun } from './next-run.js';

/** Runs of the schedule that may pass without one that succeeded. */
const MISSED = 3;
/** However short the interval is, a run may take so long (milliseconds). */
const GRACE_MS = 5 * 60_000;

/**
 * Since when a job should have had a run that succeeded, in milliseconds since the epoch; undefined: it is not overdue,
 * or runs only when started by hand.
 * @param lastGood when a run ended last that did what it should; undefined: none did
 */
export function staleSince(job: Job, lastGood: number | undefined, now: number): number | undefined {
  if (job.disabled || job.status === 'complete' || job.status === 'paused' || job.schedule.mode !== 'auto')
    return undefined;
  let at = lastGood ?? job.created_on * 1000;
  for (let n = 0; n < MISSED; n++) {
    const next = nextRun(job.schedule, {
      now: at,
      createdOn: job.created_on * 1000,
      previous: { start: at, end: at, status: 'completed' },
      runs: job.counts.executions,
    });
    if (next === undefined) return undefined;
    at = Math.max(next, at + 1);
  }
  return at + GRACE_MS <= now ? at : undefined;
}
