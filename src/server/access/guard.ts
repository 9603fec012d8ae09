import type { FastifyRequest } from 'fastify';
import { Failure } from '../../base/errors.js';
import { type Account, permits, type Role } from './account.js';
import { requestNoteOf } from './request-note.js';
import type { Tokens } from './tokens.js';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Says who asks, and whether they may. */
export class AccessGuard {
  readonly #tokens: Tokens;
  /** Who asks without a token; undefined: nobody may. */
  readonly #local: Account | undefined;

  /** @param local whoever can open the socket, where the kernel lets only its owner do so */
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

  /** Nothing is kept in cookies, so no other site can act for a person; a page that tries is told so. */
  requireOwnOrigin({ method, headers }: FastifyRequest): void {
    if (SAFE.has(method)) return;
    const { origin, host } = headers;
    const isForeign = origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host);
    if (isForeign || headers['sec-fetch-site'] === 'cross-site') throw new Failure('foreign-origin');
  }

  /** Who asks; undefined: nobody who is signed in. */
  account({ headers }: FastifyRequest): Account | undefined {
    if (headers.authorization === undefined) return this.#local;
    const token = tokenOf(headers.authorization);
    return token === undefined ? undefined : this.#tokens.account(token);
  }
}

export const tokenOf = (authorization: string | undefined): string | undefined =>
  /^Bearer +([A-Za-z0-9_-]{20,200})$/i.exec(authorization ?? '')?.[1];
