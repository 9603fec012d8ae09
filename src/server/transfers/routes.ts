import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import { FLAGGED, ITEM_STATUSES, type ItemStatus } from '../../jobs/definition/words.js';
import { heed, ignore } from '../../jobs/flagged.js';
import type { Execution } from '../../jobs/store/executions.js';
import { count, list, one, type Route, type RowPage, type RowRange } from '../http/route.js';
import { flag, id, seconds, word, words } from '../http/wire.js';
import { start } from '../jobs/verbs.js';
import { itemJson, processingOf, runItemReply, statsJson, statsReply } from '../jobs/view.js';
import type { ServiceParts } from '../parts.js';
import { mapRoutes } from './maps.js';

const TAG = 'transfers';

const ITEM_COLUMNS = [
  'id',
  'source.path',
  'destination.path',
  'type',
  'action',
  'status',
  'reason',
  'source.bytes',
  'items',
  'attempts',
  'transferred_on',
] as const;

const auditReply = z.object({
  id: z.string(),
  level: z.string(),
  event: z.string(),
  recorded_on: z.number(),
  reason: z.string().nullable(),
  execution_id: z.string(),
  target: z.string(),
});

const ofRun = { job: id, execution: word.optional() } as const;

export function transferRoutes(parts: ServiceParts): Route[] {
  const { store, engine } = parts;
  /** The requested run; default: the last one that was no simulation. */
  const runOf = (job: Job, wanted: string | undefined): Execution | undefined => {
    if (wanted === undefined || wanted === 'last') return store.last.of(job.id, 'real') ?? store.last.of(job.id, 'any');
    if (wanted === 'current') return store.last.of(job.id, 'current');
    const found = /^\d{1,15}$/.test(wanted) ? store.execution(Number(wanted)) : undefined;
    if (found?.job !== job.id) throw new Failure('no-such-address', { path: `run ${wanted} of "${job.name}"` });
    return found;
  };
  const rows = (
    query: { job: string; execution?: string | undefined; q?: string | undefined },
    filter: {
      statuses?: readonly ItemStatus[] | undefined;
      folders?: boolean | undefined;
      renamed?: true | undefined;
    },
    range: RowRange,
  ): RowPage => {
    const job = store.get(query.job);
    // A run that found nothing to do has no items: the last run with changes is shown instead.
    const isAny = query.execution === undefined && filter.statuses !== FLAGGED;
    const did = isAny && store.last.of(job.id, 'changed');
    const run = did || runOf(job, query.execution);
    if (!run) return { rows: [], total: 0 };
    const page = store.pages.items({ executions: [run.id], text: query.q, ...filter }, range);
    const processing = processingOf(run);
    return { rows: page.rows.map((item) => itemJson(job, item, processing)), total: page.total };
  };
  /** Flagged items of all jobs. */
  const flagged = (q: string | undefined, range: RowRange): RowPage => {
    const runs = store.last.all();
    const page = store.pages.items({ executions: [...runs.keys()], text: q, statuses: FLAGGED }, range);
    const names = new Map(store.list().map((job) => [job.id, job]));
    return { rows: page.rows.map((item) => itemJson(names.get(runs.get(item.execution)!)!, item)), total: page.total };
  };
  const itemOf = (text: string) => {
    const item = /^\d{1,15}$/.test(text) ? store.pages.item(Number(text)) : undefined;
    const run = item && store.execution(item.execution);
    if (!item || !run) throw new Failure('no-such-item', { path: `item ${text}` });
    return { item, job: store.get(run.job), processing: processingOf(run) };
  };
  const act = (job: Job, verb: 'retry' | 'ignore', ids: readonly string[]): number => {
    if (verb === 'ignore') return ignore(store, job, ids).length;
    heed(store, job, ids);
    const last = store.last.of(job.id, 'any');
    // A run in progress includes the flagged items only if it has not planned yet; otherwise the next run does.
    if (!last || last.ended !== undefined) start(engine, job, {});
    return ids.length;
  };
  const verbs = { retry: flag.optional(), ignore: flag.optional() } as const;
  const verbBody = z.strictObject({ status: z.enum(['retry', 'ignore']).optional() }).optional();
  const verbOf = (
    query: { retry?: boolean | undefined; ignore?: boolean | undefined },
    status: 'retry' | 'ignore' | undefined,
  ): 'retry' | 'ignore' => {
    const isRetry = query.retry === true || status === 'retry';
    const isIgnore = query.ignore === true || status === 'ignore';
    if (isRetry === isIgnore) throw new Failure('request-refused-here', { what: 'say what: retry=1 or ignore=1' });
    return isRetry ? 'retry' : 'ignore';
  };
  return [
    list({
      path: '/v1/transfers/items',
      summary: 'what a run of a job did with each item, and why: the last one that changed something, unless told',
      tag: TAG,
      causes: [],
      type: 'items',
      key: 'item',
      query: {
        ...ofRun,
        status: words.optional(),
        /** Only items whose name differs at the destination. */
        renamed: flag.optional(),
      },
      reply: runItemReply,
      csv: ITEM_COLUMNS,
      page: ({ query }, range) =>
        rows(query, { statuses: statusesOf(query.status), renamed: query.renamed || undefined }, range),
    }),
    count({
      method: 'PATCH',
      path: '/v1/transfers/items',
      summary: 'retry or ignore all that the last run of a job flagged, or the items that are named',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'items',
      query: { job: id.optional(), id: words.optional(), ...verbs },
      body: verbBody,
      run: ({ query, body }) => {
        const verb = verbOf(query, body?.status);
        if (query.id) {
          const named = query.id.map((one) => itemOf(one));
          for (const job of new Map(named.map(({ job }) => [job.id, job])).values())
            act(
              job,
              verb,
              named.filter((one) => one.job.id === job.id).map(({ item }) => String(item.id)),
            );
          return named.length;
        }
        if (query.job === undefined)
          throw new Failure('request-refused-here', { what: 'say of what: job=JOB, or id=ITEM' });
        const job = store.get(query.job);
        if (verb === 'ignore') return act(job, verb, []);
        const { total } = rows({ job: job.id }, { statuses: FLAGGED }, { offset: 0, limit: 0 });
        act(job, verb, []);
        return total;
      },
    }),
    list({
      path: '/v1/transfers/items/flagged',
      summary: 'what a person must look at: of one job, or of all',
      tag: TAG,
      causes: [],
      type: 'items',
      key: 'item',
      query: { job: id.optional(), execution: word.optional() },
      reply: runItemReply,
      csv: ['job_id', ...ITEM_COLUMNS],
      page: ({ query: { job, execution, q } }, range) =>
        job === undefined ? flagged(q, range) : rows({ job, execution, q }, { statuses: FLAGGED }, range),
    }),
    one({
      path: '/v1/transfers/items/:id',
      summary: 'one item of a run',
      tag: TAG,
      causes: [],
      type: 'item',
      reply: runItemReply,
      run: ({ params }) => {
        const { item, job, processing } = itemOf(params.id!);
        return itemJson(job, item, processing);
      },
    }),
    one({
      method: 'PATCH',
      path: '/v1/transfers/items/:id',
      summary: 'try an item again with the next run, which begins now, or leave it alone from now on',
      tag: TAG,
      causes: ['procore', 'files', 'programs', 'addresses'],
      type: 'item',
      query: verbs,
      body: verbBody,
      reply: runItemReply,
      run: ({ params, query, body }) => {
        const { item, job } = itemOf(params.id!);
        act(job, verbOf(query, body?.status), [String(item.id)]);
        return itemJson(job, store.pages.item(item.id) ?? item);
      },
    }),
    list({
      path: '/v1/transfers/folders',
      summary: 'the folders among the items of a run',
      tag: TAG,
      causes: [],
      type: 'folders',
      key: 'item',
      query: ofRun,
      reply: runItemReply,
      csv: ITEM_COLUMNS,
      page: ({ query }, range) => rows(query, { folders: true }, range),
    }),
    list({
      path: '/v1/transfers/auditing',
      summary: 'what was kept of a run by its audit_level; without a job, of all runs',
      tag: TAG,
      causes: [],
      type: 'auditing',
      key: 'item',
      query: { job: id.optional(), execution: word.optional() },
      reply: auditReply,
      csv: ['recorded_on', 'level', 'event', 'target', 'reason', 'execution_id'],
      page: ({ query: { job, execution } }, range) => {
        const run = job === undefined ? undefined : runOf(store.get(job), execution);
        if (job !== undefined && !run) return { rows: [], total: 0 };
        const page = store.pages.audit(run?.id, range);
        return {
          total: page.total,
          rows: page.rows.map(({ id, at, level, event, path, reason, execution }) => ({
            id: String(id),
            level,
            event,
            recorded_on: seconds(at),
            reason,
            execution_id: String(execution),
            target: path,
          })),
        };
      },
    }),
    one({
      path: '/v1/transfers/:job/stats',
      summary: 'what the last run of a job counted',
      tag: TAG,
      causes: [],
      type: 'stats',
      query: { execution: word.optional() },
      reply: statsReply,
      run: ({ params, query }) => statsJson(runOf(store.get(params.job!), query.execution)),
    }),
    ...mapRoutes(parts),
  ];
}

/** @throws Failure `request-refused-here` for an unknown status */
function statusesOf(words: readonly string[] | undefined): readonly ItemStatus[] | undefined {
  if (!words || words.length === 0) return undefined;
  const wanted: readonly string[] = words.flatMap((word): readonly string[] =>
    word === 'flagged' ? FLAGGED : word === 'ignored' ? ['skipped'] : [word],
  );
  const unknown = wanted.find((word) => !(ITEM_STATUSES as readonly string[]).includes(word));
  if (unknown === undefined) return wanted as ItemStatus[];
  throw new Failure('request-refused-here', { what: `status: "${unknown}" is none of ${ITEM_STATUSES.join(', ')}` });
}
