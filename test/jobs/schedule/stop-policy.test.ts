import t from 'tap';
import { stopPolicySchema } from '#src/jobs/definition/schedule-schema.js';
import type { ExecutionStatus } from '#src/jobs/definition/words.js';
import { counted, type StopCounts, stopReason } from '#src/jobs/schedule/stop-policy.js';

const after = (...statuses: ExecutionStatus[]): StopCounts => {
  const sum = { executions: 0, completions: 0, failures: 0 };
  for (const status of statuses)
    for (const key of Object.keys(sum) as (keyof StopCounts)[]) sum[key] += counted(status)[key];
  return sum;
};

t.test('runs without changes, with failures, and all runs are counted apart', async (t) => {
  t.strictSame(after('completed', 'warn', 'cancelled'), { executions: 3, completions: 0, failures: 1 });
  t.strictSame(after('no_changes', 'failed', 'no_changes'), { executions: 3, completions: 2, failures: 1 });
});

t.test('a run that failed to start and one that goes on count nowhere', async (t) => {
  t.strictSame(after('failed_to_start', 'running', 'failing'), { executions: 0, completions: 0, failures: 0 });
});

t.test('a run that was cut is a run, but neither a failure nor one without changes', async (t) => {
  t.strictSame(after('not_complete'), { executions: 1, completions: 0, failures: 0 });
});

t.test('a job stops at the first limit that is met, with runs of other kinds between', async (t) => {
  const policy = stopPolicySchema.parse({ on_success: 2, on_failure: 3, on_execute: 7 });
  t.equal(stopReason(policy, after('no_changes', 'completed', 'failed', 'failed')), undefined);
  t.match(stopReason(policy, after('no_changes', 'completed', 'no_changes')), /2 runs without a change/);
  t.match(stopReason(policy, after('failed', 'no_changes', 'failed', 'completed', 'failed')), /3 runs with failures/);
  t.match(stopReason(policy, after(...Array<ExecutionStatus>(7).fill('completed'))), /7 runs \(on_execute 7\)/);
});

t.test('a limit of 0, or none, never stops a job', async (t) => {
  const many = { executions: 1000, completions: 1000, failures: 1000 };
  t.equal(stopReason(stopPolicySchema.parse({}), many), undefined);
  t.equal(stopReason(stopPolicySchema.parse({ on_success: 0, on_failure: 0, on_execute: 0 }), many), undefined);
});
