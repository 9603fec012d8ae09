import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import type { Database } from '../../database/open.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import { FLAGGED } from '../../jobs/definition/words.js';
import type { Execution } from '../../jobs/store/executions.js';
import { list, one, pageOf, type Route, removal } from '../http/route.js';
import { type JobFilter, jobFilter, jobsOf } from '../jobs/filter.js';
import { itemJson, jobJson, jobReply, namesOf, runItemReply } from '../jobs/view.js';
import type { ServiceParts } from '../parts.js';

const TAG = 'reports';

const filterSchema = z.strictObject(jobFilter);

const reportReply = z.object({
  id: z.string(),
  name: z.string(),
  filter: z.looseObject({}),
  created_by: z.string(),
  created_on: z.number(),
});

const statsReply = z.object({
  jobs: z.number(),
  running: z.number(),
  unhealthy: z.number(),
  complete: z.number(),
  copied: z.number(),
  bytes: z.number(),
  unchanged: z.number(),
  flagged: z.number(),
  ignored: z.number(),
  deleted: z.number(),
  calls: z.number(),
});

interface Row {
  readonly id: string;
  readonly name: string;
  readonly filter: string;
  readonly created_by: string;
  readonly created_on: number;
}

/** Routes of reports: saved filters for jobs, with the results of the last runs of those jobs. */
export function reportRoutes(parts: ServiceParts, db: Database): Route[] {
  const { store, connections } = parts;
  const show = (row: Row) => ({ ...row, filter: JSON.parse(row.filter) as object });
  const find = (id: string): Row => {
    const row = db.prepare<[string], Row>('SELECT * FROM reports WHERE id = ?').get(id);
    if (!row) throw new Failure('no-such-address', { path: `report ${id}` });
    return row;
  };
  const jobsOfReport = (id: string): Job[] =>
    jobsOf(store, connections, filterSchema.parse(JSON.parse(find(id).filter)) as JobFilter);
  const lastRun = (job: Job): Execution | undefined => store.last.of(job.id, 'real');
  return [
    list({
      path: '/v1/reports',
      summary: 'the reports: saved filters over jobs',
      tag: TAG,
      causes: [],
      type: 'reports',
      reply: reportReply,
      page: ({ query: { q } }, range) =>
        pageOf(
          db
            .prepare<[], Row>('SELECT * FROM reports ORDER BY name, id')
            .all()
            .filter(({ name }) => q === undefined || name.toLowerCase().includes(q.toLowerCase()))
            .map(show),
          range,
        ),
    }),
    one({
      method: 'POST',
      path: '/v1/reports',
      summary: 'save a filter over jobs',
      tag: TAG,
      causes: [],
      type: 'report',
      status: 201,
      body: z.strictObject({ name: z.string().trim().min(1).max(200), filter: filterSchema.default({}) }),
      reply: reportReply,
      run: ({ body: { name, filter }, account }) => {
        const id = randomUUID();
        db.prepare('INSERT INTO reports (id, name, filter, created_by, created_on) VALUES (?, ?, ?, ?, ?)').run(
          id,
          name,
          JSON.stringify(filter),
          account.name,
          Math.floor(parts.clock.now() / 1000),
        );
        return show(find(id));
      },
    }),
    one({
      path: '/v1/reports/:id',
      summary: 'one report',
      tag: TAG,
      causes: [],
      type: 'report',
      reply: reportReply,
      run: ({ params }) => show(find(params.id!)),
    }),
    removal(
      { path: '/v1/reports/:id', summary: 'forget a report; its jobs stay', tag: TAG, type: 'report' },
      (wanted) => {
        const { id, name } = find(wanted);
        db.prepare('DELETE FROM reports WHERE id = ?').run(id);
        return { id, name };
      },
    ),
    one({
      path: '/v1/reports/:id/stats',
      summary: 'what the last runs of its jobs did, summed up',
      tag: TAG,
      causes: [],
      type: 'stats',
      reply: statsReply,
      run: ({ params }) => {
        const jobs = jobsOfReport(params.id!);
        const runs = jobs.map(lastRun).filter((run) => run !== undefined);
        const sum = (of: (run: Execution) => number | undefined): number =>
          runs.reduce((total, run) => total + (of(run) ?? 0), 0);
        return {
          jobs: jobs.length,
          running: runs.filter(({ ended }) => ended === undefined).length,
          unhealthy: jobs.filter(({ health }) => health !== 'healthy').length,
          complete: jobs.filter(({ status }) => status === 'complete').length,
          copied: sum(({ stats }) => stats.copied),
          bytes: sum(({ stats }) => stats.bytes),
          unchanged: sum(({ stats }) => stats.unchanged),
          flagged: sum(({ stats }) => stats.failed),
          ignored: sum(({ stats }) => stats.skipped),
          deleted: sum(({ stats }) => stats.deleted),
          calls: sum(({ calls }) => calls),
        };
      },
    }),
    list({
      path: '/v1/reports/:id/jobs',
      summary: 'the jobs that its filter fits',
      tag: TAG,
      causes: [],
      type: 'jobs',
      reply: jobReply,
      csv: ['id', 'name', 'transfer.transfer_type', 'status', 'health', 'execute_on'],
      page: ({ params, account }, range) => {
        const { rows, total } = pageOf(jobsOfReport(params.id!), range);
        const names = namesOf(connections);
        return { rows: rows.map((job) => jobJson(store, names, account, job as Job)), total };
      },
    }),
    list({
      path: '/v1/reports/:id/items',
      summary: 'what the last runs of its jobs flagged',
      tag: TAG,
      causes: [],
      type: 'items',
      key: 'item',
      reply: runItemReply,
      csv: ['job_id', 'id', 'source.path', 'destination.path', 'action', 'status', 'reason', 'source.bytes'],
      page: ({ params, query: { q } }, range) => {
        const jobs = new Map(jobsOfReport(params.id!).map((job) => [job.id, job]));
        const runs = new Map([...store.last.all()].filter(([, job]) => jobs.has(job)));
        const { rows, total } = store.pages.items({ executions: [...runs.keys()], statuses: FLAGGED, text: q }, range);
        return { rows: rows.map((item) => itemJson(jobs.get(runs.get(item.execution)!)!, item)), total };
      },
    }),
  ];
}
