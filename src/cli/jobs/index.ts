import { createReadStream, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../../base/errors.js';
import type { Jobs } from '../../daemon/jobs/open.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import { refusedKeys, transferKeys } from '../../jobs/definition/transfer-schema.js';
import { FLAGGED } from '../../jobs/definition/words.js';
import { heed, ignore } from '../../jobs/flagged.js';
import { auditLines } from '../../jobs/report/report.js';
import type { JobRequest } from '../../jobs/store/job-store.js';
import type { Command, CommandContext, FlagRow } from '../command.js';
import { bytes, columns, plural } from '../format.js';
import { bodyFrom } from './definition.js';
import { describeRun, requireGood, runJob, runResult, withJobs } from './run.js';

const executionFlag: FlagRow = { flags: '--execution <ID>', help: 'of another run' };

const time = (seconds: number | undefined): string =>
  seconds === undefined ? '' : new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ');

/** A command for the job that its first argument names. */
const forJob = (
  row: Omit<Command, 'run'>,
  run: (job: Job, jobs: Jobs, context: CommandContext) => Promise<void>,
): Command => ({
  arguments: '<name>',
  ...row,
  run: (context) => withJobs(context, (jobs) => run(jobs.store.get(context.argument(0)), jobs, context)),
});

const add: Command = {
  name: 'jobs add',
  arguments: '[name]',
  summary: 'define a job; prints its id',
  flags: [
    { flags: '--from <SIDE>', help: 'CONNECTION:[PROJECT][/path], or a folder of this machine' },
    { flags: '--to <SIDE>', help: 'the same' },
    { flags: '--type <TYPE>', help: 'copy, sync, move, migrate, publish, taxonomy (copy)' },
    {
      flags: '--schedule <WHEN>',
      help: 'manual, auto, ad-hoc, "every 15m", "daily 02:00", "weekdays 21:30", JSON (manual)',
    },
    {
      flags: '--set <KEY=VALUE>',
      help: `one of ${transferKeys.join(', ')}; or schedule., stop_policy., notify.KEY (not: ${Object.keys(refusedKeys).join(', ')})`,
      repeat: true,
    },
    { flags: '--file <JOB.json>', help: 'the body of POST /v1/jobs' },
  ],
  run: (context) =>
    withJobs(context, async ({ store, engine }) => {
      const body = bodyFrom(context);
      await engine.check(body.name, body.transfer);
      const job = store.add(body);
      context.show(job, () => job.id);
    }),
};

const run = forJob(
  {
    name: 'jobs run',
    summary: 'run a job now, in the daemon that runs jobs, else here',
    flags: [
      { flags: '--wait', help: 'until it has ended; exit 1 if an item failed' },
      { flags: '--simulate', help: 'say what would be done, and touch nothing' },
      { flags: '--allow-deletions', help: 'also more deletions than delete_guard permits' },
    ],
  },
  async (job, jobs, context) => {
    const options = {
      simulate: context.flags.simulate === true || job.transfer.simulation_mode,
      allowDeletions: context.flags.allowDeletions === true,
    };
    const execution = await runJob(context, jobs, job, options, context.flags.wait === true);
    if (!execution) {
      context.show({ id: job.id, status: 'start' }, () => `${job.name} was started; procorefs jobs show ${job.name}`);
      return;
    }
    context.show(runResult(job, execution), () => describeRun(job, execution));
    requireGood(job, execution);
  },
);

const estimate = forJob(
  {
    name: 'jobs estimate',
    summary: 'calls, hours, bytes, names that must change, problems: before anything starts',
  },
  async (job, jobs, context) => {
    const execution = await runJob(context, jobs, job, { simulate: true }, true);
    const found = execution?.stats.estimate;
    if (!execution || !found || !['completed', 'warn'].includes(execution.status))
      throw new Failure('job-failed', {
        name: job.name,
        status: execution?.status ?? 'not run',
        why: execution?.reason,
      });
    context.show(found, () =>
      columns([
        ['items', found.items.toLocaleString('en-US')],
        ['bytes', bytes(found.bytes)],
        ['API calls', found.calls.toLocaleString('en-US')],
        ['hours under the cap', String(found.hours)],
        ['API calls an hour to keep up', String(found.polls_per_hour)],
        ['deletions', String(found.deletions)],
        ['names that must change', String(found.renames)],
        ['items that will fail', String(found.problems)],
        ['private items', String(found.private)],
        ['of them for others too there', String(found.private_open)],
        ['left out by filters', String(found.excluded)],
        ['of them private', String(found.private_excluded)],
        ['unchanged', String(found.unchanged)],
      ]),
    );
  },
);

const list: Command = {
  name: 'jobs list',
  summary: 'the jobs, when they run next',
  run: (context) =>
    withJobs(context, async ({ store }) => {
      const jobs = store.list();
      context.show(jobs, () =>
        jobs.length === 0
          ? 'there are no jobs'
          : columns([
              ['NAME', 'TYPE', 'STATUS', 'NEXT RUN (UTC)', 'CATEGORY'],
              ...jobs.map((job) => [
                job.name,
                job.transfer.transfer_type,
                job.status,
                time(job.execute_on),
                job.category?.name ?? '',
              ]),
            ]),
      );
    }),
};

const show = forJob({ name: 'jobs show', summary: 'a job, and its last runs' }, async (job, { store }, context) => {
  const executions = store.executions(job.id, 20);
  context.show(
    { ...job, executions },
    () => `${describeJob(job)}\n${executions.map((one) => describeRun(job, one)).join('\n')}`,
  );
});

function describeJob(job: Job): string {
  const { source, destination, transfer_type } = job.transfer;
  return columns([
    ['name', job.name],
    ['id', job.id],
    ['type', transfer_type],
    ['from', `${source.connection.id}:${source.target.path}`],
    ['to', `${destination.connection.id}:${destination.target.path}`],
    ['status', `${job.status}, ${job.health}`],
    ['runs', `${job.counts.executions} (${job.counts.failures} with failures)`],
    ['next run', time(job.execute_on)],
  ]);
}

/** A command that stores a request for the process that runs the job. */
const ask = (request: JobRequest, summary: string): Command =>
  forJob({ name: `jobs ${request}`, summary }, async (job, { store }, context) => {
    store.ask(job.id, request);
    context.show({ id: job.id, requested: request }, () => `${job.name}: ${request}`);
  });

const items = forJob(
  {
    name: 'jobs items',
    summary: 'what the last run did with each item, and why',
    flags: [{ flags: '--flagged', help: 'only what a person must look at' }, executionFlag],
  },
  async (job, { store }, context) => {
    const execution = executionOf(context, store.executions(job.id));
    const rows = [...store.items(execution).rows(context.flags.flagged === true ? FLAGGED : undefined)];
    context.show(rows, () =>
      rows.length === 0
        ? 'nothing'
        : columns([
            ['ID', 'STATUS', 'ACTION', 'SIZE', 'PATH', 'WHY'],
            ...rows.map((row) => [
              String(row.id),
              row.status,
              row.action,
              row.isFolder ? '' : bytes(row.bytes),
              join(row.folder, row.name),
              row.reason ?? '',
            ]),
          ]),
    );
  },
);

const report = forJob(
  {
    name: 'jobs report',
    summary: 'the report of the last run: a summary, every item, every renamed item',
    flags: [
      { flags: '--csv', help: 'each item, as CSV' },
      { flags: '--manifest', help: 'each item that has another name at the destination, as CSV' },
      { flags: '--audit', help: 'what happened, as far as audit_level keeps it, as CSV' },
      executionFlag,
    ],
  },
  async (job, { store }, context) => {
    const id = executionOf(context, store.executions(job.id));
    const execution = store.execution(id)!;
    if (context.flags.audit === true) {
      await pipeline(Readable.from(auditLines(store.auditOf(id))), process.stdout, { end: false });
      return;
    }
    const folder = execution.stats.report;
    if (folder === undefined) throw new Failure('no-such-job', { name: `report of ${job.name}` });
    if (context.flags.csv === true || context.flags.manifest === true) {
      const file = context.flags.manifest === true ? 'manifest.csv' : 'items.csv';
      await pipeline(createReadStream(join(folder, file)), process.stdout, { end: false });
      return;
    }
    const summary: unknown = JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8'));
    context.show(summary, () => describeRun(job, execution));
  },
);

function executionOf(context: CommandContext, executions: readonly { readonly id: number }[]): number {
  const wanted = context.flag('execution');
  const found = wanted === undefined ? executions[0] : executions.find(({ id }) => String(id) === wanted);
  if (!found)
    throw new Failure('no-such-job', {
      name: wanted === undefined ? `${context.argument(0)} (it never ran)` : `run ${wanted}`,
    });
  return found.id;
}

const retry: Command = {
  ...run,
  name: 'jobs retry',
  arguments: '<name> [items...]',
  summary: 'run a job again: what was flagged is tried once more, and what was ignored if it is named',
  async run(context) {
    await withJobs(context, async ({ store }) => heed(store, store.get(context.argument(0)), context.args.slice(1)));
    await run.run(context);
  },
};

const ignoreItems = forJob(
  {
    name: 'jobs ignore',
    arguments: '<name> [items...]',
    summary: 'leave flagged items alone, by path or id (all without), until jobs retry names them',
  },
  async (job, { store }, context) => {
    const ignored = ignore(store, job, context.args.slice(1));
    context.show({ id: job.id, ignored }, () =>
      ignored.length === 0 ? 'nothing is flagged' : ignored.map((path) => `ignored: ${path}`).join('\n'),
    );
  },
);

const remove = forJob(
  { name: 'jobs remove', summary: 'forget a job and its runs; what it copied stays' },
  async (job, { engine }, context) => {
    engine.remove(job.id);
    context.show(
      { id: job.id, removed: true },
      () => `${job.name} is removed; ${plural(job.counts.executions, 'run')} forgotten`,
    );
  },
);

export const jobCommands: readonly Command[] = [
  add,
  run,
  estimate,
  list,
  show,
  ask('pause', 'hold a run up, and the schedule'),
  ask('resume', 'go on'),
  ask('cancel', 'end a run; the next one goes on where it ended'),
  items,
  report,
  retry,
  ignoreItems,
  remove,
];
