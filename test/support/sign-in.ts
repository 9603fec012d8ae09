import { createServer, request as forward, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Secret } from '#src/base/secret.js';
import { signInByCode } from '#src/connections/authorization-code.js';
import type { Granted, OAuthClient } from '#src/connections/oauth.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

/** What a person meets: opens the page, presses a button. The address the browser is sent to, or the shown code. */
export async function decide(
  url: string,
  decision: 'allow' | 'deny' = 'allow',
): Promise<{ readonly location: string | undefined; readonly code: string | undefined; readonly status: number }> {
  const page = await fetch(url);
  const html = await page.text();
  if (page.status !== 200) return { location: undefined, code: undefined, status: page.status };
  const body = new URLSearchParams({ decision });
  for (const [, name, value] of html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g))
    body.append(
      name!,
      value!.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code)),
    );
  // A connection that was kept may have been closed meanwhile, on a busy machine: then once more.
  const post = () => fetch(new URL('/oauth/authorize', page.url), { method: 'POST', body, redirect: 'manual' });
  const posted = await post().catch(post);
  return {
    location: posted.headers.get('location') ?? undefined,
    code: /id="authorization_code">([^<]+)</.exec(await posted.text())?.[1],
    status: posted.status,
  };
}

/** The whole way of a browser: to the page, back to this machine, and wherever that sends it. */
export async function browse(url: string, decision: 'allow' | 'deny' = 'allow'): Promise<Response> {
  let at = url;
  for (let hop = 0; hop < 5; hop++) {
    const { location } = await decide(at, decision);
    if (location === undefined) throw new Error('the page sends the browser nowhere');
    const back = await fetch(location, { redirect: 'manual' });
    const next = back.headers.get('location');
    if (next === null) return back;
    await back.text();
    at = next;
  }
  throw new Error('the browser goes round in circles');
}

/** A sign-in that a test needs as a start. */
export function signedIn(client: OAuthClient): Promise<Granted> {
  let shown = '';
  return signInByCode(
    client,
    (url) => {
      shown = url;
    },
    async () => new Secret((await decide(shown)).code!),
    AbortSignal.timeout(30_000),
  );
}

/** An address of this machine where nobody listens: one that was free a moment ago may be another test's by now. */
export const NOBODY = 'http://127.0.0.1:2';

export type Fate = 'pass' | 'lose-reply' | 'lose-request' | { readonly status: number; readonly body?: string };

export interface LoginProxy {
  readonly url: string;
  /** Each refresh token that was presented, in order. */
  readonly presented: string[];
  /** Everything that was sent to the token endpoint, decoded. */
  readonly grants: Record<string, string>[];
  /** What becomes of the next requests to the token endpoint; `pass` when it is empty. */
  readonly fates: Fate[];
}

/** Stands before the simulator's login host, sees what is sent, and loses replies as told. */
export async function loginProxy(t: Teardown, target: string): Promise<LoginProxy> {
  const presented: string[] = [];
  const grants: Record<string, string>[] = [];
  const fates: Fate[] = [];
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    let fate: Fate = 'pass';
    if (request.url === '/oauth/token') {
      const given = Object.fromEntries(new URLSearchParams(body.toString()));
      grants.push(given);
      fate = fates.shift() ?? 'pass';
      if (given.refresh_token !== undefined && fate !== 'lose-request') presented.push(given.refresh_token);
    }
    if (fate === 'lose-request') return void request.socket.resetAndDestroy();
    if (typeof fate === 'object') {
      presented.pop();
      response.writeHead(fate.status, { 'content-type': 'application/json' });
      return void response.end(fate.body ?? '{}');
    }
    const url = new URL(request.url ?? '/', target);
    const { host: _, ...headers } = request.headers;
    const onward = forward(url, { method: request.method!, headers, agent: false }, (reply) => {
      if (fate === 'lose-reply') {
        reply.resume();
        reply.once('end', () => request.socket.resetAndDestroy());
        return;
      }
      response.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(response);
    });
    onward.once('error', () => request.socket.resetAndDestroy());
    onward.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, presented, grants, fates };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
