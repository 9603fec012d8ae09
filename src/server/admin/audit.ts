import * as z from 'zod';
import type { AuditLog } from '../access/audit.js';
import { list, type Route } from '../http/route.js';

const auditReply = z.object({
  id: z.string(),
  time: z.number(),
  who: z.string(),
  from: z.string(),
  what: z.string(),
  result: z.string(),
});

export const auditRoute = (audit: AuditLog): Route =>
  list({
    path: '/v1/audit',
    summary: 'who did what, from where, and what came of it; the newest first',
    tag: 'administration',
    causes: [],
    role: 'manage',
    type: 'audit',
    reply: auditReply,
    csv: ['time', 'who', 'from', 'what', 'result'],
    page: ({ query: { q } }, { offset, limit }) => {
      const { rows, total } = audit.page(offset, limit, q);
      return { rows: rows.map(({ id, ...row }) => ({ id: String(id), ...row })), total };
    },
  });
