import * as z from 'zod';
import { DAY_MS } from '../../base/zone.js';
import { isTarget } from '../../connections/store.js';
import { list, pageOf, type Route } from '../http/route.js';
import type { MountView, ServiceParts } from '../parts.js';

const windowReply = z.looseObject({ limit: z.number(), remaining: z.number() });
const spentReply = z.object({ interactive: z.number(), background: z.number(), job: z.number() });

const budgetReply = z.object({
  id: z.string(),
  connection: z.object({ id: z.string(), name: z.string() }),
  hour: windowReply,
  spike: windowReply,
  spent: spentReply,
  refused4xx: z.number(),
  waiting: z.array(z.object({ class: z.string(), label: z.string(), seconds: z.number(), where: z.string() })),
  /** A row for each quarter of an hour with calls. */
  last_24h: z.array(spentReply.extend({ at: z.number() })),
});

/**
 * The calls of each Procore connection: both windows, calls spent by class, and waiting calls, in this process and in
 * the mounts.
 */
export async function budgets({ connections, mounts, session, clock }: ServiceParts): Promise<object[]> {
  const procore = connections.all().flatMap((one) => (isTarget(one) ? [] : [one]));
  if (procore.length === 0) return [];
  const views = await mounts.status();
  return procore.map((connection) => {
    const shared = session(connection);
    try {
      const { budget } = shared.value;
      const { waiting, ...status } = budget.status();
      const own = waiting.map((one) => ({ ...one, where: 'service' }));
      return {
        id: connection.id,
        connection: { id: connection.id, name: connection.name },
        ...status,
        waiting: [...own, ...views.filter((view) => view.connection === connection.name).flatMap(waitingOf)],
        last_24h: budget
          .history(clock.now() - DAY_MS)
          .map(({ at, ...calls }) => ({ at: Math.floor(at / 1000), ...calls })),
      };
    } finally {
      shared.release();
    }
  });
}

const waitingOf = ({ mountpoint, budget }: MountView) =>
  (budget?.waiting ?? []).map((one) => ({ ...one, where: mountpoint }));

export const budgetRoutes = (parts: ServiceParts): Route[] => [
  list({
    path: '/v1/budget',
    summary: 'the API calls of each connection: both windows, who spent what, the last 24 hours, what waits',
    tag: 'budget',
    causes: [],
    type: 'budgets',
    reply: budgetReply,
    page: async (_, range) => pageOf(await budgets(parts), range),
  }),
];
