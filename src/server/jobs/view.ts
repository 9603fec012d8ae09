import { hostname } from 'node:os';
import * as z from 'zod';
import type { AnyConnection, Connections } from '../../connections/store.js';
import { childPath } from '../../endpoints/paths.js';
import type { Job, Ways } from '../../jobs/definition/job-schema.js';
import { FLAGGED } from '../../jobs/definition/words.js';
import type { EndStats, Execution } from '../../jobs/store/executions.js';
import type { RunItem } from '../../jobs/store/items.js';
import type { JobStore } from '../../jobs/store/job-store.js';
import { type Account, permits } from '../access/account.js';
import { HIDDEN_VALUE, milliseconds, seconds } from '../http/wire.js';

const number = z.number();
const nullable = z.string().nullable();

const amount = z.object({ files: number, bytes: number, versions: number });
const sideStats = z.object({
  existing: amount,
  new: amount,
  pending: amount,
  folders: number,
  flagged: number,
  revisions: number,
  ignored: number,
  rate_limits: number,
});

export const statsReply = z.object({
  source: sideStats,
  destination: sideStats,
  errors: z.object({ warnings: number, failures: number }),
  calls: number,
  deleted: number,
  estimate: z.looseObject({}).nullable(),
});

/**
 * Counts of a run. For a side, `existing` are files that were already as required, `new` those read from it or written
 * to it, `pending` those still to be copied, `folders` all its folders, `revisions` its files with new content,
 * `rate_limits` how often its limit of calls ended the run.
 */
export function statsJson(execution: Execution | undefined): z.input<typeof statsReply> {
  const stats = execution?.stats ?? {};
  const { bytes = 0, failed = 0, skipped = 0, transferred, left } = stats;
  const side = (end: EndStats | undefined): z.input<typeof sideStats> => ({
    existing: {
      files: end?.existing ?? 0,
      bytes: end?.existing_bytes ?? 0,
      versions: end?.existing_versions ?? 0,
    },
    new: { files: transferred?.files ?? 0, bytes, versions: transferred?.versions ?? 0 },
    pending: { files: 0, bytes: 0, versions: 0, ...left },
    folders: end?.folders ?? 0,
    flagged: failed,
    revisions: end?.revisions ?? 0,
    ignored: skipped,
    rate_limits: end?.rate_limits ?? 0,
  });
  const isFailure = execution && ['failed', 'failed_to_start', 'failing'].includes(execution.status);
  return {
    source: side(stats.source),
    destination: side(stats.destination),
    errors: { warnings: isFailure ? 0 : failed, failures: isFailure ? Math.max(1, failed) : 0 },
    calls: execution?.calls ?? 0,
    deleted: stats.deleted ?? 0,
    estimate: stats.estimate ? { ...stats.estimate } : null,
  };
}

export const executionReply = z.object({
  id: z.string(),
  job_id: z.string(),
  job: z.object({ id: z.string(), name: z.string() }),
  progress: number,
  phase: z.string(),
  start_time: number,
  end_time: number.nullable(),
  duration: z.object({ value: number, unit: z.literal('ms') }),
  status: z.string(),
  trigger: z.enum(['schedule', 'manual']),
  simulation: z.boolean(),
  reason: nullable,
  node_address: z.string(),
  stats: statsReply,
  links: z.object({ items: z.string(), report: nullable }),
});

const HOST = hostname();

/** @param now milliseconds since the epoch, for the duration of a run that goes on */
export function executionJson(
  job: Pick<Job, 'id' | 'name'>,
  execution: Execution,
  now: number,
): z.input<typeof executionReply> {
  const { id, started, ended, stats, phase, status, trigger, simulation, reason } = execution;
  return {
    id: String(id),
    job_id: job.id,
    job: { id: job.id, name: job.name },
    progress: ended === undefined ? (stats.progress ?? 0) : 1,
    phase,
    start_time: seconds(started),
    end_time: ended === undefined ? null : seconds(ended),
    duration: milliseconds((ended ?? now) - started),
    status,
    trigger,
    simulation,
    reason: reason ?? null,
    node_address: HOST,
    stats: statsJson(execution),
    links: {
      items: `/v1/transfers/items?job=${job.id}&execution=${id}`,
      report: stats.report === undefined ? null : `/v1/jobs/history/${id}/report`,
    },
  };
}

const reference = z.looseObject({ connection: z.object({ id: z.string(), name: nullable, platform: nullable }) });

export const jobReply = z.object({
  id: z.string(),
  parent_id: nullable,
  kind: z.literal('transfer'),
  name: z.string(),
  description: nullable,
  category: z.object({ id: z.string(), name: z.string() }).nullable(),
  transfer: z.looseObject({ transfer_type: z.string(), source: reference, destination: reference }),
  schedule: z.looseObject({ mode: z.string() }),
  stop_policy: z.object({ on_success: number, on_failure: number, on_execute: number }),
  priority: number,
  status: z.string(),
  health: z.string(),
  execute_on: number.nullable(),
  previous_execution: executionReply.nullable(),
  execution: executionReply.nullable(),
  retention: z.object({ days: number }),
  /** For users with the role `manage`; values that may hold a secret are `[hidden]`. */
  notify: z
    .object({
      command: z.string().optional(),
      program: z.string().optional(),
      mail: z.string().optional(),
      url: z.string().optional(),
    })
    .optional(),
  disabled: z.boolean(),
  counts: z.object({ executions: number, completions: number, failures: number }),
  created_by: z.string(),
  created_on: number,
  modified_by: z.string(),
  modified_on: number,
});

/** The connections that a list of jobs needs, read once. */
export const namesOf = (connections: Connections): ReadonlyMap<string, AnyConnection> =>
  new Map(connections.all().flatMap((one) => [[one.name, one] as const, [one.id, one] as const]));

/** Shows only the host of a URL: its path and query may contain a token. */
export function shownWays({ command, url, ...rest }: Ways): Ways {
  return {
    ...rest,
    ...(command === undefined ? {} : { command: HIDDEN_VALUE }),
    ...(url === undefined ? {} : { url: `${new URL(url).origin}/${HIDDEN_VALUE}` }),
  };
}

export function jobJson(
  store: JobStore,
  names: ReadonlyMap<string, AnyConnection>,
  account: Account,
  { notify, ...job }: Job,
): object {
  const [last, before] = store.executions(job.id, 2);
  const now = store.clock.now();
  const isRunning = last !== undefined && last.ended === undefined;
  const previous = isRunning ? before : last;
  const side = <T extends Job['transfer']['source']>(one: T) => ({
    ...one,
    connection: {
      id: one.connection.id,
      name: names.get(one.connection.id)?.name ?? null,
      platform: names.get(one.connection.id)?.platform ?? null,
    },
  });
  return {
    ...job,
    ...(notify && permits(account, 'manage') ? { notify: shownWays(notify) } : {}),
    parent_id: job.parent_id ?? null,
    description: job.description ?? null,
    category: job.category ?? null,
    execute_on: job.execute_on ?? null,
    transfer: { ...job.transfer, source: side(job.transfer.source), destination: side(job.transfer.destination) },
    execution: isRunning ? executionJson(job, last, now) : null,
    previous_execution: previous ? executionJson(job, previous, now) : null,
  } satisfies z.input<typeof jobReply>;
}

export const runItemReply = z.object({
  id: z.string(),
  job_id: z.string(),
  job: z.object({ id: z.string(), name: z.string() }),
  execution_id: z.string(),
  name: z.string(),
  type: z.enum(['folder', 'file']),
  source: z.object({ path: z.string(), bytes: number }),
  destination: z.object({ path: z.string(), bytes: number }),
  source_to_destination: z.boolean(),
  action: z.string(),
  status: z.string(),
  audit_category: z.string(),
  reason: nullable,
  renamed: nullable,
  retried: number,
  attempts: number,
  items: number,
  processing: z.boolean(),
  transferred_on: number.nullable(),
});

/** Actions that write to the source. */
const BACK = new Set(['copy-back', 'delete-source', 'clear-source', 'create-folder-source', 'protect-source']);

const PENDING = 'pending';

/** Ids of the items that a run is working on. */
export const processingOf = ({ ended, stats }: Execution): readonly number[] =>
  ended === undefined ? (stats.processing ?? []) : [];

/** @param processing ids of the items that the run is working on */
export function itemJson(
  job: Pick<Job, 'id' | 'name'>,
  item: RunItem,
  processing: readonly number[] = [],
): z.input<typeof runItemReply> {
  const path = (folder: string, name: string): string => `/${childPath(folder, name)}`;
  return {
    id: String(item.id),
    job_id: job.id,
    job: { id: job.id, name: job.name },
    execution_id: String(item.execution),
    name: item.name,
    type: item.isFolder ? 'folder' : 'file',
    source: { path: path(item.folder, item.name), bytes: item.bytes },
    destination: { path: path(item.otherFolder, item.otherName), bytes: item.status === PENDING ? 0 : item.bytes },
    source_to_destination: !BACK.has(item.action),
    action: item.action,
    status: item.status,
    audit_category: FLAGGED.includes(item.status) ? 'flagged' : item.status === 'skipped' ? 'ignored' : 'transfer',
    reason: item.reason ?? null,
    renamed: item.renamed ?? null,
    retried: Math.max(0, item.attempts - 1),
    attempts: item.attempts,
    items: item.count,
    processing: item.status === PENDING && processing.includes(item.id),
    transferred_on: item.doneAt === undefined ? null : seconds(item.doneAt),
  };
}
