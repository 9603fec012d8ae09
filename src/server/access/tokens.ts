import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../../base/clock.js';
import type { Database } from '../../database/open.js';
import type { Account, Role } from './account.js';

/** Seconds. */
const ACCESS_LIFE_S = 3600;
const REFRESH_LIFE = 30 * 86_400;

export interface Issued {
  readonly access_token: string;
  readonly token_type: 'bearer';
  /** Seconds. */
  readonly expires_in: number;
  readonly refresh_token?: string;
}

/** Result of a renewal; `spent`: the refresh token was used before, and its sign-in is ended. */
export type Renewal =
  | { readonly kind: 'renewed'; readonly name: string; readonly issued: Issued }
  | { readonly kind: 'spent'; readonly name: string }
  | { readonly kind: 'unknown' };

interface Row {
  readonly session: string;
  readonly name: string;
  readonly role: Role;
  readonly spent: 0 | 1;
}

/**
 * Access and refresh tokens of the API's users. The database contains only hashes, so that tokens survive a restart and
 * a reader of the database cannot use them.
 */
export class Tokens {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor(db: Database, clock: Clock = systemClock) {
    this.#db = db;
    this.#clock = clock;
  }

  issue({ name }: Pick<Account, 'name'>, offline: boolean, session: string = randomUUID()): Issued {
    const access = randomBytes(32).toString('base64url');
    const refresh = offline ? randomBytes(32).toString('base64url') : undefined;
    const now = this.#seconds;
    const insert = this.#db.prepare(
      'INSERT INTO tokens (hash, kind, session, user, expires_on) VALUES (?, ?, ?, ?, ?)',
    );
    this.#db
      .transaction(() => {
        this.#forget(now);
        insert.run(hashOf(access), 'access', session, name, now + ACCESS_LIFE_S);
        if (refresh !== undefined) insert.run(hashOf(refresh), 'refresh', session, name, now + REFRESH_LIFE);
      })
      .immediate();
    return {
      access_token: access,
      token_type: 'bearer',
      expires_in: ACCESS_LIFE_S,
      ...(refresh === undefined ? {} : { refresh_token: refresh }),
    };
  }

  /**
   * A refresh token can be used once. A second use means that two clients have it, and it is unknown which one is
   * legitimate: the sign-in ends with all its tokens (RFC 9700, 4.14.2).
   */
  renew(refresh: string): Renewal {
    return this.#db
      .transaction((): Renewal => {
        const row = this.#find(refresh, 'refresh');
        if (!row) return { kind: 'unknown' };
        if (row.spent) {
          this.#end(row.session);
          return { kind: 'spent', name: row.name };
        }
        this.#db.prepare('UPDATE tokens SET spent = 1 WHERE hash = ?').run(hashOf(refresh));
        return { kind: 'renewed', name: row.name, issued: this.issue(row, true, row.session) };
      })
      .immediate();
  }

  /** The user of an access token, with the current role. */
  account(access: string): Account | undefined {
    const row = this.#find(access, 'access');
    return row && { name: row.name, role: row.role };
  }

  /**
   * Ends the sign-in that a token of either kind belongs to, also if the token is expired or spent.
   * @returns the user; undefined: not a token, or already ended
   */
  end(token: string): string | undefined {
    const row = this.#db
      .prepare<[Buffer], { session: string; user: string }>('SELECT session, user FROM tokens WHERE hash = ?')
      .get(hashOf(token));
    if (row) this.#end(row.session);
    return row?.user;
  }

  #end(session: string): void {
    this.#db.prepare('DELETE FROM tokens WHERE session = ?').run(session);
  }

  /** An expired access token still identifies its sign-in, as long as that can be renewed. */
  #forget(now: number): void {
    this.#db
      .prepare(
        `DELETE FROM tokens WHERE expires_on < $now AND (kind = 'refresh' OR expires_on < $now - ${REFRESH_LIFE}
           OR NOT EXISTS (SELECT 1 FROM tokens r
                          WHERE r.session = tokens.session AND r.kind = 'refresh' AND r.expires_on >= $now))`,
      )
      .run({ now });
  }

  get #seconds(): number {
    return Math.floor(this.#clock.now() / 1000);
  }

  #find(token: string, kind: 'access' | 'refresh'): Row | undefined {
    return this.#db
      .prepare<[Buffer, string, number], Row>(
        `SELECT t.session, t.spent, u.name, u.role FROM tokens t JOIN users u ON u.name = t.user
         WHERE t.hash = ? AND t.kind = ? AND t.expires_on > ?`,
      )
      .get(hashOf(token), kind, this.#seconds);
  }
}

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();
