import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod';
import type { Clock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { Secret } from '../../base/secret.js';
import { oneLine } from '../../base/text.js';
import { errorBody } from '../http/errors.js';
import { clientAddress } from './address.js';
import { tokenOf } from './guard.js';
import { requestNoteOf } from './request-note.js';
import { SignInThrottle } from './throttle.js';
import type { Issued, Tokens } from './tokens.js';
import type { Users } from './users.js';

export const tokenBody = z.object({
  grant_type: z.enum(['password', 'refresh_token']),
  username: z.string().max(200).optional(),
  password: z.string().max(1000).optional(),
  refresh_token: z.string().max(1000).optional(),
  /** With the scope `offline_access` the reply has a refresh token. */
  scope: z.string().max(1000).optional(),
});

export const tokenReply = z.object({
  access_token: z.string(),
  token_type: z.literal('bearer'),
  expires_in: z.number(),
  refresh_token: z.string().optional(),
});

export interface SignIn {
  readonly users: Users;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly log: Log;
}

/** `/connect/token` and `/connect/logout`, also below `/v1`: without envelope (RFC 6749, 4.3 and 6). */
export function signInRoutes(app: FastifyInstance, parts: SignIn): void {
  const throttle = new SignInThrottle();
  for (const prefix of ['', '/v1']) serveSignIn(app, prefix, parts, throttle);
}

function serveSignIn(app: FastifyInstance, prefix: string, parts: SignIn, throttle: SignInThrottle): void {
  app.post(`${prefix}/connect/token`, { config: { isWrittenDown: true } }, async (request, reply) => {
    try {
      return await grant(request, parts, throttle);
    } catch (error) {
      if (!(error instanceof Failure) || error.code === 'internal') throw error;
      requestNoteOf(request).code = error.code;
      const { seconds } = error.details;
      if (seconds !== undefined) reply.header('retry-after', String(seconds));
      return reply.code(error.httpStatus).send({
        error: error.code === 'login-throttled' || error.code === 'too-many-requests' ? 'slow_down' : 'invalid_grant',
        error_description: error.line,
        ...errorBody(error),
      });
    }
  });
  app.get(`${prefix}/connect/logout`, { config: { isWrittenDown: true } }, async (request) => {
    const token = tokenOf(request.headers.authorization);
    if (token === undefined) throw new Failure('not-signed-in');
    const user = parts.tokens.end(token);
    if (user !== undefined) {
      requestNoteOf(request).name = user;
      parts.log.info({ user, address: request.ip }, 'a sign-in was ended');
    }
    return { status: 'ok' };
  });
}

async function grant(request: FastifyRequest, parts: SignIn, throttle: SignInThrottle): Promise<Issued> {
  const parsed = tokenBody.safeParse(request.body);
  if (!parsed.success)
    throw new Failure('request-refused-here', {
      what: 'the form needs grant_type=password with username and password, or grant_type=refresh_token',
    });
  const { grant_type, username = '', password = '', refresh_token = '', scope = '' } = parsed.data;
  requestNoteOf(request).words = [grant_type];
  const issued =
    grant_type === 'refresh_token'
      ? renewed(request, refresh_token, parts)
      : await signedIn(request, { username, password, scope }, parts, throttle);
  if (!issued) throw new Failure('login-refused');
  return issued;
}

/**
 * A token of 32 random bytes cannot be guessed: renewals are not throttled, whatever passwords are tried from the same
 * address.
 */
function renewed(request: FastifyRequest, token: string, { tokens, log }: SignIn): Issued | undefined {
  const renewal = tokens.renew(token);
  const note = requestNoteOf(request);
  if (renewal.kind === 'unknown') {
    log.info({ address: request.ip }, 'a sign-in could not be renewed');
    return undefined;
  }
  note.name = renewal.name;
  if (renewal.kind === 'renewed') return renewal.issued;
  note.words = ['refresh_token', 'spent'];
  log.warn({ user: renewal.name, address: request.ip }, 'a refresh token came twice: all of its sign-in is ended');
  return undefined;
}

async function signedIn(
  request: FastifyRequest,
  { username, password, scope }: { readonly username: string; readonly password: string; readonly scope: string },
  { users, tokens, clock, log }: SignIn,
  throttle: SignInThrottle,
): Promise<Issued | undefined> {
  const client = clientAddress(request.ip);
  const who = { user: oneLine(username, 100), address: request.ip };
  requestNoteOf(request).name = who.user;
  const wait = throttle.wait(username, client, clock.now());
  if (wait > 0) {
    log.warn({ ...who, wait }, 'a sign-in was not tried: the name is locked for this address');
    throw new Failure('login-throttled', { seconds: Math.ceil(wait / 1000) });
  }
  // Counted before the password is checked: otherwise many parallel attempts would all count as the first one.
  throttle.failed(username, client, clock.now());
  const user = await users.check(username, new Secret(password), client).catch((error: unknown) => {
    throttle.undone(username, client);
    throw error;
  });
  if (!user) {
    log.warn(who, 'a sign-in was refused: wrong name or password');
    return undefined;
  }
  throttle.succeeded(username, client);
  return tokens.issue(user, scope.split(/[\s,]+/).includes('offline_access'));
}
