import * as z from 'zod';
import { SingleFlight } from '../../base/abort.js';
import { isReader } from '../access/account.js';
import { AtMost } from '../http/at-most.js';
import { plain, type Route } from '../http/route.js';
import { path } from '../http/wire.js';
import type { ConnectionTotals, ServiceParts } from '../parts.js';
import { requireOwn } from './identity.js';
import { requireReadable } from './limits.js';

/** Concurrent walks: each lists all folders of a target. */
const MOST_WALKS = 4;

const statsReply = z.object({
  item_stats: z.object({
    items: z.object({ count: z.number(), bytes: z.number() }),
    containers: z.object({
      count: z.number(),
      /** Folders that could not be listed: their content is not counted. */
      unreadable: z.number(),
    }),
  }),
  /**
   * For the top folder of a connection to a company: projects that are counted, and those that were never mirrored
   * here.
   */
  projects: z.object({ counted: z.number(), unknown: z.number() }).optional(),
});

/** Total content of a connection, or of a folder of it. Concurrent requests for the same folder share one walk. */
export function statsRoute(parts: ServiceParts): Route {
  const walks = new SingleFlight<string, ConnectionTotals>();
  const counting = new AtMost(MOST_WALKS, 'connections are counted');
  const walk = (id: string, path: string, mayCrawl: boolean, signal: AbortSignal): Promise<ConnectionTotals> =>
    counting.run(() => parts.totals(id, path, mayCrawl, signal));
  return plain({
    path: '/v1/connections/:id/stats',
    summary: 'files, bytes and folders below a path: a target is walked; a project is crawled once, then it is no call',
    tag: 'connections',
    causes: ['procore', 'files', 'programs', 'addresses'],
    query: { path: path.default('/') },
    connectAs: true,
    reply: statsReply,
    csv: ['item_stats.items.count', 'item_stats.items.bytes', 'item_stats.containers.count'],
    run: async ({ params, query: { path }, account, signal, connectAs }) => {
      const connection = parts.connections.find(params.id!);
      requireOwn(connection, connectAs);
      requireReadable(parts.reach, account, connection, path);
      const mayCrawl = !isReader(account);
      const key = JSON.stringify([connection.id, path, mayCrawl]);
      const found = await walks.run(key, (one) => walk(connection.id, path, mayCrawl, one), signal);
      const { files, bytes, folders, unreadable } = found.totals;
      return {
        item_stats: { items: { count: files, bytes }, containers: { count: folders, unreadable } },
        ...(found.projects ? { projects: found.projects } : {}),
      };
    },
  });
}
