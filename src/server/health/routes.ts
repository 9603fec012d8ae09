import * as z from 'zod';
import { isReader } from '../access/account.js';
import { plain, type Route } from '../http/route.js';
import type { ServiceParts } from '../parts.js';

const findingReply = z.object({
  level: z.enum(['warning', 'broken']),
  kind: z.string(),
  /** A mount point, or the id of a job, a connection or a project. */
  subject: z.string(),
  message: z.string(),
  job: z.object({ id: z.string(), name: z.string() }).optional(),
  connection: z.string().optional(),
});

/** The same report as `procorefs health`. */
export const healthRoute = ({ health }: ServiceParts): Route =>
  plain({
    path: '/v1/health',
    summary: 'what a person should know of, what must not be overlooked first: mounts, changes, jobs, sign-ins, disk',
    tag: 'administration',
    causes: [],
    reply: z.object({
      level: z.enum(['ok', 'warning', 'broken']),
      findings: z.array(findingReply),
      mounts: z.number(),
      jobs: z.number(),
      connections: z.number(),
    }),
    run: async ({ account }) => {
      const { findings, ...rest } = await health();
      const shown = findings.map(({ unnamed, ...one }) =>
        unnamed && isReader(account) ? { ...one, message: unnamed } : one,
      );
      return { ...rest, findings: shown };
    },
  });
