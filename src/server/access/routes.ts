import type { FastifyInstance, FastifyRequest } from 'fastify';
import * as z from 'zod';
import { Failure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { Secret } from '../../base/secret.js';
import { oneLine } from '../../base/text.js';
import { errorBody } from '../http/errors.js';
import { tokenOf } from './guard.js';
import { Throttle } from './throttle.js';
import type { Issued, Tokens } from './tokens.js';
import type { Users } from './users.js';

export const tokenBody = z.object({
  grant_type: z.enum(['password', 'refresh_token']),
  username: z.string().max(200).optional(),
  password: z.string().max(1000).optional(),
  refresh_token: z.string().max(1000).optional(),
  /** `offline_access` among its words: with a refresh token. */
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
  readonly log: Log;
}

/** `/connect/token` and `/connect/logout`, also with `/v1` before them: without envelope (RFC 6749, 4.3 and 6). */
export function signInRoutes(app: FastifyInstance, parts: SignIn): void {
  const throttle = new Throttle();
  for (const prefix of ['', '/v1']) serveSignIn(app, prefix, parts, throttle);
}

function serveSignIn(app: FastifyInstance, prefix: string, parts: SignIn, throttle: Throttle): void {
  app.post(`${prefix}/connect/token`, async (request, reply) => {
    try {
      return await grant(request, parts, throttle);
    } catch (error) {
      if (!(error instanceof Failure) || error.code === 'internal') throw error;
      const { seconds } = error.details;
      if (seconds !== undefined) reply.header('retry-after', String(seconds));
      return reply.code(error.httpStatus).send({
        error: error.code === 'login-throttled' || error.code === 'too-many-requests' ? 'slow_down' : 'invalid_grant',
        error_description: error.line,
        ...errorBody(error),
      });
    }
  });
  app.get(`${prefix}/connect/logout`, async (request) => {
    const token = tokenOf(request.headers.authorization);
    if (token === undefined) throw new Failure('not-signed-in');
    parts.tokens.end(token);
    return { status: 'ok' };
  });
}

async function grant(request: FastifyRequest, { users, tokens, log }: SignIn, throttle: Throttle): Promise<Issued> {
  const parsed = tokenBody.safeParse(request.body);
  if (!parsed.success)
    throw new Failure('request-refused-here', {
      what: 'the form needs grant_type=password with username and password, or grant_type=refresh_token',
    });
  const { grant_type, username = '', password = '', refresh_token = '', scope = '' } = parsed.data;
  const keys = [`address ${request.ip}`, ...(grant_type === 'password' ? [`name ${username}`] : [])];
  const wait = throttle.wait(keys, Date.now());
  if (wait > 0) throw new Failure('login-throttled', { seconds: Math.ceil(wait / 1000) });
  // Counted before it is known: many tries at once would otherwise all be the first.
  throttle.failed(keys, Date.now());
  const user = grant_type === 'password' ? await users.check(username, new Secret(password)) : undefined;
  const issued = user
    ? tokens.issue(user, scope.split(/[\s,]+/).includes('offline_access'))
    : grant_type === 'refresh_token'
      ? tokens.renew(refresh_token)
      : undefined;
  if (!issued) {
    log.warn({ user: oneLine(username, 100), address: request.ip }, 'a sign-in was refused');
    throw new Failure('login-refused');
  }
  throttle.succeeded(keys);
  return issued;
}
