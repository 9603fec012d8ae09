import type { Job } from '../definition/job-schema.js';
import { nextRun } from './next-run.js';

/** Scheduled runs that may pass without a successful one. */
const MISSED = 3;
/** Time allowed for a run, however short the interval is, milliseconds. */
const GRACE_MS = 5 * 60_000;

/**
 * Since when a job is overdue for a successful run, in milliseconds since the epoch; undefined: it is not overdue, or
 * runs only when started by hand.
 * @param lastGood end of the last successful run; undefined: there is none
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
