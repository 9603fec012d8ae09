import { systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { LogLevel } from '../../base/log.js';
import { openLog } from '../../base/log.js';
import { type Jobs, openJobs } from '../../daemon/jobs/open.js';
import { projectOptions } from '../../daemon/run.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import type { Execution } from '../../jobs/store/executions.js';
import type { RunOptions } from '../../jobs/store/job-store.js';
import { Projects } from '../../project/projects.js';
import type { CommandContext } from '../command.js';
import { bytes, plural } from '../format.js';

const PROGRESS_INTERVAL_MS = 200;

/** Opens the jobs of the state folder for the duration of `use`. */
export async function withJobs<T>(context: CommandContext, use: (jobs: Jobs) => Promise<T>): Promise<T> {
  const options = context.options();
  const state = context.state();
  const { log, close } = openLog(options.log_level as LogLevel, state.log('jobs'));
  const projects = new Projects({ state, options, projectOptions: projectOptions(options), log });
  const jobs = openJobs({ state, options, projects, log });
  try {
    return await use(jobs);
  } finally {
    await jobs.close();
    await projects.close();
    close();
  }
}

/**
 * Runs a job: in the running daemon that runs the jobs of this state folder (with `wait`, returns at the end of the
 * run), else in this process.
 */
export async function runJob(
  context: CommandContext,
  { store, engine }: Jobs,
  job: Job,
  options: RunOptions,
  wait: boolean,
): Promise<Execution | undefined> {
  if (engine.lead()) return runHere(context, { store, engine }, job, options);
  const before = store.last.of(job.id, 'any')?.id ?? 0;
  store.ask(job.id, 'start', options);
  if (!wait) return undefined;
  for (;;) {
    await systemClock.sleep(PROGRESS_INTERVAL_MS);
    const execution = store.last.of(job.id, 'any');
    if (execution && execution.id > before && execution.ended !== undefined) return execution;
    progress(context, execution && execution.id > before ? execution : undefined);
    // The daemon may have ended since; then this process runs the job.
    if (engine.lead()) return runHere(context, { store, engine }, job, options);
  }
}

async function runHere(
  context: CommandContext,
  { store, engine }: Pick<Jobs, 'store' | 'engine'>,
  job: Job,
  options: RunOptions,
): Promise<Execution> {
  const stop = (): void => {
    engine.cancel(job.id);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const showing = setInterval(() => progress(context, store.last.of(job.id, 'any')), PROGRESS_INTERVAL_MS);
  try {
    return await engine.run(job.id, 'manual', options);
  } finally {
    clearInterval(showing);
    process.off('SIGINT', stop).off('SIGTERM', stop);
    if (process.stderr.isTTY && !context.json) process.stderr.write('\r\u001b[K');
  }
}

/** Shows the progress in one line that is overwritten. */
function progress(context: CommandContext, execution: Execution | undefined): void {
  if (context.json || !process.stderr.isTTY || !execution) return;
  const { copied = 0, bytes: moved = 0, progress: part = 0 } = execution.stats;
  process.stderr.write(
    `\r\u001b[K${execution.phase}  ${Math.floor(part * 100)} %  ${plural(copied, 'file')}, ${bytes(moved)}, ${plural(execution.calls, 'call')}`,
  );
}

/** The JSON output for a run. */
export const runResult = (job: Job, { id, status, stats, calls, reason }: Execution) => ({
  id: job.id,
  execution: id,
  status,
  items: { copied: stats.copied ?? 0, skipped: stats.skipped ?? 0, failed: stats.failed ?? 0 },
  deleted: stats.deleted ?? 0,
  unchanged: stats.unchanged ?? 0,
  bytes: stats.bytes ?? 0,
  calls,
  ...(reason === undefined ? {} : { reason }),
  report: stats.report,
});

export function describeRun(job: Job, execution: Execution): string {
  const { status, stats, calls, reason } = execution;
  const parts = [
    `${plural(stats.copied ?? 0, 'file')} copied (${bytes(stats.bytes ?? 0)})`,
    ...(stats.deleted ? [`${stats.deleted} deleted`] : []),
    `${stats.unchanged ?? 0} unchanged`,
    ...(stats.skipped ? [`${stats.skipped} skipped`] : []),
    ...(stats.failed ? [`${stats.failed} failed`] : []),
    plural(calls, 'API call'),
  ];
  const lines = [`${job.name}: ${status.replaceAll('_', ' ')}`, `  ${parts.join(', ')}`];
  if (reason !== undefined) lines.push(`  ${reason}`);
  if (stats.report !== undefined) lines.push(`  report: ${stats.report}`);
  return lines.join('\n');
}

/** Fails for a run that was not fully successful, so that scripts see a non-zero exit status. */
export function requireGood(job: Job, execution: Execution): void {
  const isBad = ['failed', 'failed_to_start', 'cancelled', 'not_complete'].includes(execution.status);
  const failed = execution.stats.failed ?? 0;
  if (!isBad && failed === 0) return;
  throw new Failure('job-failed', {
    name: job.name,
    status: execution.status.replaceAll('_', ' '),
    why: execution.reason ?? `${failed} items failed`,
  });
}
