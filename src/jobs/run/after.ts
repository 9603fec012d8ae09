import type { ExecutionStatus, JobHealth, JobStatus } from '../definition/words.js';

/** Status of a job, by the status of its last run. */
export const STATUS_AFTER: Readonly<Record<ExecutionStatus, JobStatus>> = {
  running: 'running',
  failing: 'running',
  failed: 'failed',
  completed: 'success',
  cancelled: 'idle',
  failed_to_start: 'failed-to-start',
  warn: 'warn',
  no_changes: 'success',
  not_complete: 'not-complete',
};

export const HEALTH_AFTER: Readonly<Record<ExecutionStatus, JobHealth>> = {
  running: 'healthy',
  failing: 'unhealthy',
  failed: 'unhealthy',
  completed: 'healthy',
  cancelled: 'healthy',
  failed_to_start: 'unavailable',
  warn: 'unhealthy',
  no_changes: 'healthy',
  not_complete: 'healthy',
};
