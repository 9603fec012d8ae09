import { setMaxListeners } from 'node:events';
import type { Server } from 'node:https';
import type { FastifyInstance } from 'fastify';
import type { AddressList } from '../base/addresses.js';
import { every } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import type { Database } from '../database/open.js';
import { AuditLog } from './access/audit.js';
import { AccessGuard } from './access/guard.js';
import { signInRoutes } from './access/routes.js';
import { Shares } from './access/share.js';
import { Tokens } from './access/tokens.js';
import { Users } from './access/users.js';
import { SignIns } from './connections/sign-ins.js';
import { serveEvents } from './events/routes.js';
import { openApp, serveRoutes } from './http/app.js';
import { ServiceHosts } from './http/hosts.js';
import { type ListenAddress, listenAt } from './http/listen.js';
import { openApiDocument, requireDeclared } from './http/openapi.js';
import { readPageFiles, servePage } from './http/page.js';
import { readTlsPair, type TlsFiles, TlsFollower } from './http/tls.js';
import type { ServiceParts } from './parts.js';
import { allRoutes } from './routes.js';

export interface ServiceOptions extends ServiceAccess {
  readonly parts: Omit<ServiceParts, 'ending'>;
  /** Database of users and their sign-ins; the caller that opened it closes it. */
  readonly database: Database;
  readonly place: ListenAddress;
  /** Folder of the web page's files. */
  readonly page: string;
  readonly version: string;
}

/** How clients reach the service. */
export interface ServiceAccess {
  /** Host names that requests may use, besides those of this machine. */
  readonly hosts: readonly string[];
  /** Proxies whose forwarded client addresses are trusted. */
  readonly proxies: AddressList;
  /** Undefined: plain HTTP. */
  readonly tls: TlsFiles | undefined;
}

/** Milliseconds between two removals of expired lines from the audit log. */
const PURGE_MS = 86_400_000;

/** The HTTP API, from opening until it is closed. */
export class Service {
  /** URL, or path of the socket. */
  readonly http: string;
  readonly #app: FastifyInstance;
  readonly #ending: AbortController;
  readonly #signIns: SignIns;
  readonly #follower: TlsFollower | undefined;

  private constructor(
    http: string,
    app: FastifyInstance,
    ending: AbortController,
    signIns: SignIns,
    follower: TlsFollower | undefined,
  ) {
    this.http = http;
    this.#app = app;
    this.#ending = ending;
    this.#signIns = signIns;
    this.#follower = follower;
  }

  /**
   * @throws Failure `no-users` for a network address without a user who could sign in, `listen-refused`,
   * `tls-unusable`, `state-unsafe`
   */
  static async open(options: ServiceOptions): Promise<Service> {
    const { parts, database, place, page, version, proxies, tls } = options;
    const users = new Users(database, parts.clock);
    const tokens = new Tokens(database, parts.clock);
    const isSocket = place.kind === 'socket';
    if (!isSocket && users.list().length === 0)
      throw new Failure('no-users', { listen: `${place.host}:${place.port}` });
    const ending = new AbortController();
    // Every request in progress adds a listener.
    setMaxListeners(0, ending.signal);
    const own = { ...parts, ending: ending.signal };
    const guard = new AccessGuard(tokens, isSocket ? { name: 'owner', role: 'manage', isOwner: true } : undefined);
    const audit = new AuditLog(database, parts.clock);
    const signIns = new SignIns(own, audit);
    const app = openApp({
      ...{ guard, audit, proxies, clock: parts.clock, log: parts.log },
      hosts: isSocket ? undefined : new ServiceHosts([place.host, ...options.hosts]),
      tls: tls && readTlsPair(tls),
    });
    const routes = allRoutes({ parts: own, signIns, users, audit, database });
    const openApi = openApiDocument(routes, version);
    const document = JSON.stringify(openApi);
    requireDeclared(app, openApi);
    signInRoutes(app, { users, tokens, clock: parts.clock, log: parts.log });
    app.get('/v1/openapi.json', (_, reply) => reply.type('application/json').send(document));
    serveRoutes(app, routes, { guard, shares: new Shares(parts.clock), ending: ending.signal });
    serveEvents(app, own, guard);
    servePage(app, readPageFiles(page));
    try {
      audit.purge();
      app.server.once(
        'close',
        every(parts.clock, PURGE_MS, () => audit.purge()),
      );
      const follower = tls && new TlsFollower(app.server as Server, tls, parts.log);
      return new Service(await listenAt(app, place, tls ? 'https' : 'http'), app, ending, signIns, follower);
    } catch (error) {
      await app.close();
      throw error;
    }
  }

  /** Reloads the certificate and its key, if TLS is used. */
  readCertificate(): void {
    this.#follower?.read();
  }

  /** Aborts requests in progress and accepts no new ones. */
  async close(): Promise<void> {
    this.#follower?.close();
    this.#ending.abort(new Failure('interrupted'));
    await this.#app.close();
    await this.#signIns.close();
  }
}
