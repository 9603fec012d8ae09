import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { resolveOptions } from '#src/base/options.js';
import { Secret } from '#src/base/secret.js';
import { openService } from '#src/daemon/serve.js';
import type { Database } from '#src/database/open.js';
import { StateFolder } from '#src/project/state-folder.js';
import type { Role } from '#src/server/access/account.js';
import { openServerDatabase } from '#src/server/access/database.js';
import { Tokens } from '#src/server/access/tokens.js';
import { Users } from '#src/server/access/users.js';
import { Installation } from './mounted.js';
import type { Answer } from './service.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

export interface Call {
  readonly method?: string;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export const BROKEN = 599;

export const PASSWORD = 'correct horse battery';

/** A row of a user: a password takes a processor for a while, and theirs is the same. */
let known: { readonly salt: Buffer; readonly hash: Buffer; readonly created_on: number } | undefined;

export async function addUsers(database: Database, users: Readonly<Record<string, Role>>): Promise<void> {
  for (const [name, role] of Object.entries(users))
    if (known) {
      const { salt, hash, created_on } = known;
      database.prepare('INSERT INTO users VALUES (?, ?, ?, ?, ?)').run(name, role, salt, hash, created_on);
    } else {
      await new Users(database).add(name, role, new Secret(PASSWORD));
      known = database.prepare<[], NonNullable<typeof known>>('SELECT salt, hash, created_on FROM users').get();
    }
}

/** To a state folder that no process has. */
export async function addUsersOf(state: string, users: Readonly<Record<string, Role>>): Promise<void> {
  const database = openServerDatabase(new StateFolder(state).path);
  await addUsers(database, users);
  database.close();
}

/** A service at an address of this machine, in this process, with the users that are named. */
export class Guarded {
  readonly installation: Installation;
  readonly http: string;
  readonly database: Database;
  readonly users: Users;

  private constructor(installation: Installation, http: string, database: Database) {
    this.installation = installation;
    this.http = http;
    this.database = database;
    this.users = new Users(database);
  }

  static async start(
    t: Teardown,
    users: Readonly<Record<string, Role>>,
    configuration: object = {},
    listen: string | undefined = '127.0.0.1:0',
  ): Promise<Guarded> {
    const installation = new Installation(t);
    mkdirSync(installation.state, { recursive: true, mode: 0o700 });
    writeFileSync(join(installation.state, 'config.json'), JSON.stringify(configuration), { mode: 0o600 });
    const state = new StateFolder(installation.state);
    const database = openServerDatabase(state.path);
    t.teardown(() => void database.close());
    await addUsers(database, users);
    const options = resolveOptions({ given: {}, environment: {}, file: {} });
    const service = await openService({ state, options, listen, version: '0' });
    t.teardown(() => service.close());
    return new Guarded(installation, service.http, database);
  }

  /** Without its body where that does not end; with the status `BROKEN` where it breaks off. */
  ask(path: string, call: Call = {}): Promise<Answer> {
    const { method = 'GET', token, headers = {}, form, body } = call;
    const { hostname, port } = new URL(this.http);
    const raw = form ? String(new URLSearchParams(form)) : body === undefined ? undefined : JSON.stringify(body);
    const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          ...{ host: hostname, port, path, method, agent: false },
          headers: {
            ...(raw === undefined ? {} : { 'content-type': type }),
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...headers,
          },
        },
        (reply) => {
          let text = '';
          const done = (status = reply.statusCode ?? 0): void => {
            resolve({ status, headers: reply.headers, text, json: jsonOf(text) });
          };
          if (String(reply.headers['content-type']).startsWith('text/event-stream')) {
            done();
            reply.destroy();
            return;
          }
          reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          reply.once('error', () => done(BROKEN)).once('end', () => done());
        },
      );
      sent.once('error', reject);
      sent.end(raw);
    });
  }

  signIn(username: string, password = PASSWORD, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const form = { grant_type: 'password', username, password, scope: 'offline_access' };
    return this.ask('/connect/token', { method: 'POST', form, headers });
  }

  renew(token: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const form = { grant_type: 'refresh_token', refresh_token: token };
    return this.ask('/connect/token', { method: 'POST', form, headers });
  }

  /** As `signIn` gives them. */
  tokens(name: string): { readonly access: string; readonly refresh: string } {
    const { access_token: access, refresh_token: refresh } = new Tokens(this.database).issue({ name }, true);
    return { access, refresh: refresh! };
  }

  /** As an hour later. */
  expire(): void {
    this.database.prepare("UPDATE tokens SET expires_on = unixepoch() - 1 WHERE kind = 'access'").run();
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
