import type { StopPolicy } from '../definition/schedule-schema.js';
import type { ExecutionStatus } from '../definition/words.js';

/** Runs of a job that its stop policy counts; they need not follow each other. */
export interface StopCounts {
  readonly executions: number;
  /** Those that found nothing to change. */
  readonly completions: number;
  /** Those that logged failures. */
  readonly failures: number;
}

const NONE: StopCounts = { executions: 0, completions: 0, failures: 0 };
const RUN: StopCounts = { ...NONE, executions: 1 };

/** What a run that ended so adds. One that failed to start was no run; one that was cut says nothing about its content. */
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

/** What a run adds to the counts, by how it ended; one that has not ended adds nothing. */
export const counted = (status: ExecutionStatus): StopCounts => added[status];

/** Why a job is complete and never runs again; undefined: it goes on. A limit of 0 is none. */
export function stopReason(policy: StopPolicy, counts: StopCounts): string | undefined {
  const isMet = (limit: number, count: number): boolean => limit > 0 && count >= limit;
  if (isMet(policy.on_execute, counts.executions)) return `${counts.executions} runs (on_execute ${policy.on_execute})`;
  if (isMet(policy.on_failure, counts.failures))
    return `${counts.failures} runs with failures (on_failure ${policy.on_failure})`;
  if (isMet(policy.on_success, counts.completions))
    return `${counts.completions} runs without a change (on_success ${policy.on_success})`;
  return undefined;
}
