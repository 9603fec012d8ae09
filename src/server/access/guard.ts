import type { FastifyRequest } from 'fastify';
import { Failure } from '../../base/errors.js';
import { type Account, permits, type Role } from './account.js';
import { requestNoteOf } from './request-note.js';
import type { Tokens } from './tokens.js';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Determines the user of a request and checks the permission. */
export class AccessGuard {
  readonly #tokens: Tokens;
  /** The account of requests without a token; undefined: they are refused. */
  readonly #local: Account | undefined;

  /** @param local the account at the socket, which the kernel lets only its owner open */
  constructor(tokens: Tokens, local: Account | undefined) {
    this.#tokens = tokens;
    this.#local = local;
  }

  /** @throws Failure `not-signed-in`, `role-too-low`, `foreign-origin` */
  admit(request: FastifyRequest, role: Role): Account {
    const account = this.account(request);
    if (!account) throw new Failure('not-signed-in');
    requestNoteOf(request).who = account;
    if (!permits(account, role)) throw new Failure('role-too-low', { role });
    return account;
  }

  /** There are no cookies, so another site cannot use a person's sign-in; a page that tries gets an error. */
  requireOwnOrigin({ method, headers }: FastifyRequest): void {
    if (SAFE.has(method)) return;
    const { origin, host } = headers;
    const isForeign = origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host);
    if (isForeign || headers['sec-fetch-site'] === 'cross-site') throw new Failure('foreign-origin');
  }

  /** The user of the request; undefined: not signed in. */
  account({ headers }: FastifyRequest): Account | undefined {
    if (headers.authorization === undefined) return this.#local;
    const token = tokenOf(headers.authorization);
    return token === undefined ? undefined : this.#tokens.account(token);
  }
}

export const tokenOf = (authorization: string | undefined): string | undefined =>
  /^Bearer +([A-Za-z0-9_-]{20,200})$/i.exec(authorization ?? '')?.[1];
