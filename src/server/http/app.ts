import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { AddressList } from '../../base/addresses.js';
import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { oneLine } from '../../base/text.js';
import type { AuditLog } from '../access/audit.js';
import type { AccessGuard } from '../access/guard.js';
import { requestNoteOf } from '../access/request-note.js';
import type { Shares } from '../access/share.js';
import { writeDown } from './audited.js';
import { countReply, csvOfOne, csvReply, hasCsv, listReply, oneReply } from './envelope.js';
import { BODY_LIMIT_BYTES, errorBody, failureOf, statusOf } from './errors.js';
import type { ServiceHosts } from './hosts.js';
import type { Ask, ListRoute, PlainRoute, Route } from './route.js';
import { HEAD_BYTES, openServer } from './server.js';
import type { TlsPair } from './tls.js';

/** Milliseconds in which a refused client can still read the reply. */
const LINGER_MS = 2000;

/** Headers of every reply, for browsers. */
export const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const;

export interface AppOptions {
  readonly guard: AccessGuard;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: AuditLog;
  /**
   * Host names that requests may use. Undefined: requests come over a unix socket, where the host name has no meaning.
   */
  readonly hosts: ServiceHosts | undefined;
  /** Proxies whose forwarded client addresses are trusted. */
  readonly proxies: AddressList;
  readonly tls: TlsPair | undefined;
}

/** Fastify as configured for this service: one form for all errors, and the headers for browsers in every reply. */
export function openApp({ guard, clock, log, audit, hosts, proxies, tls }: AppOptions): FastifyInstance {
  const app = Fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    serverFactory: (listener) => openServer(listener, proxies, tls),
    trustProxy: (address: string) => proxies.has(address),
    forceCloseConnections: true,
    routerOptions: { maxParamLength: HEAD_BYTES },
    // URLs may contain private data: requests are not logged.
    logger: false,
    clientErrorHandler(error, socket) {
      // No reply is possible before the TLS handshake is complete.
      if (/^ECONNRESET$|^ERR_(TLS|SSL)_/.test(error.code ?? '') || !socket.writable) return void socket.destroy();
      const isSlow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
      const failure = new Failure('request-refused-here', {
        what: isSlow ? 'the request did not arrive in time' : 'the request is no HTTP',
      });
      const body = JSON.stringify(errorBody(failure));
      const status = isSlow ? '408 Request Timeout' : '400 Bad Request';
      socket.end(
        `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      );
      // Otherwise a client that does not close its side would keep the socket.
      clock.after(LINGER_MS, () => socket.destroy());
    },
    frameworkErrors: (error, _, reply) => answerError(reply, error, log),
  });
  app.setErrorHandler((error, request, reply) => {
    requestNoteOf(request).code = failureOf(error).code;
    return answerError(reply, error, log);
  });
  app.setNotFoundHandler((request, reply) =>
    answerError(reply, new Failure('no-such-address', { path: oneLine(request.url.split('?')[0]!, 200) }), log),
  );
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    hosts?.require(request.headers.host);
    guard.requireOwnOrigin(request);
  });
  writeDown(app, { guard, audit, log, isSocket: hosts === undefined });
  parseBodies(app);
  return app;
}

/** Accepts an empty body whatever its content type. */
function parseBodies(app: FastifyInstance): void {
  const json = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(['application/json', 'text/json'], { parseAs: 'string' }, (request, text: string, done) =>
    text.trim() === '' ? done(null, undefined) : json(request, text, done),
  );
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, text: string, done) =>
    done(null, Object.fromEntries(new URLSearchParams(text))),
  );
  app.addContentTypeParser('*', { parseAs: 'string' }, (_, text: string, done) =>
    text === ''
      ? done(null, undefined)
      : done(Object.assign(new Error('the body is neither JSON nor a form'), { statusCode: 415 })),
  );
}

function answerError(reply: FastifyReply, error: unknown, log: Log): FastifyReply {
  const failure = failureOf(error);
  if (failure.code === 'internal') log.error({ error }, 'a request failed');
  const { seconds } = failure.details;
  if (failure.httpStatus === 429 && seconds !== undefined) reply.header('retry-after', String(seconds));
  if (failure.code === 'not-signed-in') reply.header('www-authenticate', 'Bearer');
  return reply
    .code(statusOf(failure, error))
    .headers({ ...HEADERS, 'cache-control': 'no-store' })
    .type('application/json')
    .send(JSON.stringify(errorBody(failure)));
}

/** What every request of a route needs. */
interface Serving {
  readonly guard: AccessGuard;
  readonly shares: Shares;
  /** Aborts when the service ends. */
  readonly ending: AbortSignal;
}

/** Registers the routes of the table. */
export function serveRoutes(app: FastifyInstance, routes: readonly Route[], serving: Serving): void {
  for (const route of routes) {
    app.route({
      method: route.method,
      url: route.path,
      config: { isWrittenDown: route.isWrittenDown },
      handler: async (request, reply) => {
        const ask = understand(route, request, reply, serving);
        const body = await answer(route, ask, request);
        return reply.code(route.status).header('cache-control', 'no-store').send(body);
      },
    });
    if (hasCsv(route)) serveCsv(app, route, serving);
  }
}

function serveCsv(app: FastifyInstance, route: ListRoute | PlainRoute, serving: Serving): void {
  app.get(`${route.path}.csv`, async (request, reply) => {
    const ask = understand(route, request, reply, serving);
    const { offset, limit } = ask.query as { offset: number; limit: number };
    const wanted = (request.query as Record<string, unknown>).limit === undefined ? undefined : limit;
    const csv =
      route.kind === 'list'
        ? await csvReply(route, ask, offset, wanted)
        : csvOfOne(route.csv!, (await route.run(ask)) as Record<string, unknown>);
    const name = route.path.split('/').at(-1)!;
    return reply
      .type('text/csv; charset=utf-8')
      .headers({ 'cache-control': 'no-store', 'content-disposition': `attachment; filename="${name}.csv"` })
      .send(csv);
  });
}

async function answer(route: Route, ask: Ask, request: FastifyRequest): Promise<object> {
  switch (route.kind) {
    case 'one': {
      const row = await route.run(ask);
      if (route.method === 'POST' && 'id' in row) requestNoteOf(request).id = String(row.id);
      return oneReply(route, ask, row);
    }
    case 'count':
      return countReply(route, await route.run(ask));
    case 'plain':
      return route.run(ask);
    case 'list': {
      const { offset, limit } = ask.query as { offset: number; limit: number };
      return listReply(route, ask, await route.page(ask, { offset, limit }), { offset, limit }, request.url);
    }
  }
}

function understand(
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  { guard, shares, ending }: Serving,
): Ask {
  const account = guard.admit(request, route.role);
  const connectAs = oneHeader(request.headers['x-connect-as']);
  if (connectAs !== undefined && !route.connectAs)
    throw new Failure('request-refused-here', { what: 'X-Connect-As means nothing to this call' });
  // One signal for each request, so that no listener stays on the signal of the service.
  const over = new AbortController();
  const end = (): void => {
    ending.removeEventListener('abort', end);
    over.abort(new Failure('interrupted'));
  };
  if (ending.aborted) end();
  else ending.addEventListener('abort', end);
  reply.raw.once('close', end);
  const query = parsed(route.query, request.query, 'the query');
  const body = bodyOf(route, request);
  requestNoteOf(request).words = keysOf(request.query, body);
  return {
    account,
    connectAs,
    params: request.params as Record<string, string>,
    query,
    body,
    signal: over.signal,
    spend: (calls) => shares.spend(account, calls),
  };
}

/** The keys of the given parameters, without their values, which may be private. */
const keysOf = (...given: readonly unknown[]): string[] =>
  given
    .flatMap((one) => (typeof one === 'object' && one !== null ? Object.keys(one) : []))
    .filter((key) => /^\w{1,40}$/.test(key))
    .slice(0, 20);

/** Node joins the values of a repeated header. */
const oneHeader = (value: string | string[] | undefined): string | undefined => {
  const text = [value].flat().join(', ').trim();
  return text === '' ? undefined : oneLine(text, 200);
};

/** A body sent to a route that takes none is ignored if it is empty or the method is GET. */
function bodyOf({ body, method }: Route, request: FastifyRequest): unknown {
  if (body) return parsed(body, request.body ?? undefined, 'the body');
  const isNothing =
    request.body === undefined || request.body === null || Object.keys(request.body as object).length === 0;
  if (isNothing || method === 'GET') return undefined;
  throw new Failure('request-refused-here', { what: 'this call takes no body' });
}

function parsed(schema: z.ZodType, value: unknown, what: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const why = result.error.issues.slice(0, 5).map(({ path, message, ...issue }) => {
    const keys = 'keys' in issue && Array.isArray(issue.keys) ? issue.keys : [];
    const where = [...path, ...keys].join('.') || what;
    return `${where}: ${keys.length > 0 ? 'no such key' : message}`;
  });
  throw new Failure('request-refused-here', { what: oneLine(`${what} is not understood: ${why.join('; ')}`, 1000) });
}
