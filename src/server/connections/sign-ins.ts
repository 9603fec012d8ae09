import { randomBytes } from 'node:crypto';
import { systemClock } from '../../base/clock.js';
import { Failure, isFailure } from '../../base/errors.js';
import { asCompanyId, asProjectId } from '../../base/ids.js';
import { Secret } from '../../base/secret.js';
import { signInByRedirect } from '../../connections/authorization-code.js';
import type { Connection } from '../../connections/connection.js';
import { deriveHosts } from '../../connections/hosts.js';
import type { OAuthClient } from '../../connections/login-host.js';
import { RedirectListener } from '../../connections/redirect-listener.js';
import { replaceTokens } from '../../connections/sign-out.js';
import { testAndRemember, testJson } from '../../procore/setup.js';
import type { Parts } from '../parts.js';

/** Whom a person signs in as, and what for. */
export interface SignInWords {
  readonly name?: string | undefined;
  readonly client_id?: string | undefined;
  readonly client_secret?: string | undefined;
  readonly domain?: string | undefined;
  readonly api?: string | undefined;
  readonly company?: number | undefined;
  readonly project?: number | undefined;
}

/** A way to the sign-in page that somebody was given. */
export interface PendingSignIn {
  readonly id: string;
  /** Where a person signs in. */
  readonly url: string;
  state: 'pending' | 'succeeded' | 'failed';
  connection?: string;
  test?: object;
  failure?: Failure;
}

const LIFE = 600_000;
/** Each holds a port of this machine. */
const MOST_PENDING = 20;
const MOST_KNOWN = 200;

/** Sign-ins that were begun here: whoever completes one has a connection, named and tested. */
export class SignIns {
  readonly #parts: Parts;
  readonly #known = new Map<string, PendingSignIn>();
  readonly #running = new Set<Promise<void>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get(id: string): PendingSignIn {
    const found = this.#known.get(id);
    if (!found) throw new Failure('no-such-address', { path: `sign-in ${id}` });
    return found;
  }

  /** @throws Failure `usage`, `connection-exists`, `default-client-missing`, `sign-in-refused`, `unreachable` */
  begin(words: SignInWords): Promise<PendingSignIn> {
    const { connections } = this.#parts;
    const name = connections.free(words.name === '' ? undefined : words.name);
    const isOwn = words.client_id !== undefined && words.client_id !== '';
    if (isOwn && !words.client_secret) throw new Failure('usage', { what: 'client_secret is missing' });
    const standard = isOwn ? undefined : connections.secrets.defaultClient();
    const clientId = standard?.clientId ?? words.client_id!;
    const clientSecret = standard?.clientSecret ?? new Secret(words.client_secret!);
    const domain = words.domain || standard?.domain;
    const api = words.api || standard?.api;
    const hosts = deriveHosts({
      ...(domain === undefined ? {} : { domain }),
      ...(api ? { api } : {}),
    });
    const client: OAuthClient = { loginUrl: hosts.loginUrl, clientId, clientSecret, name };
    const { company, project } = words;
    return this.#start(client, () =>
      connections.add(
        {
          name: connections.free(name),
          apiUrl: hosts.apiUrl,
          loginUrl: hosts.loginUrl,
          clientId,
          grant: 'authorization-code',
          ...(standard ? { defaultClient: true as const } : {}),
          ...(company === undefined ? {} : { company: asCompanyId(company) }),
          ...(project === undefined ? {} : { project: asProjectId(project) }),
        },
        standard ? undefined : clientSecret,
      ),
    );
  }

  /** Signs in again to a connection that there is. @throws Failure as `begin`, `secret-missing` */
  again(connection: Connection): Promise<PendingSignIn> {
    const { secrets } = this.#parts.connections;
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
    return this.#start(client, undefined, connection);
  }

  /** Resolves when none is under way any more; the service's end ends them. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #start(
    client: OAuthClient,
    create: (() => Connection) | undefined,
    existing?: Connection,
  ): Promise<PendingSignIn> {
    if (this.#running.size >= MOST_PENDING) throw new Failure('login-throttled', { seconds: 60 });
    const listener = await RedirectListener.open(0);
    const limit = AbortSignal.timeout(LIFE);
    const signal = AbortSignal.any([limit, this.#parts.ending]);
    let show: (url: string) => void = () => undefined;
    const shown = new Promise<string>((resolve) => {
      show = resolve;
    });
    let pending: PendingSignIn | undefined;
    const work = (async () => {
      try {
        await signInByRedirect(
          client,
          listener,
          (url) => show(url),
          signal,
          async (granted) => {
            const connection = existing ?? create!();
            try {
              await replaceTokens(connection, client, this.#parts.connections.secrets, granted, systemClock);
              const test = await this.#test(await this.#withCompany(connection));
              Object.assign(pending!, { state: 'succeeded', connection: connection.id, test });
              return `Connection test succeeded: "${connection.name}". This window can be closed.`;
            } catch (error) {
              // What was never seen to work is not kept: the name is free for the next try.
              if (!existing) this.#parts.connections.remove(connection.id);
              throw error;
            }
          },
        );
      } catch (error) {
        const failure = limit.aborted
          ? new Failure('sign-in-expired', { seconds: LIFE / 1000 })
          : isFailure(error)
            ? error
            : new Failure('internal', {}, error);
        if (!pending) throw failure;
        Object.assign(pending, { state: 'failed', failure });
        this.#parts.log.warn({ error: failure }, 'a sign-in was not completed');
      } finally {
        await listener.close();
      }
    })();
    const tracked = work.catch(() => undefined).finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    const url = await Promise.race([shown, work.then(() => shown)]);
    pending = { id: randomBytes(12).toString('hex'), url, state: 'pending' };
    this.#known.set(pending.id, pending);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_KNOWN) break;
      this.#known.delete(oldest);
    }
    return pending;
  }

  /** Calls name a company: the only one that a person sees is the one that is meant. 1 call. */
  async #withCompany(connection: Connection): Promise<Connection> {
    if (connection.company !== undefined) return connection;
    const session = this.#parts.session(connection);
    try {
      const seen: number[] = [];
      for await (const page of session.value.client.companies({ class: 'interactive', signal: this.#parts.ending }))
        seen.push(...page.map(({ id }) => id));
      const [only, ...others] = seen;
      if (only === undefined || others.length > 0) return connection;
      return this.#parts.connections.update(connection.id, { company: asCompanyId(only) });
    } finally {
      session.release();
    }
  }

  async #test(connection: Connection): Promise<object> {
    const session = this.#parts.session(connection);
    try {
      const options = { class: 'interactive', signal: this.#parts.ending } as const;
      return testJson(connection, await testAndRemember(this.#parts.connections, connection, session.value, options));
    } finally {
      session.release();
    }
  }
}
