import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { Job } from './definition/job-schema.js';
import type { Opener } from './opener.js';
import type { Pauses } from './run/waiting.js';
import type { Execution } from './store/executions.js';
import type { JobStore } from './store/job-store.js';

export interface EngineOptions {
  readonly store: JobStore;
  readonly opener: Opener;
  /** Holds the lock of whoever runs the jobs, and the reports. */
  readonly folder: string;
  readonly log: Log;
  /** Runs at once. */
  readonly parallel?: number;
  readonly clock?: Clock;
  readonly patience?: Pauses;
  /** Told when a run has ended. */
  readonly ended?: (job: Job, execution: Execution) => void;
}
