import * as oauth from 'openid-client';
import { Agent, fetch as undiciFetch } from 'undici';
import { errnoOf, Failure, isFailure } from '../base/errors.js';
import { Secret } from '../base/secret.js';

export interface OAuthClient {
  /** Origin of the login host. */
  readonly loginUrl: string;
  readonly clientId: string;
  readonly clientSecret: Secret;
  /** The connection's name, for messages. */
  readonly name: string;
}

export interface Granted {
  readonly access: Secret;
  /** Seconds that the token is good for. */
  readonly expiresIn: number;
  readonly refresh: Secret | undefined;
}

/** Not told by a reply: the shortest life that is announced, seconds. */
const SHORTEST_LIFE = 900;

const agent = new Agent({
  connect: { timeout: 10_000 },
  headersTimeout: 30_000,
  bodyTimeout: 30_000,
  keepAliveTimeout: 1000,
});

/** The login host for openid-client: its endpoints are known, redirects are not followed. */
export function configure(client: OAuthClient): oauth.Configuration {
  const at = (path: string): string => new URL(path, client.loginUrl).href;
  const config = new oauth.Configuration(
    {
      issuer: client.loginUrl,
      authorization_endpoint: at('/oauth/authorize'),
      token_endpoint: at('/oauth/token'),
      revocation_endpoint: at('/oauth/revoke'),
    },
    client.clientId,
    {},
    oauth.ClientSecretPost(client.clientSecret.reveal()),
  );
  config[oauth.customFetch] = (url, options) =>
    undiciFetch(url, { ...(options as object), redirect: 'manual', dispatcher: agent }) as unknown as Promise<Response>;
  if (client.loginUrl.startsWith('http:')) oauth.allowInsecureRequests(config);
  return config;
}

/** @throws Failure `sign-in-refused`, `unreachable`, `server-error`, or the signal's reason */
export function clientCredentials(client: OAuthClient): Promise<Granted> {
  return grant(client, 'sign-in-refused', (config) => oauth.clientCredentialsGrant(config));
}

/** Runs one grant and turns what it throws into failures; `refused` is the one for an answer that says no. */
export async function grant(
  client: OAuthClient,
  refused: 'sign-in-refused' | 'signed-out',
  run: (config: oauth.Configuration) => Promise<oauth.TokenEndpointResponse>,
): Promise<Granted> {
  const host = new URL(client.loginUrl).host;
  try {
    const reply = await run(configure(client));
    return {
      access: new Secret(reply.access_token),
      expiresIn: typeof reply.expires_in === 'number' ? reply.expires_in : SHORTEST_LIFE,
      refresh: reply.refresh_token === undefined ? undefined : new Secret(reply.refresh_token),
    };
  } catch (error) {
    throw grantFailure(error, host, client.name, refused);
  }
}

function grantFailure(error: unknown, host: string, name: string, refused: 'sign-in-refused' | 'signed-out'): unknown {
  if (isFailure(error)) return error;
  const call = 'POST /oauth/token';
  if (error instanceof oauth.ResponseBodyError) {
    if (error.status >= 500) return new Failure('server-error', { host, call, status: error.status });
    const why = [error.error, error.error_description].filter(Boolean).join(': ');
    return new Failure(refused, { host, name, why, status: error.status });
  }
  const status = statusOf(error);
  if (status !== undefined && status >= 400) {
    if (status === 401 || status === 400 || status === 403) return new Failure(refused, { host, name, status });
    return new Failure('server-error', { host, call, status });
  }
  if (networkCode(error) !== undefined) return new Failure('unreachable', { host, why: networkCode(error) });
  return new Failure('bad-reply', { host, call, why: error instanceof Error ? error.message : undefined });
}

/** The HTTP status of an unexpected reply: openid-client's errors carry it, or the Response as their cause. */
function statusOf(error: unknown): number | undefined {
  for (const one of [error, (error as { cause?: unknown } | null)?.cause])
    if (one instanceof Object && 'status' in one && typeof one.status === 'number') return one.status;
  return undefined;
}

/** The code of the network error somewhere in the chain of causes. */
export function networkCode(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const code = errnoOf(at);
    if (code !== undefined && /^(E[A-Z]+|UND_ERR_\w+|CERT_\w+|\w+_CERT\w*|HPE_\w+)$/.test(code)) return code;
  }
  return undefined;
}
