import type { StopPolicy } from '../definition/schedule-schema.js';
import type { ExecutionStatus } from '../definition/words.js';

/** Runs of a job by the counts of its stop policy; they need not be consecutive. */
export interface StopCounts {
  readonly executions: number;
  /** Runs that found nothing to change. */
  readonly completions: number;
  /** Runs with failures. */
  readonly failures: number;
}

const NONE: StopCounts = { executions: 0, completions: 0, failures: 0 };
const RUN: StopCounts = { ...NONE, executions: 1 };

/**
 * Counts to add, by the status of a run. A run that failed to start does not count. A run that did not complete counts
 * as a run only.
 */
const added: Readonly<Record<ExecutionStatus, StopCounts>> = {
  running: NONE,
  failing: NONE,
  failed_to_start: NONE,
  completed: RUN,
  warn: { ...RUN, failures: 1 },
  cancelled: RUN,
  not_complete: RUN,
  no_changes: { ...RUN, completions: 1 },
  failed: { ...RUN, failures: 1 },
};

/** Counts that a run adds by its status; a run that has not ended adds none. */
export const counted = (status: ExecutionStatus): StopCounts => added[status];

/** Why the stop policy ends a job for good; undefined: the job continues. A limit of 0 means no limit. */
export function stopReason(policy: StopPolicy, counts: StopCounts): string | undefined {
  const isMet = (limit: number, count: number): boolean => limit > 0 && count >= limit;
  if (isMet(policy.on_execute, counts.executions)) return `${counts.executions} runs (on_execute ${policy.on_execute})`;
  if (isMet(policy.on_failure, counts.failures))
    return `${counts.failures} runs with failures (on_failure ${policy.on_failure})`;
  if (isMet(policy.on_success, counts.completions))
    return `${counts.completions} runs without a change (on_success ${policy.on_success})`;
  return undefined;
}
