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

/** One end of a transfer: files that were as they should be, folders, and files that got new content. */
export interface EndStats {
  readonly existing: number;
  readonly existing_bytes: number;
  readonly existing_versions: number;
  readonly folders: number;
  readonly revisions: number;
  /** Times that the platform's limit of calls turned the run away. */
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
  /** Bytes that were transferred. */
  readonly bytes?: number;
  /** 0 to 1. */
  readonly progress?: number;
  readonly report?: string;
  /** It was cut because the hour's calls were spent, or an end was away: when it goes on, milliseconds since the epoch. */
  readonly again?: number;
  /** An end is away. */
  readonly away?: Away;
  /** How long its plan took, milliseconds: the run that goes on begins that much earlier, and then has calls to spend. */
  readonly planned?: number;
  /** Files whose content was transferred. */
  readonly transferred?: { readonly files: number; readonly versions: number };
  /** Files whose content is still to be transferred. */
  readonly left?: { readonly files: number; readonly bytes: number; readonly versions: number };
  readonly source?: EndStats;
  readonly destination?: EndStats;
  /** Ids of the items that are being worked on. */
  readonly processing?: readonly number[];
  /**
   * What a simulation found; `hours` under the limit of the connection, and the calls of each hour by which polls keep up
   * with the interval of the job.
   */
  readonly estimate?: Estimate & { readonly hours: number; readonly polls_per_hour: number };
}

export interface AuditEvent {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly level: string;
  readonly event: string;
  /** At the source; `''`: the run itself. */
  readonly path: string;
  readonly reason: string | null;
}

export interface ExecutionRow extends Omit<Execution, 'simulation' | 'ended' | 'stats' | 'reason'> {
  readonly simulation: number;
  readonly ended: number | null;
  readonly stats: string;
  readonly reason: string | null;
}

export const toExecution = ({ simulation, ended, stats, reason, ...row }: ExecutionRow): Execution => ({
  ...row,
  simulation: simulation === 1,
  ended: ended ?? undefined,
  stats: JSON.parse(stats) as ExecutionStats,
  reason: reason ?? undefined,
});
/** An end of a transfer was not there: the job waits for it. */
export interface Away {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Looks since then. */
  readonly looks: number;
  /** Something had been planned, and is left to do. Otherwise the same run begins again. */
  readonly began: boolean;
}
