import type { Connections } from '../../connections/store.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import type { Execution } from '../../jobs/store/executions.js';
import type { JobStore } from '../../jobs/store/job-store.js';
import type { MountedView } from '../mounted-view.js';
import { concerns, endOf } from './places.js';

/** A job as `status` shows it. Times are ISO 8601. */
export interface JobLine {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly status: string;
  readonly health: string;
  readonly disabled: boolean;
  readonly next_run: string | undefined;
  readonly last:
    | {
        readonly status: string;
        readonly started: string;
        readonly ended: string | undefined;
        readonly copied: number;
        readonly failed: number;
        readonly bytes: number;
        readonly calls: number;
        readonly reason: string | undefined;
      }
    | undefined;
}

/** The jobs whose source or destination is in the mounted project, or in any project of the mounted company. */
export function jobLines(store: JobStore, connections: Connections, shown: MountedView): JobLine[] {
  return store
    .list()
    .filter(({ transfer }) => [transfer.source, transfer.destination].some((end) => isOf(connections, end, shown)))
    .map((job) => jobLine(job, store.last.of(job.id, 'any')));
}

/** Whether a side of a transfer is in the view. A side whose connection no longer exists is in none. */
function isOf(connections: Connections, side: Job['transfer']['source'], { project, session }: MountedView): boolean {
  try {
    if (project) return concerns(connections, side, project.session);
    const end = endOf(connections, side);
    return end.kind === 'project' && end.connection.id === session.connection.id;
  } catch {
    return false;
  }
}

function jobLine(job: Job, last: Execution | undefined): JobLine {
  const { id, name, status, health, disabled, execute_on, transfer } = job;
  return {
    id,
    name,
    type: transfer.transfer_type,
    status,
    health,
    disabled,
    next_run: execute_on === undefined || disabled ? undefined : iso(execute_on * 1000),
    last: last && {
      status: last.status,
      started: iso(last.started),
      ended: last.ended === undefined ? undefined : iso(last.ended),
      copied: last.stats.copied ?? 0,
      failed: last.stats.failed ?? 0,
      bytes: last.stats.bytes ?? 0,
      calls: last.calls,
      reason: last.reason,
    },
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();
