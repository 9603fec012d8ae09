import { cpus, freemem, hostname, loadavg, totalmem } from 'node:os';
import * as z from 'zod';
import { Secret } from '../../base/secret.js';
import { ROLES } from '../access/account.js';
import type { Users } from '../access/users.js';
import { list, one, pageOf, plain, type Route } from '../http/route.js';
import type { ServiceParts } from '../parts.js';

const TAG = 'administration';

const userReply = z.object({ id: z.string(), name: z.string(), role: z.enum(ROLES), created_on: z.number() });
const roleReply = z.object({ id: z.enum(ROLES), name: z.enum(ROLES), description: z.string() });
const schedulerReply = z.object({
  id: z.string(),
  name: z.string(),
  host: z.string(),
  pid: z.number(),
  leader: z.boolean(),
  running: z.number(),
});

const WHAT = { read: 'looks at everything', manage: 'looks and changes' } as const;

export function adminRoutes({ engine, store }: ServiceParts, users: Users, level: string): Route[] {
  const userJson = ({ name, role, created_on }: { name: string; role: 'read' | 'manage'; created_on: number }) => ({
    id: name,
    name,
    role,
    created_on,
  });
  return [
    plain({
      path: '/v1/session',
      summary: 'who asks, and what they may',
      tag: TAG,
      causes: [],
      reply: z.object({ name: z.string(), role: z.enum(ROLES), host: z.string() }),
      run: ({ account }) => ({ name: account.name, role: account.role, host: hostname() }),
    }),
    list({
      path: '/v1/users',
      summary: 'who may sign in',
      tag: TAG,
      causes: [],
      role: 'manage',
      type: 'users',
      reply: userReply,
      page: (_, range) => pageOf(users.list().map(userJson), range),
    }),
    one({
      method: 'POST',
      path: '/v1/users',
      summary: 'somebody who may sign in',
      tag: TAG,
      causes: [],
      type: 'user',
      status: 201,
      body: z.strictObject({ name: z.string(), role: z.enum(ROLES), password: z.string().max(1000) }),
      reply: userReply,
      run: async ({ body: { name, role, password } }) => userJson(await users.add(name, role, new Secret(password))),
    }),
    one({
      method: 'PATCH',
      path: '/v1/users/:name',
      summary: 'another role; or another password, which ends all sign-ins',
      tag: TAG,
      causes: [],
      type: 'user',
      body: z.strictObject({ role: z.enum(ROLES).optional(), password: z.string().max(1000).optional() }),
      reply: userReply,
      run: async ({ params, body: { role, password } }) =>
        userJson(
          await users.change(params.name!, {
            role,
            password: password === undefined ? undefined : new Secret(password),
          }),
        ),
    }),
    one({
      method: 'DELETE',
      path: '/v1/users/:name',
      summary: 'end a user with all sign-ins',
      tag: TAG,
      causes: [],
      type: 'user',
      reply: z.object({ id: z.string() }),
      run: ({ params }) => {
        users.remove(params.name!);
        return { id: params.name! };
      },
    }),
    list({
      path: '/v1/roles',
      summary: 'what users may be',
      tag: TAG,
      causes: [],
      type: 'roles',
      reply: roleReply,
      page: (_, range) =>
        pageOf(
          ROLES.map((id) => ({ id, name: id, description: WHAT[id] })),
          range,
        ),
    }),
    list({
      path: '/v1/schedulers',
      summary: 'the process that answers; leader: it looks after schedules and requests',
      tag: TAG,
      causes: [],
      type: 'schedulers',
      reply: schedulerReply,
      page: (_, range) =>
        pageOf(
          [
            {
              id: String(process.pid),
              name: `${hostname()}:${process.pid}`,
              host: hostname(),
              pid: process.pid,
              leader: engine.isLeader,
              running: store.running().length,
            },
          ],
          range,
        ),
    }),
    one({
      path: '/v1/performance/configuration',
      summary: 'how much is done at once',
      tag: TAG,
      causes: [],
      type: 'performance',
      reply: z.object({ parallel_jobs: z.number() }),
      run: () => ({ parallel_jobs: engine.parallel }),
    }),
    one({
      path: '/v1/diagnostics/metrics',
      summary: 'memory, processors and work of this process',
      tag: TAG,
      causes: [],
      type: 'metrics',
      reply: z.looseObject({ uptime: z.number(), memory: z.looseObject({ rss: z.number() }) }),
      run: () => ({
        uptime: Math.floor(process.uptime()),
        memory: { ...process.memoryUsage(), free: freemem(), total: totalmem() },
        processors: cpus().length,
        load: loadavg(),
        jobs: store.list().length,
        running: store.running().length,
      }),
    }),
    one({
      path: '/v1/diagnostics/logs/configuration',
      summary: 'how much goes into the log',
      tag: TAG,
      causes: [],
      type: 'logs',
      reply: z.object({ level: z.string() }),
      run: () => ({ level }),
    }),
  ];
}
