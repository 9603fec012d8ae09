import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errnoOf, Failure } from '../../base/errors.js';
import { jobBodySchema } from '../../jobs/definition/job-schema.js';
import type { Execution } from '../../jobs/store/executions.js';
import type { Account } from '../access/account.js';
import { count, list, one, pageOf, plain, type Route, removal } from '../http/route.js';
import { sorted, sortWord } from '../http/sort.js';
import { id, word } from '../http/wire.js';
import type { ServiceParts } from '../parts.js';
import { addJob, changeJob, cloneJob } from './define.js';
import { type JobFilter, jobFilter, jobSorts, jobsOf } from './filter.js';
import { actOf, start, verbBody, verbs } from './verbs.js';
import { executionJson, executionReply, jobJson, jobReply, namesOf } from './view.js';

const TAG = 'jobs';

/** The schema of the engine reports the errors of a job; this one only describes it. */
const jobBody = z.record(z.string(), z.unknown()).meta({ ...describedJob() });

function describedJob() {
  const { $schema: _, ...schema } = z.toJSONSchema(jobBodySchema, { io: 'input', unrepresentable: 'any' });
  return schema as Record<string, unknown>;
}

const changedJob = z.record(z.string(), z.unknown());

const categoryReply = z.object({ id: z.string(), name: z.string() });

const estimateReply = z.looseObject({
  items: z.number(),
  bytes: z.number(),
  calls: z.number(),
  hours: z.number(),
  polls_per_hour: z.number().optional(),
  renames: z.number(),
  problems: z.number(),
});

export function jobRoutes(parts: ServiceParts): Route[] {
  const { store, engine, connections } = parts;
  const show = (idOrName: string, account: Account): object =>
    jobJson(store, namesOf(connections), account, store.get(idOrName));
  const history = (execution: Execution): object =>
    executionJson(store.get(execution.job), execution, store.clock.now());
  // Names of connections are read once for each request.
  const sorts = () => jobSorts(store, connections);
  const executionOf = (text: string): Execution => {
    const found = /^\d{1,15}$/.test(text) ? store.execution(Number(text)) : undefined;
    if (!found) throw new Failure('no-such-address', { path: `run ${text}` });
    return found;
  };
  return [
    list({
      path: '/v1/jobs',
      summary: 'the jobs, by name unless sorted otherwise',
      tag: TAG,
      causes: [],
      type: 'jobs',
      query: { ...jobFilter, sort: sortWord(sorts()) },
      reply: jobReply,
      csv: [
        'id',
        'name',
        'transfer.transfer_type',
        'transfer.source.connection.name',
        'transfer.source.target.path',
        'transfer.destination.connection.name',
        'transfer.destination.target.path',
        'status',
        'health',
        'category.name',
        'schedule.mode',
        'execute_on',
        'disabled',
        'created_on',
      ],
      page: ({ query, account }, range) => {
        const { sort, ...filter } = query;
        const { rows, total } = pageOf(sorted(jobsOf(store, connections, filter as JobFilter), sort, sorts()), range);
        const names = namesOf(connections);
        return { rows: rows.map((job) => jobJson(store, names, account, job as never)), total };
      },
    }),
    one({
      method: 'POST',
      path: '/v1/jobs',
      summary: 'define a job',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'job',
      status: 201,
      body: jobBody,
      reply: jobReply,
      run: async ({ body, account }) => show((await addJob(parts, body, account)).id, account),
    }),
    count({
      method: 'PATCH',
      path: '/v1/jobs',
      summary: 'start, pause, resume, cancel or reset every job that a filter fits',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'jobs',
      query: { ...jobFilter, ...verbs },
      body: verbBody.optional(),
      run: ({ query, body }) => {
        const act = actOf(query, body?.status);
        if (!act) throw new Failure('request-refused-here', { what: `say what: ${Object.keys(verbs).join(', ')}` });
        let done = 0;
        for (const job of jobsOf(store, connections, query as JobFilter)) {
          try {
            act(engine, job);
            done++;
          } catch (error) {
            // A job that already runs needs no start.
            if (!(error instanceof Failure) || error.code !== 'job-running') throw error;
          }
        }
        return done;
      },
    }),
    list({
      path: '/v1/jobs/history',
      summary: 'runs, the last one first; execution: last, current, or an id',
      tag: TAG,
      causes: [],
      type: 'job_executions',
      query: { job: id.optional(), execution: word.optional() },
      reply: executionReply,
      csv: [
        'id',
        'job.name',
        'job_id',
        'status',
        'phase',
        'trigger',
        'simulation',
        'start_time',
        'end_time',
        'duration.value',
        'stats.source.new.files',
        'stats.source.new.bytes',
        'stats.source.existing.files',
        'stats.source.flagged',
        'stats.source.ignored',
        'stats.calls',
        'reason',
      ],
      page: ({ query: { job, execution } }, range) => {
        const wanted = job === undefined ? undefined : store.get(job).id;
        if (execution === undefined) {
          const { rows, total } = store.pages.executions({ job: wanted }, range);
          return { rows: rows.map(history), total };
        }
        if (execution !== 'last' && execution !== 'current') return pageOf([history(executionOf(execution))], range);
        const jobs = wanted === undefined ? store.list().map(({ id }) => id) : [wanted];
        const rows = jobs.flatMap((id) => store.last.of(id, 'any') ?? []);
        return pageOf(rows.filter(({ ended }) => execution === 'last' || ended === undefined).map(history), range);
      },
    }),
    one({
      path: '/v1/jobs/history/:execution',
      summary: 'one run',
      tag: TAG,
      causes: [],
      type: 'job_execution',
      reply: executionReply,
      run: ({ params }) => history(executionOf(params.execution!)),
    }),
    plain({
      path: '/v1/jobs/history/:execution/report',
      summary: 'the summary that was written when the run ended',
      tag: TAG,
      causes: ['files'],
      reply: z.looseObject({ execution: z.number(), status: z.string() }),
      run: ({ params }) => {
        const { report } = executionOf(params.execution!).stats;
        const missing = (cause?: unknown): Failure =>
          new Failure('no-such-address', { path: `report of run ${params.execution}` }, cause);
        if (report === undefined) throw missing();
        try {
          return JSON.parse(readFileSync(join(report, 'summary.json'), 'utf8')) as object;
        } catch (error) {
          if (errnoOf(error) === 'ENOENT') throw missing(error);
          throw error;
        }
      },
    }),
    list({
      path: '/v1/jobs/categories',
      summary: 'the categories',
      tag: TAG,
      causes: [],
      type: 'job_categories',
      reply: categoryReply,
      page: ({ query: { q } }, range) =>
        pageOf(
          store.categories().filter(({ name }) => q === undefined || name.toLowerCase().includes(q.toLowerCase())),
          range,
        ),
    }),
    one({
      method: 'POST',
      path: '/v1/jobs/categories',
      summary: 'a category of this name, made if it is not there',
      tag: TAG,
      causes: [],
      type: 'job_category',
      status: 201,
      body: z.strictObject({ name: z.string().min(1).max(200) }),
      reply: categoryReply,
      run: ({ body: { name } }) => store.addCategory(name),
    }),
    one({
      path: '/v1/jobs/categories/:id',
      summary: 'one category',
      tag: TAG,
      causes: [],
      type: 'job_category',
      reply: categoryReply,
      run: ({ params }) => {
        const found = store.categories().find(({ id }) => id === params.id);
        if (!found) throw new Failure('no-such-category', { id: params.id! });
        return found;
      },
    }),
    one({
      path: '/v1/jobs/:id',
      summary: 'one job, by its id or name',
      tag: TAG,
      causes: [],
      type: 'job',
      reply: jobReply,
      run: ({ params, account }) => show(params.id!, account),
    }),
    one({
      method: 'PUT',
      path: '/v1/jobs/:id',
      summary: 'replace the definition of a job',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'job',
      body: jobBody,
      reply: jobReply,
      run: async ({ params, body, account }) =>
        show((await changeJob(parts, store.get(params.id!), body, true, account)).id, account),
    }),
    one({
      method: 'PATCH',
      path: '/v1/jobs/:id',
      summary: 'start, pause, resume, cancel, simulate or reset a job, or change keys of its definition',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'job',
      query: verbs,
      body: changedJob.optional(),
      reply: jobReply,
      run: async ({ params, query, body = {}, account }) => {
        const job = store.get(params.id!);
        const { status, ...change } = body;
        const act = actOf(query, verbBody.safeParse({ status }).success ? (status as string) : undefined);
        if (Object.keys(change).length > 0) await changeJob(parts, job, change, false, account);
        act?.(engine, job);
        if (!act && Object.keys(change).length === 0)
          throw new Failure('request-refused-here', { what: 'say what: start=1, pause=1, … or keys of the job' });
        return show(job.id, account);
      },
    }),
    removal(
      { path: '/v1/jobs/:id', summary: 'forget a job with its runs; what it copied stays', tag: TAG, type: 'job' },
      (wanted) => {
        const { id, name } = store.get(wanted);
        engine.remove(id);
        return { id, name };
      },
    ),
    one({
      method: 'POST',
      path: '/v1/jobs/:id/clone',
      summary: 'a copy of a job, with what the body says changed',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'job',
      status: 201,
      body: changedJob.optional(),
      reply: jobReply,
      run: async ({ params, body = {}, account }) =>
        show((await cloneJob(parts, store.get(params.id!), body, account)).id, account),
    }),
    one({
      method: 'POST',
      path: '/v1/jobs/:id/estimate',
      summary: 'begin a simulation: when it has ended, the estimate is there',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'job',
      status: 202,
      reply: jobReply,
      run: ({ params, account }) => {
        const job = store.get(params.id!);
        start(engine, job, { simulate: true });
        return show(job.id, account);
      },
    }),
    one({
      path: '/v1/jobs/:id/estimate',
      summary: 'what the last simulation found: items, bytes, calls, hours, names that must change, problems',
      tag: TAG,
      causes: [],
      type: 'estimate',
      reply: estimateReply,
      run: ({ params }) => {
        const job = store.get(params.id!);
        const found = store.last.of(job.id, 'estimate');
        if (!found) throw new Failure('no-such-address', { path: `estimate of "${job.name}"` });
        return { id: String(found.id), execution_id: String(found.id), ...found.stats.estimate! };
      },
    }),
  ];
}
