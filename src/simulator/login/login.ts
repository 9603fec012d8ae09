import type { IncomingMessage, ServerResponse } from 'node:http';
import type { World } from '../world.js';
import type { AccessToken } from './accounts.js';
import { authorizePage } from './authorize.js';
import { fields } from './fields.js';

/** The sign-in host: `/oauth/authorize`, `/oauth/token`, `/oauth/token/info`, `/oauth/revoke`. */
export async function serveLogin(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', world.origins.login);
  const route = `${request.method} ${url.pathname}`;
  world.counters.login++;
  if (world.faults.hit('reset-before', 'login', route)) return void request.socket.resetAndDestroy();
  const unavailable = world.faults.hit('login-unavailable', 'login', route);
  if (unavailable) {
    response.setHeader('Retry-After', String(unavailable.retry_after ?? 1));
    return send(world, response, 503, { error: 'temporarily_unavailable' });
  }
  switch (route) {
    case 'GET /oauth/authorize':
    case 'POST /oauth/authorize':
      return await authorizePage(world, request, response, url);
    case 'POST /oauth/token':
      return await grant(world, request, response, route);
    case 'GET /oauth/token/info':
      return info(world, request, response);
    case 'POST /oauth/revoke': {
      const { token } = await fields(request);
      if (token) world.accounts.revoke(token);
      return send(world, response, 200, {});
    }
    default:
      return send(world, response, 404, { error: 'not_found' });
  }
}

async function grant(world: World, request: IncomingMessage, response: ServerResponse, route: string): Promise<void> {
  const { accounts } = world;
  const given = await fields(request);
  const [client, secret] = credentials(request, given);
  if (!accounts.isSecret(client, secret)) {
    return send(world, response, 401, {
      error: 'invalid_client',
      error_description:
        'Client authentication failed due to unknown client, no client authentication included, or unsupported authentication method.',
    });
  }
  let access: AccessToken | undefined;
  switch (given.grant_type) {
    case 'client_credentials':
      access = accounts.forService(client);
      break;
    case 'authorization_code':
      access = accounts.redeem(client, given.code ?? '', given.redirect_uri ?? '', given.code_verifier);
      break;
    case 'refresh_token':
      access = accounts.refresh(client, given.refresh_token ?? '');
      if (access && world.faults.hit('refresh-reply-lost', 'login', route))
        return void request.socket.resetAndDestroy();
      break;
    default:
      return send(world, response, 400, {
        error: given.grant_type ? 'unsupported_grant_type' : 'invalid_request',
        error_description: 'The authorization grant type is not supported by the authorization server.',
      });
  }
  if (!access) {
    const description =
      given.grant_type === 'refresh_token'
        ? 'The refresh token is invalid'
        : 'The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the authorization request, or was issued to another client.';
    return send(world, response, world.switches.number('grant-error-status'), {
      error: 'invalid_grant',
      error_description: description,
    });
  }
  send(world, response, 200, {
    access_token: access.value,
    token_type: world.switches.get('token-type'),
    expires_in: Math.round(accounts.tokenTtl),
    ...(access.refresh === undefined ? {} : { refresh_token: access.refresh }),
    created_at: Math.floor((access.createdAt + world.clock.offset) / 1000),
  });
}

function info(world: World, request: IncomingMessage, response: ServerResponse): void {
  const { good } = world.accounts.check(bearer(request) ?? '');
  if (!good) {
    send(world, response, 401, { errors: 'The access token is invalid' });
    return;
  }
  send(world, response, 200, {
    resource_owner_id: world.person(good.person).id,
    scopes: [],
    expires_in_seconds: Math.max(0, Math.round((good.expiresAt - Date.now()) / 1000)),
    application: { uid: good.client },
    created_at: Math.floor((good.createdAt + world.clock.offset) / 1000),
  });
}

/** The token of `Authorization: Bearer`, if there is one. */
export function bearer(request: IncomingMessage): string | undefined {
  return /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
}

function credentials(request: IncomingMessage, given: Record<string, string>): [client: string, secret: string] {
  const basic = /^basic +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (basic === undefined) return [given.client_id ?? '', given.client_secret ?? ''];
  const [client = '', secret = ''] = Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent);
  return [client, secret];
}

function send(world: World, response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.sendDate = false;
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    Date: new Date(world.clock.now()).toUTCString(),
  });
  response.end(text);
}
