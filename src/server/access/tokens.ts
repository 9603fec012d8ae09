import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Database } from '../../database/open.js';
import type { Account, Role } from './account.js';

/** Seconds. */
const ACCESS_LIFE = 3600;
const REFRESH_LIFE = 30 * 86_400;

export interface Issued {
  readonly access_token: string;
  readonly token_type: 'bearer';
  /** Seconds. */
  readonly expires_in: number;
  readonly refresh_token?: string;
}

interface Row {
  readonly session: string;
  readonly name: string;
  readonly role: Role;
}

/** What people are signed in with. The database holds hashes alone, so tokens outlive the process and no reader has them. */
export class Tokens {
  readonly #db: Database;
  readonly #now: () => number;

  /** @param now milliseconds since the epoch */
  constructor(db: Database, now: () => number = Date.now) {
    this.#db = db;
    this.#now = now;
  }

  issue({ name }: Account, offline: boolean, session: string = randomUUID()): Issued {
    const access = randomBytes(32).toString('base64url');
    const refresh = offline ? randomBytes(32).toString('base64url') : undefined;
    const now = this.#seconds;
    const insert = this.#db.prepare(
      'INSERT INTO tokens (hash, kind, session, user, expires_on) VALUES (?, ?, ?, ?, ?)',
    );
    this.#db
      .transaction(() => {
        this.#db.prepare('DELETE FROM tokens WHERE expires_on < ?').run(now);
        insert.run(hashOf(access), 'access', session, name, now + ACCESS_LIFE);
        if (refresh !== undefined) insert.run(hashOf(refresh), 'refresh', session, name, now + REFRESH_LIFE);
      })
      .immediate();
    return {
      access_token: access,
      token_type: 'bearer',
      expires_in: ACCESS_LIFE,
      ...(refresh === undefined ? {} : { refresh_token: refresh }),
    };
  }

  /** A refresh token is good once; undefined: it is not good. */
  renew(refresh: string): Issued | undefined {
    const row = this.#find(refresh, 'refresh');
    if (!row) return undefined;
    this.#db.prepare('DELETE FROM tokens WHERE hash = ?').run(hashOf(refresh));
    return this.issue(row, true, row.session);
  }

  /** Whose access token it is, as the role is now. */
  account(access: string): Account | undefined {
    const row = this.#find(access, 'access');
    return row && { name: row.name, role: row.role };
  }

  /** Ends an access token with all that came of the same sign-in. */
  end(access: string): void {
    const row = this.#find(access, 'access');
    if (row) this.#db.prepare('DELETE FROM tokens WHERE session = ?').run(row.session);
  }

  get #seconds(): number {
    return Math.floor(this.#now() / 1000);
  }

  #find(token: string, kind: 'access' | 'refresh'): Row | undefined {
    return this.#db
      .prepare<[Buffer, string, number], Row>(
        `SELECT t.session, u.name, u.role FROM tokens t JOIN users u ON u.name = t.user
         WHERE t.hash = ? AND t.kind = ? AND t.expires_on > ?`,
      )
      .get(hashOf(token), kind, this.#seconds);
  }
}

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();
