import * as oauth from 'openid-client';
import { Agent, fetch as undiciFetch } from 'undici';
import { pauseAfter } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import { errnoOf, Failure, type FailureCode, isFailure } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { oneLine } from '../base/text.js';

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
  /** Lifetime of the token, seconds. */
  readonly expiresIn: number;
  readonly refresh: Secret | undefined;
}

/** Used where a reply gives no lifetime: the shortest announced one, seconds. */
const SHORTEST_LIFE_S = 900;
/** Limit for a whole exchange, seconds. */
const TIMEOUT_S = 20;

/** A new connection for each request: a kept one may close just when a refresh token is being sent. */
const agent = new Agent({
  pipelining: 0,
  connect: { timeout: 10_000 },
  headersTimeout: TIMEOUT_S * 1000,
  bodyTimeout: TIMEOUT_S * 1000,
  maxResponseSize: 1024 * 1024,
});

/** One request to a login host. Redirects are not followed, so that no secret is sent to another host. */
export const loginFetch: typeof undiciFetch = (url, options) =>
  undiciFetch(url, { ...options, redirect: 'manual', dispatcher: agent });

/** openid-client's configuration of the login host, without discovery: the endpoints are known. */
export function configure(client: OAuthClient, signal?: AbortSignal): oauth.Configuration {
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
  config.timeout = TIMEOUT_S;
  config[oauth.customFetch] = (url, options) => {
    const signals = [options.signal, signal].filter((one) => one !== undefined);
    // The Response types of undici and of Node differ in name only.
    return loginFetch(url, {
      ...(options as object),
      signal: AbortSignal.any(signals),
    }) as unknown as Promise<Response>;
  };
  if (client.loginUrl.startsWith('http:')) oauth.allowInsecureRequests(config);
  return config;
}

/**
 * Effect of a failed grant at the server: certainly `nothing`, `refused` (the credential was rejected), or `unknown`:
 * the credential may be used up.
 */
export type GrantOutcome = 'nothing' | 'refused' | 'unknown';

export class GrantFailure extends Failure {
  readonly outcome: GrantOutcome;
  /** Milliseconds to wait, as the server requested. */
  readonly retryAfter: number | undefined;
  /** The server's error code: `invalid_grant`. */
  readonly error: string | undefined;

  constructor(
    outcome: GrantOutcome,
    code: FailureCode,
    details: Failure['details'],
    more: { readonly retryAfter?: number | undefined; readonly error?: string | undefined } = {},
  ) {
    super(code, details);
    this.outcome = outcome;
    this.retryAfter = more.retryAfter;
    this.error = more.error;
  }
}

/**
 * Runs one grant. @throws GrantFailure, or the signal's reason; `refused` is the Failure code for a reply that refuses
 * the grant
 */
export async function grant(
  client: OAuthClient,
  refused: FailureCode,
  run: (config: oauth.Configuration) => Promise<oauth.TokenEndpointResponse>,
  signal?: AbortSignal,
): Promise<Granted> {
  try {
    const reply = await run(configure(client, signal));
    return {
      access: new Secret(reply.access_token),
      expiresIn: typeof reply.expires_in === 'number' && reply.expires_in > 0 ? reply.expires_in : SHORTEST_LIFE_S,
      refresh: reply.refresh_token === undefined ? undefined : new Secret(reply.refresh_token),
    };
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw isFailure(error) ? error : grantFailure(error, client, refused);
  }
}

/** Attempts at a grant, and the pauses between them, milliseconds. */
const ATTEMPTS = 3;
const RETRY = { first: 500, factor: 3, jitter: 0.25 };
const LONGEST_PAUSE_MS = 10_000;

/** Repeats a grant while `mayRepeat` reports that this does no harm; at most three attempts. */
export async function persistently<T>(
  clock: Clock,
  mayRepeat: (failure: GrantFailure) => boolean,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !(error instanceof GrantFailure) || !mayRepeat(error)) throw error;
      await clock.sleep(Math.min(error.retryAfter ?? pauseAfter(attempt, RETRY), LONGEST_PAUSE_MS));
    }
}

function grantFailure(error: unknown, client: OAuthClient, refused: FailureCode): GrantFailure {
  const host = new URL(client.loginUrl).host;
  const call = 'POST /oauth/token';
  const { name } = client;
  const status = statusOf(error);
  if (status === undefined) return withoutStatus(error, host, call);

  const body = error instanceof oauth.ResponseBodyError ? error : undefined;
  const said = [body?.error, body?.error_description].filter(Boolean).join(': ');
  const why = said === '' ? undefined : oneLine(said, 200);
  const more = { error: body?.error, retryAfter: retryAfterOf(error) };
  const details = { host, name, call, status, why };
  if (/^(invalid|unauthorized)_client$/.test(body?.error ?? '') || status === 403)
    return new GrantFailure('nothing', 'sign-in-refused', details, more);
  if (body?.error === 'invalid_grant' || status === 400 || status === 401)
    return new GrantFailure('refused', refused, details, more);
  if (status >= 300) return new GrantFailure(outcomeOf(status), 'server-error', details, more);
  return new GrantFailure('unknown', 'bad-reply', { host, call, why: messageOf(error) });
}

/**
 * A reply of the server means that nothing was granted; a reply of a gateway says nothing about the server behind it.
 */
const outcomeOf = (status: number): GrantOutcome =>
  status < 500 || status === 500 || status === 503 ? 'nothing' : 'unknown';

function withoutStatus(error: unknown, host: string, call: string): GrantFailure {
  const code = networkCode(error);
  if (code !== undefined)
    return new GrantFailure(NEVER_SENT.test(code) ? 'nothing' : 'unknown', 'unreachable', { host, why: code });
  if (error instanceof Error && /Abort|Timeout/.test(`${error.name}${(error.cause as Error | undefined)?.name}`))
    return new GrantFailure('unknown', 'unreachable', { host, why: `no answer within ${TIMEOUT_S} s` });
  return new GrantFailure('unknown', 'bad-reply', { host, call, why: messageOf(error) });
}

/** Errors that occur before the request is sent. */
const NEVER_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|.*CERT.*|ERR_TLS_\w+|.*SELF_SIGNED.*|UNABLE_TO_\w+)$/;

const messageOf = (error: unknown): string | undefined => (error instanceof Error ? error.message : undefined);

/** The HTTP status of an unexpected reply: in openid-client's error, or in the Response that is its cause. */
function statusOf(error: unknown): number | undefined {
  for (const one of [error, (error as { cause?: unknown } | null)?.cause])
    if (one instanceof Object && 'status' in one && typeof one.status === 'number') return one.status;
  return undefined;
}

function retryAfterOf(error: unknown): number | undefined {
  for (const one of [
    (error as { response?: unknown } | null)?.response,
    (error as { cause?: unknown } | null)?.cause,
  ]) {
    const headers = (one as { headers?: { get?(name: string): string | null } } | undefined)?.headers;
    const text = typeof headers?.get === 'function' ? headers.get('retry-after') : null;
    if (text && /^\d{1,5}$/.test(text)) return Number(text) * 1000;
  }
  return undefined;
}

/** The code of the network error in the chain of causes. */
export function networkCode(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const code = errnoOf(at);
    if (
      code !== undefined &&
      /^(E[A-Z]+|UND_ERR_\w+|CERT_\w+|\w+_CERT\w*|ERR_TLS_\w+|UNABLE_TO_\w+|HPE_\w+)$/.test(code)
    )
      return code;
  }
  return undefined;
}
