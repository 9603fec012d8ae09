import { HARD_CAP } from '../../budget/budget.js';
import type { Job } from '../definition/job-schema.js';
import type { Endpoint } from '../endpoint.js';
import type { Estimate } from '../plan/cost.js';
import { intervalOf } from '../schedule/next-run.js';
import type { ExecutionStats } from '../store/executions.js';

/** Result of a simulation: the cost of a run, and of keeping up with the interval of the job. */
export function foretold(
  estimate: Estimate,
  { schedule }: Pick<Job, 'schedule'>,
  ends: readonly Endpoint[],
): NonNullable<ExecutionStats['estimate']> {
  const hourly = Math.min(...ends.map(({ callsPerHour = HARD_CAP }) => callsPerHour));
  const every = intervalOf(schedule);
  const polls = every === undefined ? [] : ends.map((endpoint) => endpoint.callsToKeepUp?.(every) ?? 0);
  return {
    ...estimate,
    hours: Math.ceil((estimate.calls / hourly) * 100) / 100,
    polls_per_hour: polls.reduce((sum, calls) => sum + calls, 0),
  };
}
