import { createHash, randomBytes } from 'node:crypto';
import { SERVICE_ACCOUNT, SIGNED_IN_PERSON } from '../generate/people.js';

export interface AccessToken {
  readonly value: string;
  readonly client: string;
  /** Index of a person. */
  readonly person: number;
  /** Milliseconds since the epoch, this machine's clock. */
  readonly createdAt: number;
  expiresAt: number;
  /** The refresh token issued together with it. */
  readonly refresh: string | undefined;
}

interface Code {
  readonly client: string;
  readonly redirectUri: string;
  readonly person: number;
  readonly expiresAt: number;
  readonly challenge: { readonly value: string; readonly method: string } | undefined;
}

interface RefreshToken {
  readonly client: string;
  readonly person: number;
}

const CODE_MS = 600_000;
const token = (): string => randomBytes(32).toString('base64url');

/** OAuth clients, codes and tokens. A refresh token is valid once; its use leaves the previous access token valid. */
export class Accounts {
  /** Lifetime of access tokens in seconds. */
  tokenTtl: number;
  readonly #clients: ReadonlyMap<string, string>;
  readonly #access = new Map<string, AccessToken>();
  readonly #refresh = new Map<string, RefreshToken>();
  readonly #codes = new Map<string, Code>();

  constructor(clients: ReadonlyMap<string, string>, tokenTtl: number) {
    this.#clients = clients;
    this.tokenTtl = tokenTtl;
  }

  knows(client: string): boolean {
    return this.#clients.has(client);
  }

  isSecret(client: string, secret: string): boolean {
    return this.#clients.get(client) === secret;
  }

  forService(client: string): AccessToken {
    return this.#issue(client, SERVICE_ACCOUNT, undefined);
  }

  code(client: string, redirectUri: string, challenge: Code['challenge']): string {
    const code = token();
    const expiresAt = Date.now() + CODE_MS;
    this.#codes.set(code, { client, redirectUri, person: SIGNED_IN_PERSON, expiresAt, challenge });
    return code;
  }

  /** Undefined: the code is unknown, used, expired, of another client or redirect, or the verifier does not match. */
  redeem(client: string, code: string, redirectUri: string, verifier: string | undefined): AccessToken | undefined {
    const known = this.#codes.get(code);
    this.#codes.delete(code);
    if (!known || known.client !== client || known.redirectUri !== redirectUri) return undefined;
    if (Date.now() >= known.expiresAt || !verifies(known.challenge, verifier)) return undefined;
    return this.#withRefresh(client, known.person);
  }

  /** Undefined: the refresh token is unknown, revoked or already used. */
  refresh(client: string, value: string): AccessToken | undefined {
    const known = this.#refresh.get(value);
    if (!known || known.client !== client) return undefined;
    this.#refresh.delete(value);
    return this.#withRefresh(client, known.person);
  }

  /** `good`: the token if it is valid; `known`: the token even if it has expired. */
  check(value: string): { readonly good?: AccessToken; readonly known?: AccessToken } {
    const known = this.#access.get(value);
    if (!known) return {};
    return known.expiresAt > Date.now() ? { good: known, known } : { known };
  }

  expire(access: AccessToken): void {
    access.expiresAt = 0;
  }

  /** Revokes an access or refresh token and the token issued with it. */
  revoke(value: string): void {
    const access = this.#access.get(value);
    if (access?.refresh) this.#refresh.delete(access.refresh);
    this.#access.delete(value);
    this.#refresh.delete(value);
    for (const other of this.#access.values()) if (other.refresh === value) this.#access.delete(other.value);
  }

  expireAll(): void {
    for (const access of this.#access.values()) access.expiresAt = 0;
  }

  revokeAll(): void {
    this.#access.clear();
    this.#refresh.clear();
    this.#codes.clear();
  }

  #withRefresh(client: string, person: number): AccessToken {
    const refresh = token();
    this.#refresh.set(refresh, { client, person });
    return this.#issue(client, person, refresh);
  }

  #issue(client: string, person: number, refresh: string | undefined): AccessToken {
    const createdAt = Date.now();
    const access = { value: token(), client, person, createdAt, expiresAt: createdAt + this.tokenTtl * 1000, refresh };
    this.#access.set(access.value, access);
    const oldest = this.#access.keys().next();
    if (this.#access.size > 100_000 && !oldest.done) this.#access.delete(oldest.value);
    return access;
  }
}

function verifies(challenge: Code['challenge'], verifier: string | undefined): boolean {
  if (!challenge) return true;
  if (verifier === undefined) return false;
  if (challenge.method === 'plain') return verifier === challenge.value;
  return createHash('sha256').update(verifier).digest('base64url') === challenge.value;
}
