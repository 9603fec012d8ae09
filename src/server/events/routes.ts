import type { FastifyInstance } from 'fastify';
import { every } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { AccessGuard } from '../access/guard.js';
import { budgets } from '../budget/routes.js';
import { HEADERS } from '../http/app.js';
import { statsJson } from '../jobs/view.js';
import type { ServiceParts } from '../parts.js';
import { Feed, type Topics } from './feed.js';

const MOST_WATCHERS = 100;
const MOST_OF_ONE = 20;
/** Maximum bytes that wait for a slow reader; the connection of a slower one is closed, and the client reconnects. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;
const HEARTBEAT = 5000;
/** A stream ends after this time, ms, because the token may have expired: the client connects again. */
const LONGEST_MS = 30 * 60_000;

/** The fields of the job list that change without a request. */
const jobsNow = ({ store }: ServiceParts): object[] =>
  store.list().map(({ id, name, status, health, execute_on, disabled, counts }) => {
    const last = store.last.of(id, 'any');
    return {
      id,
      name,
      status,
      health,
      execute_on: execute_on ?? null,
      disabled,
      counts,
      execution: last
        ? {
            id: String(last.id),
            status: last.status,
            phase: last.phase,
            simulation: last.simulation,
            running: last.ended === undefined,
            progress: last.ended === undefined ? (last.stats.progress ?? 0) : 1,
            reason: last.reason ?? null,
            stats: statsJson(last),
          }
        : null,
    };
  });

const topicsOf = (parts: ServiceParts): Topics => ({
  jobs: { interval: 1000, look: () => jobsNow(parts) },
  mounts: { interval: 2000, look: () => parts.mounts.status() },
  budget: { interval: 2000, look: () => budgets(parts) },
});

/**
 * `/v1/events?topics=jobs,mounts,budget`: server-sent events (HTML Standard, 9.2). Whenever a topic changes, an event
 * with its name is sent, with the topic's whole state as JSON. A browser reads the stream with fetch, which can send
 * the token.
 */
export function serveEvents(app: FastifyInstance, parts: ServiceParts, guard: AccessGuard): void {
  const feed = new Feed(topicsOf(parts), parts.log, parts.ending, parts.clock);
  const watchers = new Map<string, number>();
  const ofAll = (): number => [...watchers.values()].reduce((sum, count) => sum + count, 0);
  app.get('/v1/events', async (request, reply) => {
    const { name: user, role } = guard.admit(request, 'read');
    const given = (request.query as Record<string, unknown>).topics;
    const topics = given === undefined ? feed.names : [given].flat().flatMap((text) => String(text).split(','));
    const unknown = topics.find((topic) => !feed.names.includes(topic));
    if (unknown !== undefined)
      throw new Failure('request-refused-here', { what: `topics: "${unknown}" is none of ${feed.names.join(', ')}` });
    const own = (): number => watchers.get(user) ?? 0;
    if (ofAll() >= MOST_WATCHERS || own() >= MOST_OF_ONE)
      throw new Failure('too-many-requests', { what: 'clients watch', seconds: 10 });
    watchers.set(user, own() + 1);
    reply.hijack();
    const { raw } = reply;
    const end = (): void => void (raw.writableLength > 0 ? raw.destroy() : raw.end());
    raw.writeHead(200, {
      ...HEADERS,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    /** A user who was removed, signed out or given another role meanwhile gets no more events. */
    const isAdmitted = (): boolean => {
      try {
        return guard.admit(request, 'read').role === role;
      } catch {
        return false;
      }
    };
    const write = (text: string): void => {
      if (raw.writableEnded) return;
      if (raw.writableLength > MOST_WAITING_BYTES) raw.destroy();
      else if (isAdmitted()) raw.write(text);
      else end();
    };
    write('retry: 2000\n\n');
    const stops = [...new Set(topics)].map((topic) =>
      feed.watch(topic, (name, data) => write(`event: ${name}\ndata: ${data}\n\n`)),
    );
    stops.push(
      every(parts.clock, HEARTBEAT, () => write(': still here\n\n')),
      parts.clock.after(LONGEST_MS, end),
    );
    raw.once('close', () => {
      if (own() > 1) watchers.set(user, own() - 1);
      else watchers.delete(user);
      for (const stop of stops) stop();
    });
  });
}
