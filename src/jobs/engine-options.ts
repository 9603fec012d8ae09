import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { Job } from './definition/job-schema.js';
import type { Opener } from './opener.js';
import type { Patience } from './run/waiting.js';
import type { Execution } from './store/executions.js';
import type { JobStore } from './store/job-store.js';

export interface EngineOptions {
  readonly store: JobStore;
  readonly opener: Opener;
  /** Folder of the leader's lock and of the reports. */
  readonly folder: string;
  readonly log: Log;
  /** Limit of simultaneous runs. */
  readonly parallel?: number;
  readonly clock?: Clock;
  readonly patience?: Patience;
  /** Called when a run has ended. */
  readonly ended?: (job: Job, execution: Execution) => void;
}
