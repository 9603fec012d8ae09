import { existsSync, readdirSync, realpathSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.js';
import { tryLock } from '../../base/lock.js';
import type { OptionValues } from '../../base/options.js';
import { Connections, isTarget } from '../../connections/store.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import { staleSince } from '../../jobs/schedule/stale.js';
import type { JobStore } from '../../jobs/store/job-store.js';
import { leftInOutbox } from '../../outbox/intents/left.js';
import type { UploadLine } from '../../outbox/uploads-view.js';
import type { MountRecord, StateFolder } from '../../project/state-folder.js';
import { readConfiguredMounts } from '../configured-mounts.js';
import { askMount } from '../control.js';
import type { MountStatus } from '../status.js';
import type { HealthFinding } from './finding.js';
import { heldFinding, OLD_CHANGE_MS, oldFinding, outboxFindings } from './outbox-findings.js';

export interface HealthReport {
  readonly level: 'ok' | 'warning' | 'broken';
  /** Held changes come first. */
  readonly findings: readonly HealthFinding[];
  readonly mounts: number;
  readonly jobs: number;
  readonly connections: number;
}

/** Milliseconds that a daemon may take to answer. */
const ANSWER_LIMIT_MS = 5000;
/** Free disk space in bytes below which nothing works. */
const NO_DISK_BYTES = 64 * 2 ** 20;

/** Inspects everything in a state folder: mounts, jobs, connections, outboxes, disk. Makes no API call. */
export async function inspectHealth(
  state: StateFolder,
  options: OptionValues,
  store: JobStore | undefined,
  now = systemClock.now(),
): Promise<HealthReport> {
  const connections = new Connections(state.path);
  const mounts = state.mounts();
  const jobs = store?.list() ?? [];
  const found = await Promise.all(mounts.map((mount) => ofMount(mount, connections, now)));
  const findings: HealthFinding[] = [
    ...disk(state, Number(options.cache_reserve)),
    ...found.flat(),
    ...missing(state, mounts),
    ...outboxes(state, now),
    ...signIns(connections),
    ...(store ? jobs.flatMap((job) => ofJob(job, store, now)) : []),
    ...runner(state, jobs),
  ].sort((a, b) => Number(b.kind === 'held') - Number(a.kind === 'held'));
  return {
    level: levelOf(findings),
    findings,
    mounts: mounts.length,
    jobs: jobs.length,
    connections: connections.all().length,
  };
}

const levelOf = (findings: readonly HealthFinding[]): HealthReport['level'] =>
  findings.some(({ level }) => level === 'broken') ? 'broken' : findings.length > 0 ? 'warning' : 'ok';

/** Configured mounts that do not exist: they failed, were unmounted, or the service does not run. */
const missing = (state: StateFolder, mounts: readonly MountRecord[]): HealthFinding[] =>
  readConfiguredMounts(state)
    .filter(({ mountpoint }) => {
      const isThere = (place: string): boolean => mounts.some((one) => one.mountpoint === place);
      return !isThere(mountpoint) && !(existsSync(mountpoint) && isThere(realpathSync(mountpoint)));
    })
    .map(({ mountpoint }) => ({
      level: 'warning',
      kind: 'mount',
      subject: mountpoint,
      message: `${mountpoint} stands in the configuration, and is not mounted (procorefs serve)`,
    }));

async function ofMount(record: MountRecord, connections: Connections, now: number): Promise<HealthFinding[]> {
  const { mountpoint } = record;
  const ask = <T>(method: string): Promise<T> =>
    askMount<T>(record, method, { mountpoint }, AbortSignal.timeout(ANSWER_LIMIT_MS));
  let status: MountStatus;
  let lines: UploadLine[];
  try {
    [status, lines] = await Promise.all([ask<MountStatus>('status'), ask<UploadLine[]>('uploads')]);
  } catch {
    return [
      { level: 'broken', kind: 'mount', subject: mountpoint, message: `${mountpoint}: its daemon does not answer` },
    ];
  }
  const findings: HealthFinding[] = [];
  const connection = connections.all().find(({ name }) => name === status.connection)?.id;
  const at = { subject: mountpoint, ...(connection === undefined ? {} : { connection }) };
  if (status.state === 'signed-out')
    findings.push({ ...at, level: 'broken', kind: 'signed-out', message: signedOut(status.connection) });
  if (status.state === 'offline')
    findings.push({ ...at, level: 'warning', kind: 'offline', message: `${mountpoint}: the server is not reached` });
  findings.push(...writerFindings(mountpoint, status.mirror.writerDeaths).map((one) => ({ ...at, ...one })));
  findings.push(...outboxFindings(mountpoint, lines, now).map((one) => ({ ...at, ...one })));
  return findings;
}

/** One end of the thread is made good by its next start. */
export function writerFindings(
  mountpoint: string,
  deaths: number,
): Pick<HealthFinding, 'level' | 'kind' | 'message'>[] {
  if (deaths < 2) return [];
  const message = `${mountpoint}: what the server says is stored late: the mirror's writer has ended ${deaths} times (see the log)`;
  return [{ level: 'warning', kind: 'mount', message }];
}

const signedOut = (name: string): string => `"${name}" is signed out (procorefs connections login)`;

/** Projects that are not mounted: pending changes there wait until the project is mounted. */
function outboxes(state: StateFolder, now: number): HealthFinding[] {
  return readdirSync(join(state.path, 'projects')).flatMap((key): HealthFinding[] => {
    const folder = state.projectPath(key);
    const held = tryLock(join(folder, 'lock'));
    if (!held) return [];
    try {
      const { count, since, heldCount } = leftInOutbox(folder);
      const at = { subject: key, connection: key.split('-')[0]! };
      const isOld = since !== undefined && now - since > OLD_CHANGE_MS;
      const where = `project ${key}`;
      const found =
        heldCount > 0 ? heldFinding(where, heldCount) : isOld ? oldFinding(where, count, new Date(since)) : undefined;
      return found ? [{ ...at, ...found, message: `${found.message}, and it is not mounted` }] : [];
    } finally {
      held.release();
    }
  });
}

/** Expired sign-ins of people. Service accounts sign in automatically. */
function signIns(connections: Connections): HealthFinding[] {
  return connections.all().flatMap((one): HealthFinding[] => {
    if (isTarget(one) || one.grant !== 'authorization-code') return [];
    const tokens = connections.secrets.tokens(one.id);
    // Without a reason, the refresh token is missing only because it is in use at the moment.
    if (tokens && (tokens.refresh || tokens.ended === undefined)) return [];
    const message = signedOut(one.name);
    return [{ level: 'broken', kind: 'signed-out', subject: one.id, connection: one.id, message }];
  });
}

function ofJob(job: Job, store: JobStore, now: number): HealthFinding[] {
  if (job.disabled) return [];
  const { id, name } = job;
  const at = { subject: id, job: { id, name } };
  const runs = store.executions(id, 100).filter(({ simulation }) => !simulation);
  const last = runs[0];
  const away = last?.stats.away;
  if (last && last.ended === undefined && !away) return [];
  const findings: HealthFinding[] = [];
  if (away)
    findings.push({
      ...at,
      level: 'warning',
      kind: 'waiting',
      message: `job "${name}" waits since ${minute(away.since)} UTC${last.reason === undefined ? '' : `: ${last.reason}`}`,
      age: now - away.since,
    });
  else if (last?.status === 'failed' || last?.status === 'failed_to_start')
    findings.push({
      ...at,
      level: 'broken',
      kind: 'failed',
      message: `job "${name}" ${last.status.replaceAll('_', ' ')}${last.reason === undefined ? '' : `: ${last.reason}`}`,
    });
  else if (last?.status === 'warn' || (last?.stats.failed ?? 0) > 0)
    findings.push({
      ...at,
      level: 'warning',
      kind: 'flagged',
      message: `job "${name}" has ${last?.stats.failed ?? 0} flagged items (procorefs jobs items --flagged)`,
    });
  const good = runs.find(({ status }) => ['completed', 'no_changes', 'warn'].includes(status));
  const since = staleSince(job, good?.ended, now);
  if (since !== undefined) {
    const when = good?.ended === undefined ? 'never' : `last ${new Date(good.ended).toISOString().slice(0, 16)} UTC`;
    findings.push({
      ...at,
      level: 'warning',
      kind: 'stale',
      message: `job "${name}" is overdue: it succeeded ${when}`,
    });
  }
  return findings;
}

const minute = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');

/** Reports scheduled jobs if no daemon runs them. */
function runner(state: StateFolder, jobs: readonly Job[]): HealthFinding[] {
  const waiting = jobs.filter(
    ({ disabled, status, schedule }) => !disabled && status !== 'complete' && schedule.mode !== 'manual',
  );
  if (waiting.length === 0) return [];
  const held = tryLock(join(state.jobs(), 'lock'));
  held?.release();
  if (!held) return [];
  const message = `no daemon is up that runs the ${waiting.length} scheduled job${waiting.length === 1 ? '' : 's'}: mount something`;
  return [{ level: 'warning', kind: 'no-runner', subject: 'jobs', message }];
}

function disk({ path }: StateFolder, reserve: number): HealthFinding[] {
  const { bavail, bsize } = statfsSync(path);
  const free = bavail * bsize;
  if (free >= reserve) return [];
  const message = `${Math.floor(free / 2 ** 20)} MiB are free on the disk of ${path}`;
  return [{ level: free < NO_DISK_BYTES ? 'broken' : 'warning', kind: 'disk', subject: path, message }];
}
