import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../base/clock.js';
import { Condition } from '../base/condition.js';
import { errnoOf, Failure } from '../base/errors.js';

/** A request of the browser with `?code=…&state=…` or `?error=…`. Exactly one of the answer methods must be called. */
export interface Visit {
  readonly parameters: URLSearchParams;
  finish(success: boolean, text: string): void;
  sendTo(url: string): void;
  /** The visit does not belong to this sign-in. */
  refuse(): void;
}

/** Unanswered visits; more are refused. */
const MOST_WAITING = 10;

/** A one-time path that redirects to another address. */
interface Passage {
  readonly path: string;
  readonly url: string;
  readonly onSecond: () => void;
  isSpent: boolean;
}

interface Shared {
  readonly waiting: Visit[];
  readonly arrived: Condition;
  passage: Passage | undefined;
}

/**
 * Waits on the loopback interface for the browser's redirect from the sign-in. `localhost` has two addresses, and a
 * process that listens on the other one would receive the code: the listener binds both.
 */
export class RedirectListener {
  readonly redirectUri: string;
  readonly #servers: readonly Server[];
  readonly #port: number;
  readonly #shared: Shared;

  private constructor(port: number, servers: Server[], shared: Shared) {
    this.redirectUri = `http://localhost:${port}/`;
    this.#port = port;
    this.#servers = servers;
    this.#shared = shared;
  }

  /** `port` 0: any free port. @throws Failure `redirect-port-busy`, `usage` */
  static async open(port: number): Promise<RedirectListener> {
    const shared: Shared = { waiting: [], arrived: new Condition(), passage: undefined };
    const { waiting } = shared;
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      const visit = visitOf(request, response);
      if (shared.passage && isAt(request, shared.passage.path)) pass(response, shared.passage);
      else if (!visit) answer(response, 404, page(false, 'There is nothing here.'));
      else if (waiting.length >= MOST_WAITING) visit.refuse();
      else {
        waiting.push(visit);
        shared.arrived.changed();
      }
    };
    for (let attempt = 1; ; attempt++) {
      const first = await listen('127.0.0.1', port, serve);
      const actual = (first.address() as AddressInfo).port;
      try {
        return new RedirectListener(actual, [first, await listen('::1', actual, serve)], shared);
      } catch (error) {
        if (!(error instanceof Failure)) return new RedirectListener(actual, [first], shared);
        await close(first);
        if (port !== 0 || attempt >= 5) throw error;
      }
    }
  }

  /**
   * A local address that redirects to `url`, once. All users can see the command line of a browser, so this address is
   * used there instead of `url`. If another user opens it first, the browser's own request is the second one, and
   * `onSecond` is called.
   */
  passage(url: string, onSecond: () => void): string {
    const path = `/${randomBytes(24).toString('base64url')}`;
    this.#shared.passage = { path, url, onSecond, isSpent: false };
    return `http://127.0.0.1:${this.#port}${path}`;
  }

  /** Waits for the next visit. Rejects with the signal's reason. */
  async visit(signal: AbortSignal): Promise<Visit> {
    const { waiting, arrived } = this.#shared;
    await arrived.until(() => waiting.length > 0, signal);
    return waiting.shift()!;
  }

  /** Closes the listener after replies in progress are sent. */
  async close(): Promise<void> {
    for (const visit of this.#shared.waiting.splice(0)) visit.refuse();
    await Promise.all(this.#servers.map(close));
  }
}

/** @throws Failure `redirect-port-busy`, `usage`; another error where this machine does not have the address */
async function listen(
  host: string,
  port: number,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = createServer({ maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 10_000 }, serve);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, resolve);
  }).catch((error: unknown) => {
    if (errnoOf(error) === 'EADDRINUSE') throw new Failure('redirect-port-busy', { port });
    if (errnoOf(error) === 'EACCES') throw new Failure('usage', { what: `port ${port} needs root` });
    throw error;
  });
  return server;
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cancel = systemClock.after(1000, () => server.closeAllConnections());
  await closed;
  cancel();
}

const isAt = ({ method, url }: IncomingMessage, path: string): boolean => method === 'GET' && sameText(url ?? '', path);

function pass(response: ServerResponse, passage: Passage): void {
  if (passage.isSpent) {
    answer(response, 410, page(false, 'Somebody has opened this sign-in before. It has ended; begin it again.'));
    passage.onSecond();
    return;
  }
  passage.isSpent = true;
  redirect(response, passage.url);
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { location, ...HEADERS });
  response.end();
}

function visitOf(request: IncomingMessage, response: ServerResponse): Visit | undefined {
  let url: URL;
  try {
    url = new URL(request.url ?? '/', 'http://localhost');
  } catch {
    return undefined;
  }
  const parameters = url.searchParams;
  if (request.method !== 'GET' || url.pathname !== '/' || !(parameters.has('code') || parameters.has('error')))
    return undefined;
  return {
    parameters,
    finish: (success, text) => answer(response, success ? 200 : 400, page(success, text)),
    sendTo: (location) => redirect(response, location),
    refuse: () => answer(response, 400, page(false, 'This is not the sign-in that procorefs waits for.')),
  };
}

/** The URL of this page contains the code: no referrer is sent, and nothing is loaded. */
const HEADERS = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  connection: 'close',
} as const;

function answer(response: ServerResponse, status: number, html: string): void {
  response.writeHead(status, { ...HEADERS, 'content-type': 'text/html; charset=utf-8' });
  response.end(html);
}

const page = (success: boolean, text: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>procorefs</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 1rem;color:#222}
h1{font-size:1.4rem;color:${success ? '#176b37' : '#a1261b'}}</style></head>
<body><h1>procorefs: ${success ? 'signed in' : 'not signed in'}</h1><p>${escaped(text)}</p></body></html>
`;

export const escaped = (text: string): string => text.replace(/[&<>"'`]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Compares in constant time, so that the duration does not show where the texts differ. */
export function sameText(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
