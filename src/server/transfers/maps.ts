import { hostname, userInfo } from 'node:os';
import * as z from 'zod';
import { type AnyConnection, isTarget } from '../../connections/store.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import { list, pageOf, type Route } from '../http/route.js';
import { id, word } from '../http/wire.js';
import { namesOf } from '../jobs/view.js';
import type { ServiceParts } from '../parts.js';

const TAG = 'transfers';

const identity = z.object({
  connection: z.object({ id: z.string(), name: z.string().nullable() }),
  /** Name of the account; null where the platform gives none. */
  name: z.string().nullable(),
  login: z.string().nullable(),
});

const mappingReply = z.object({
  id: z.string(),
  job_id: z.string(),
  source: identity,
  destination: identity,
  resolution: z.literal('connection'),
  message: z.string(),
});

const linkReply = z.object({ id: z.string(), source: z.object({ path: z.string() }), target: z.string() });

const ofRun = { job: id.optional(), execution: word.optional() } as const;

/** Platforms where the account is this machine's user, unless another name is given. */
const LOCAL = new Set(['fs', 'nfs', 'rsync']);

const MESSAGE =
  'authors and permissions are not carried over: all that comes from the source is written as the account of the destination';

const identityOf = (connectionId: string, one: AnyConnection | undefined): z.input<typeof identity> => {
  const connection = { id: connectionId, name: one?.name ?? null };
  if (!one) return { connection, name: null, login: null };
  if (!isTarget(one)) return { connection, name: one.account?.name ?? null, login: one.account?.login ?? null };
  const login = one.username ?? (LOCAL.has(one.platform) ? userInfo().username : null);
  const isHere = one.username === undefined && login !== null;
  return { connection, name: isHere ? `${login}@${hostname()}` : login, login };
};

/** Routes of two lists: the accounts on both sides of each job, and changed links in documents (always empty). */
export function mapRoutes({ store, connections }: ServiceParts): Route[] {
  const jobs = (job: string | undefined): Job[] => (job === undefined ? store.list() : [store.get(job)]);
  return [
    list({
      path: '/v1/transfers/security_map',
      summary: 'as whom a job reads and as whom it writes: a row for each job, as nobody else is mapped',
      tag: TAG,
      causes: [],
      type: 'security_map',
      key: 'item',
      query: ofRun,
      reply: mappingReply,
      csv: ['job_id', 'source.connection.name', 'source.login', 'destination.connection.name', 'destination.login'],
      page: ({ query: { job } }, range) => {
        const names = namesOf(connections);
        const row = ({ id, transfer: { source, destination } }: Job): z.input<typeof mappingReply> => ({
          id,
          job_id: id,
          source: identityOf(source.connection.id, names.get(source.connection.id)),
          destination: identityOf(destination.connection.id, names.get(destination.connection.id)),
          resolution: 'connection',
          message: MESSAGE,
        });
        const { rows, total } = pageOf(jobs(job), range);
        return { rows: rows.map((one) => row(one as Job)), total };
      },
    }),
    list({
      path: '/v1/transfers/links',
      summary: 'links in documents that were changed with what they point at: none, as contents are copied as they are',
      tag: TAG,
      causes: [],
      type: 'links',
      key: 'item',
      query: ofRun,
      reply: linkReply,
      csv: ['id', 'source.path', 'target'],
      page: ({ query: { job } }, range) => {
        if (job !== undefined) store.get(job);
        return pageOf([], range);
      },
    }),
  ];
}
