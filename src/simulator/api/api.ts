import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { constants, gzip, type ZlibOptions } from 'node:zlib';
import { ApiError, plainError, type RouteReply } from '../http/reply.js';
import { Router } from '../http/router.js';
import type { ServerWindow } from '../http/window.js';
import type { AccessToken } from '../login/accounts.js';
import { bearer } from '../login/login.js';
import { redirectDownload } from '../storage/download.js';
import type { World } from '../world.js';
import { Call } from './call.js';
import { type RouteRow, routeTable } from './routes.js';

const LIMIT_TEXT = 'You have surpassed the max number of requests for an hour. Please wait until your limit resets.';

/** Smallest reply that is compressed, in bytes: a reply that fits into one network packet gains nothing. */
const LEAST_COMPRESSED = 1400;
const compressed = promisify<Buffer, ZlibOptions, Buffer>(gzip);

/** The API host: each call passes latency, faults, sign-in, both rate windows, the company header, then its route. */
export class Api {
  readonly #world: World;
  readonly #router = new Router<RouteRow>(routeTable);

  constructor(world: World) {
    this.#world = world;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const world = this.#world;
    const started = performance.now();
    const url = new URL(request.url ?? '/', world.origins.api);
    if (url.pathname.startsWith('/download/')) return redirectDownload(world, request, response, url);
    const match = this.#router.find(request.method ?? 'GET', url.pathname);
    const route = `${request.method} ${match ? label(match.row.pattern) : '(unknown)'}`;
    world.counters.route(route);
    const hit = (name: Parameters<typeof world.faults.hit>[0]) =>
      world.faults.hit(name, 'api', `${route} ${url.pathname}`);

    await world.delay(hit('slow'));
    if (hit('reset-before')) return void request.socket.resetAndDestroy();
    const changes = hit('limit-changes');
    if (changes) this.#changeLimit(changes.limit ?? 600);

    const token = world.accounts.check(bearer(request) ?? '');
    const client = token.known?.client;
    const allowed = client === undefined || world.rates.take(client);
    let state = client === undefined ? undefined : world.rates.nearest(client);
    let reply: RouteReply;
    try {
      const spent = hit('429-hour') ?? hit('429-spike');
      if (spent) {
        const reset = Math.ceil(world.clock.now() / 1000 + (spent.retry_after ?? 1));
        state = { limit: state?.limit ?? world.rates.hourly, remaining: 0, reset };
      }
      if (spent || !allowed) throw new ApiError(429, { errors: LIMIT_TEXT });
      this.#disturb(hit, request, token.good);
      const cut = request.method !== 'GET' && hit('late-reset');
      const late = cut || (request.method !== 'GET' && hit('late'));
      if (late) {
        await world.late.take(request, (body) => this.#answer(body, url, match, token.good), late.ms);
        if (cut) return void request.socket.resetAndDestroy();
        throw new Disturbance({ status: 504, body: { message: 'Gateway Timeout' } });
      }
      reply = await this.#answer(request, url, match, token.good);
    } catch (error) {
      if (request.socket.destroyed || !(error instanceof ApiError || error instanceof Disturbance)) throw error;
      if (error instanceof Disturbance) reply = error.reply;
      else reply = { status: error.status, body: error.body };
    }
    if (hit('reset-after')) return void request.socket.resetAndDestroy();
    // Unread bytes of the body would be parsed as the next request of the connection.
    if (!request.complete) request.resume();
    const headers = this.#headers(started, reply, client === undefined ? undefined : state);
    const off = hit('wrong-date');
    if (off) headers.Date = new Date(world.clock.now() + (off.seconds ?? 86_400) * 1000).toUTCString();
    world.counters.status(reply.status);
    const damage = { malformed: !!hit('malformed-json'), truncated: !!hit('truncated-body') };
    await this.#send({ request, response }, reply, headers, damage);
  }

  async #answer(
    request: IncomingMessage,
    url: URL,
    match: ReturnType<Router<RouteRow>['find']>,
    token: AccessToken | undefined,
  ): Promise<RouteReply> {
    const { switches } = this.#world;
    if (!token) throw plainError(switches, 401, 'The access token is invalid');
    if (!acceptsJson(request)) throw plainError(switches, 406, 'Not Acceptable');
    this.#checkCompany(request, match?.row, token);
    if (!match) throw plainError(switches, 404, 'Not Found');
    return await match.row.run(new Call(this.#world, request, url, match.params, token));
  }

  #checkCompany(request: IncomingMessage, row: RouteRow | undefined, token: AccessToken): void {
    const { switches, company, otherCompany } = this.#world;
    const id = request.headers['procore-company-id'];
    const service = token.refresh === undefined && switches.is('company-header-on-companies', 'required');
    if (id === undefined && row?.withoutCompany === 'user' && !service) return;
    if (id === undefined) {
      const text = 'Missing Procore-Company-Id header! Please add the header Procore-Company-Id to your request.';
      throw plainError(switches, switches.number('company-header-status'), text);
    }
    const isOther = id === String(otherCompany.id) && switches.is('other-company', 'present');
    if (isOther || switches.is('app-connected', 'no')) {
      throw new ApiError(403, { errors: ['App is not connected to this company.'] });
    }
    if (id !== String(company.id)) throw plainError(switches, 404, 'Company not found');
  }

  /** Applies the faults that answer in place of the route. */
  #disturb(
    hit: (name: Parameters<World['faults']['hit']>[0]) => ReturnType<World['faults']['hit']>,
    request: IncomingMessage,
    token: AccessToken | undefined,
  ): void {
    const world = this.#world;
    if (token && hit('token-expired')) world.accounts.expire(token);
    else if (token && hit('token-revoked')) world.accounts.revoke(token.value);
    else {
      const busy = hit('503-retry-after');
      if (busy) {
        const headers = { 'Retry-After': String(busy.retry_after ?? 1) };
        throw new Disturbance({ status: 503, headers, body: { message: 'Service Unavailable' } });
      }
      if (hit('408')) throw new Disturbance({ status: 408, body: { errors: 'Request Timeout' } });
      if (hit('500-html')) {
        const body = '<!DOCTYPE html><html><body><h1>We’re sorry, but something went wrong.</h1></body></html>';
        throw new Disturbance({ status: 500, headers: { 'Content-Type': 'text/html; charset=utf-8' }, body });
      }
      return;
    }
    request.resume();
    throw plainError(world.switches, 401, 'The access token is invalid');
  }

  #changeLimit(changed: number): void {
    const { rates, options } = this.#world;
    rates.setHourly(rates.hourly === options.hourly ? changed : undefined);
  }

  #headers(started: number, reply: RouteReply, state: ServerWindow | undefined): Record<string, string> {
    const { clock, switches } = this.#world;
    const headers: Record<string, string> = {
      'Content-Type': 'application/json; charset=utf-8',
      'Cache-Control': 'no-store',
      Date: new Date(clock.now()).toUTCString(),
      'X-Request-Id': randomUUID(),
      'X-Runtime': ((performance.now() - started) / 1000).toFixed(6),
    };
    if (state && (reply.status !== 401 || switches.is('rate-headers-on-401', 'yes'))) {
      headers['X-Rate-Limit-Limit'] = String(state.limit);
      headers['X-Rate-Limit-Remaining'] = String(state.remaining);
      headers['X-Rate-Limit-Reset'] = String(state.reset);
    }
    if (reply.status === 429 && state && switches.is('retry-after-on-429', 'yes')) {
      headers['Retry-After'] = String(Math.max(0, state.reset - Math.floor(clock.now() / 1000)));
    }
    if (reply.status === 401) headers['WWW-Authenticate'] = 'Bearer realm="Procore", error="invalid_token"';
    return { ...headers, ...reply.headers };
  }

  #takesGzip(request: IncomingMessage): boolean {
    const accepted = String(request.headers['accept-encoding'] ?? '');
    return this.#world.switches.is('compression', 'gzip') && /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(accepted);
  }

  async #send(
    { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
    reply: RouteReply,
    headers: Record<string, string>,
    damage: { readonly malformed: boolean; readonly truncated: boolean },
  ): Promise<void> {
    const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {});
    const whole = Buffer.from(text);
    const meant = damage.malformed ? whole.subarray(0, Math.floor(whole.length * 0.6)) : whole;
    const compresses = meant.length >= LEAST_COMPRESSED && this.#takesGzip(request);
    const body = compresses ? await compressed(meant, { level: constants.Z_BEST_SPEED }) : meant;
    response.sendDate = false;
    response.writeHead(reply.status, {
      ...headers,
      Vary: 'Accept-Encoding',
      ...(compresses ? { 'Content-Encoding': 'gzip' } : {}),
      'Content-Length': body.length,
    });
    if (!damage.truncated) return void response.end(body);
    response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.destroy());
  }
}

class Disturbance extends Error {
  readonly reply: RouteReply;

  constructor(reply: RouteReply) {
    super(`status ${reply.status}`);
    this.reply = reply;
  }
}

/** `:company` and `:project` are shown as `:id`, as in the API reference. */
const label = (pattern: string): string => pattern.replace(/:\w+/g, ':id');

function acceptsJson(request: IncomingMessage): boolean {
  const { accept } = request.headers;
  return accept === undefined || accept.trim() === '' || /application\/(json|\*)|\*\/\*|[+/]json/.test(accept);
}
