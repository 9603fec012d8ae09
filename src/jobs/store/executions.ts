import { bit, json, optional, Table } from '../../database/table.js';
import type { ExecutionPhase, ExecutionStatus } from '../definition/words.js';
import type { Estimate } from '../plan/cost.js';

/** One run of a job. Times are milliseconds since the epoch. */
export interface Execution {
  readonly id: number;
  readonly job: string;
  readonly status: ExecutionStatus;
  readonly phase: ExecutionPhase;
  readonly trigger: 'schedule' | 'manual';
  readonly simulation: boolean;
  readonly pid: number;
  readonly started: number;
  readonly ended: number | undefined;
  readonly calls: number;
  readonly stats: ExecutionStats;
  readonly reason: string | undefined;
}

/** Counts for one endpoint: unchanged files, folders, and files that got new content. */
export interface EndStats {
  readonly existing: number;
  readonly existing_bytes: number;
  readonly existing_versions: number;
  readonly folders: number;
  readonly revisions: number;
  /** How often the call limit of the platform refused the run. */
  readonly rate_limits: number;
}

export interface ExecutionStats {
  readonly copied?: number;
  readonly skipped?: number;
  readonly failed?: number;
  readonly deleted?: number;
  readonly unchanged?: number;
  readonly folders?: number;
  readonly pending?: number;
  /** Transferred bytes. */
  readonly bytes?: number;
  /** 0 to 1. */
  readonly progress?: number;
  readonly report?: string;
  /**
   * If the hourly limit or an unreachable endpoint ended the run: when it is continued, milliseconds since the epoch.
   */
  readonly again?: number;
  /** An endpoint is unreachable. */
  readonly away?: Away;
  /**
   * Duration of the plan, milliseconds. The run that continues starts that much earlier, so that its plan is done when
   * it has calls again.
   */
  readonly planned?: number;
  /** Files whose content was transferred. */
  readonly transferred?: { readonly files: number; readonly versions: number };
  /** Files whose content is not transferred yet. */
  readonly left?: { readonly files: number; readonly bytes: number; readonly versions: number };
  readonly source?: EndStats;
  readonly destination?: EndStats;
  /** Ids of the items in progress. */
  readonly processing?: readonly number[];
  /**
   * Result of a simulation. `hours`: duration under the call limit of the connection. `polls_per_hour`: calls per hour
   * for polls that keep up with the interval of the job.
   */
  readonly estimate?: Estimate & { readonly hours: number; readonly polls_per_hour: number };
}

export interface AuditEvent {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly level: string;
  readonly event: string;
  /** Path at the source; `''`: the run itself. */
  readonly path: string;
  readonly reason: string | null;
}

export const executionTable = new Table<Execution>('executions', {
  id: 'id',
  job: 'job',
  status: 'status',
  phase: 'phase',
  trigger: 'trigger',
  simulation: bit('simulation'),
  pid: 'pid',
  started: 'started',
  ended: optional('ended'),
  calls: 'calls',
  stats: json('stats'),
  reason: optional('reason'),
});
/** An endpoint was unreachable: the job waits for it. */
export interface Away {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Checks since then. */
  readonly looks: number;
  /** The run had begun its plan, and a later run continues it. False: the same run starts again. */
  readonly began: boolean;
}
