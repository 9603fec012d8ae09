import { randomBytes } from 'node:crypto';
import { abortable, limited } from '../../base/abort.js';
import { Failure, isFailure } from '../../base/errors.js';
import { asCompanyId } from '../../base/ids.js';
import type { Secret } from '../../base/secret.js';
import { signInByCode, signInByRedirect } from '../../connections/authorization-code.js';
import type { Connection } from '../../connections/connection.js';
import type { Granted, OAuthClient } from '../../connections/login-host.js';
import { RedirectListener } from '../../connections/redirect-listener.js';
import { replaceTokens } from '../../connections/sign-out.js';
import { newConnectionOf } from '../../connections/store.js';
import { testAndRemember, testJson } from '../../procore/setup.js';
import type { Account } from '../access/account.js';
import type { AuditLog } from '../access/audit.js';
import type { ServiceParts } from '../parts.js';
import { appOf } from './define.js';

/**
 * How the authorization code comes back: the browser is redirected to a port of this machine, or the person copies the
 * code from the page, in a browser on any machine.
 */
export const WAYS = ['browser', 'code'] as const;
export type SignInMethod = (typeof WAYS)[number];

/** The account that a person signs in with, and the connection that it is for. */
export interface SignInWords {
  readonly by?: SignInMethod | undefined;
  readonly name?: string | undefined;
  readonly client_id?: string | undefined;
  readonly client_secret?: string | undefined;
  readonly domain?: string | undefined;
  readonly api?: string | undefined;
  readonly company?: number | undefined;
  readonly project?: number | undefined;
}

/** A sign-in that was started and has not ended. */
export interface PendingSignIn {
  readonly id: string;
  /** URL of the sign-in page. It changes if the server turns out not to support PKCE (RFC 7636). */
  url: string;
  /** Takes the code; undefined: no code is waited for. */
  give: ((code: Secret) => void) | undefined;
  state: 'pending' | 'succeeded' | 'failed';
  connection?: string;
  test?: object;
  failure?: Failure;
}

const LIFE = 600_000;
/** Each pending sign-in holds a port of this machine. */
const MOST_PENDING = 20;
const MOST_KNOWN = 200;

/** Sign-ins that were started over the API: a completed one creates a connection, named and tested. */
export class SignIns {
  readonly #known = new Map<string, PendingSignIn>();
  readonly #running = new Set<Promise<void>>();

  constructor(
    private readonly parts: ServiceParts,
    private readonly audit: AuditLog,
  ) {}

  get(id: string): PendingSignIn {
    const found = this.#known.get(id);
    if (!found) throw new Failure('no-such-address', { path: `sign-in ${id}` });
    return found;
  }

  /** @throws Failure `usage`, `connection-exists`, `default-client-missing`, `not-permitted-here`, `unreachable`, … */
  begin(words: SignInWords, account: Account): Promise<PendingSignIn> {
    const { connections, reach } = this.parts;
    const name = connections.free(words.name === '' ? undefined : words.name);
    const app = appOf(connections, reach, account, words);
    const { clientId, clientSecret } = app;
    const client: OAuthClient = { loginUrl: app.hosts.loginUrl, clientId, clientSecret, name };
    const { company, project, by = 'browser' } = words;
    return this.#start(client, by, account, () => {
      const fields = { name: connections.free(name), grant: 'authorization-code', company, project } as const;
      return connections.add(newConnectionOf(app, fields), app.ownSecret);
    });
  }

  /** Signs in again to an existing connection. @throws Failure as `begin`, `secret-missing` */
  again(connection: Connection, account: Account, by: SignInMethod = 'browser'): Promise<PendingSignIn> {
    const { secrets } = this.parts.connections;
    const standard = connection.defaultClient ? secrets.defaultClient() : undefined;
    const clientSecret = standard?.clientSecret ?? secrets.clientSecret(connection.id);
    if (!clientSecret) throw new Failure('secret-missing', { name: connection.name });
    const { loginUrl, name } = connection;
    const client: OAuthClient = {
      loginUrl,
      name,
      clientId: standard?.clientId ?? connection.clientId,
      clientSecret,
    };
    return this.#start(client, by, account, undefined, connection);
  }

  /** Resolves when no sign-in is pending; the end of the service aborts them. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  /**
   * Continues with the code that a person read off the page. @throws Failure `request-refused-here` where none is
   * waited for
   */
  give(id: string, code: Secret): PendingSignIn {
    const pending = this.get(id);
    if (!pending.give) throw new Failure('request-refused-here', { what: 'this sign-in waits for no code' });
    pending.give(code);
    pending.give = undefined;
    return pending;
  }

  async #start(
    client: OAuthClient,
    by: SignInMethod,
    account: Account,
    create: (() => Connection) | undefined,
    existing?: Connection,
  ): Promise<PendingSignIn> {
    if (this.#running.size >= MOST_PENDING)
      throw new Failure('too-many-requests', { what: 'sign-ins are under way', seconds: 60 });
    const expired = (): Failure => new Failure('sign-in-expired', { seconds: LIFE / 1000 });
    const limit = limited(this.parts.ending, LIFE, expired, this.parts.clock);
    const pending: PendingSignIn = { id: randomBytes(12).toString('hex'), url: '', give: undefined, state: 'pending' };
    let shown = (): void => undefined;
    const isShown = new Promise<void>((resolve) => {
      shown = resolve;
    });
    const show = (url: string): void => {
      pending.url = url;
      shown();
    };
    const complete = async (granted: Granted): Promise<string> => {
      const connection = existing ?? create!();
      try {
        await replaceTokens(connection, client, this.parts.connections.secrets, granted, this.parts.clock);
        const test = await this.#test(await this.#withCompany(connection));
        Object.assign(pending, { state: 'succeeded', connection: connection.id, test });
        this.#written(account, pending, 'succeeded', connection.id);
        return `Connection test succeeded: "${connection.name}". This window can be closed.`;
      } catch (error) {
        // A connection that has never worked is not kept: its name is free for the next attempt.
        if (!existing) this.parts.connections.remove(connection.id);
        throw error;
      }
    };
    const code = (stop: AbortSignal): Promise<Secret> =>
      abortable(
        new Promise<Secret>((resolve) => {
          pending.give = resolve;
        }),
        stop,
      );
    const work = (async () => {
      try {
        if (by === 'code') await complete(await signInByCode(client, show, code, limit.signal));
        else await comeBack(client, show, limit.signal, complete);
      } catch (error) {
        const failure = limit.isOver ? expired() : isFailure(error) ? error : new Failure('internal', {}, error);
        if (pending.url === '') throw failure;
        Object.assign(pending, { state: 'failed', give: undefined, failure });
        this.#written(account, pending, failure.code, existing?.id);
        this.parts.log.warn({ error: failure }, 'a sign-in was not completed');
      } finally {
        limit.end();
      }
    })();
    const tracked = work.catch(() => undefined).finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    await Promise.race([isShown, work.then(() => isShown)]);
    this.#known.set(pending.id, pending);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_KNOWN) break;
      this.#known.delete(oldest);
    }
    return pending;
  }

  /** A sign-in ends long after the reply to the request that started it. */
  #written({ name }: Account, { id }: PendingSignIn, result: string, connection: string | undefined): void {
    const what = `sign-in ${id} to Procore${connection === undefined ? '' : `, connection ${connection}`}`;
    try {
      this.audit.add({ who: name, from: 'a browser', what, result });
    } catch (error) {
      this.parts.log.error({ error }, 'the audit log could not be written');
    }
  }

  /** Calls need a company: where the account sees only one, it is that one. 1 call. */
  async #withCompany(connection: Connection): Promise<Connection> {
    if (connection.company !== undefined) return connection;
    const session = this.parts.session(connection);
    try {
      const seen: number[] = [];
      for await (const page of session.value.client.companies({ class: 'interactive', signal: this.parts.ending }))
        seen.push(...page.map(({ id }) => id));
      const [only, ...others] = seen;
      if (only === undefined || others.length > 0) return connection;
      return this.parts.connections.update(connection.id, { company: asCompanyId(only) });
    } finally {
      session.release();
    }
  }

  async #test(connection: Connection): Promise<object> {
    const session = this.parts.session(connection);
    try {
      const options = { class: 'interactive', signal: this.parts.ending } as const;
      return testJson(connection, await testAndRemember(this.parts.connections, connection, session.value, options));
    } finally {
      session.release();
    }
  }
}

/** As `signInByRedirect`, on a free port. */
async function comeBack(
  client: OAuthClient,
  show: (url: string) => void,
  signal: AbortSignal,
  complete: (granted: Granted) => Promise<string>,
): Promise<void> {
  const listener = await RedirectListener.open(0);
  try {
    await signInByRedirect(client, listener, show, signal, complete);
  } finally {
    await listener.close();
  }
}
