import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { type Clock, systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import type { Database } from '../../database/open.js';
import type { Account, Role } from './account.js';
import { Turns } from './turns.js';

/** OWASP's recommendation of 2023 for scrypt: 2^15, r 8, p 3; 32 MiB for each check. */
const COST: ScryptOptions = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 };
const HASH_BYTES = 32;
const SHORTEST = 8;
/** Limits of password checks: each uses memory and a processor. */
const CHECKS = { most: 2, mostOfOne: 1, waitingOfOne: 50, waiting: 200 } as const;

export interface User extends Account {
  /** Unix seconds. */
  readonly created_on: number;
}

interface Row extends User {
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Accounts that may sign in over the network. */
export class Users {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #checks = new Turns(CHECKS);

  constructor(db: Database, clock: Clock = systemClock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** @throws Failure `user-exists`, `usage` for an invalid name or password */
  async add(name: string, role: Role, password: Secret): Promise<User> {
    if (!/^[\p{L}\p{N}][\p{L}\p{N}._@-]{0,63}$/u.test(name))
      throw new Failure('usage', { what: `"${name}" cannot be a user's name: letters, digits and . _ @ -` });
    if (this.find(name)) throw new Failure('user-exists', { name });
    const { salt, hash } = await hashed(password);
    const created = Math.floor(this.#clock.now() / 1000);
    this.#db
      .prepare('INSERT INTO users (name, role, salt, hash, created_on) VALUES (?, ?, ?, ?, ?)')
      .run(name, role, salt, hash, created);
    return { name, role, created_on: created };
  }

  /**
   * Changes the role, from the next request on, or the password, which ends all sign-ins of the user.
   * @throws Failure `no-such-user`, `last-manager`, `usage` for an invalid password
   */
  async change(
    name: string,
    { role, password }: { readonly role?: Role | undefined; readonly password?: Secret | undefined },
  ): Promise<User> {
    if (!this.find(name)) throw new Failure('no-such-user', { name });
    const fresh = password && (await hashed(password));
    this.#db
      .transaction(() => {
        if (role === 'read') this.#requireAnother(name);
        if (role) this.#db.prepare('UPDATE users SET role = ? WHERE name = ?').run(role, name);
        if (!fresh) return;
        this.#db.prepare('UPDATE users SET salt = ?, hash = ? WHERE name = ?').run(fresh.salt, fresh.hash, name);
        this.#db.prepare('DELETE FROM tokens WHERE user = ?').run(name);
      })
      .immediate();
    const changed = this.find(name);
    if (!changed) throw new Failure('no-such-user', { name });
    return changed;
  }

  /**
   * Removes a user and ends all sign-ins of that user. @throws Failure `no-such-user`, `last-manager` unless `evenLast`
   */
  remove(name: string, { evenLast = false }: { readonly evenLast?: boolean } = {}): void {
    this.#db
      .transaction(() => {
        if (!evenLast) this.#requireAnother(name);
        const { changes } = this.#db.prepare('DELETE FROM users WHERE name = ?').run(name);
        if (changes === 0) throw new Failure('no-such-user', { name });
      })
      .immediate();
  }

  /** Whether this is the only user with the role `manage`. */
  isLastManager(name: string): boolean {
    const managers = this.list().filter(({ role }) => role === 'manage');
    return managers.length === 1 && managers[0]!.name === name;
  }

  #requireAnother(name: string): void {
    if (this.isLastManager(name)) throw new Failure('last-manager', { name });
  }

  list(): User[] {
    return this.#db.prepare<[], User>('SELECT name, role, created_on FROM users ORDER BY name').all();
  }

  find(name: string): User | undefined {
    return this.#db.prepare<[string], User>('SELECT name, role, created_on FROM users WHERE name = ?').get(name);
  }

  /**
   * The user with this name and password; takes as long for an unknown name.
   * @param client checks of one client wait for each other
   * @throws Failure `too-many-requests`
   */
  check(name: string, password: Secret, client: string): Promise<User | undefined> {
    return this.#checks.take(client, 'sign-ins wait', async () => {
      const row = this.#row(name);
      const hash = await derive(password, row?.salt ?? Buffer.alloc(16));
      if (!row || !timingSafeEqual(hash, row.hash)) return undefined;
      // The password may have been changed, or the user removed, during the check.
      const now = this.#row(name);
      return now?.hash.equals(hash) ? now : undefined;
    });
  }

  #row(name: string): Row | undefined {
    return this.#db.prepare<[string], Row>('SELECT * FROM users WHERE name = ?').get(name);
  }
}

/** @throws Failure `usage` for an invalid password */
async function hashed(password: Secret): Promise<{ readonly salt: Buffer; readonly hash: Buffer }> {
  if (password.reveal().length < SHORTEST)
    throw new Failure('usage', { what: `a password has at least ${SHORTEST} characters` });
  const salt = randomBytes(16);
  return { salt, hash: await derive(password, salt) };
}

const derive = (password: Secret, salt: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    scrypt(password.reveal().normalize('NFC'), salt, HASH_BYTES, COST, (error, hash) =>
      error ? reject(error) : resolve(hash),
    ),
  );
