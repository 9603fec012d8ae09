import { setMaxListeners } from 'node:events';
import type { FastifyInstance } from 'fastify';
import { Failure } from '../base/errors.js';
import type { Database } from '../database/open.js';
import { Guard } from './access/guard.js';
import { signInRoutes } from './access/routes.js';
import { Tokens } from './access/tokens.js';
import { Users } from './access/users.js';
import { SignIns } from './connections/sign-ins.js';
import { serveEvents } from './events/routes.js';
import { openApp, serveRoutes } from './http/app.js';
import { listen, type Place } from './http/listen.js';
import { openApiDocument } from './http/openapi.js';
import { readPage, servePage } from './http/page.js';
import type { Parts } from './parts.js';
import { allRoutes } from './routes.js';

export interface ServiceOptions {
  readonly parts: Omit<Parts, 'ending'>;
  /** Users and what they are signed in with; closed by whoever opened it. */
  readonly database: Database;
  readonly place: Place;
  /** Folder of the web page's files. */
  readonly page: string;
  readonly version: string;
}

/** The HTTP API, until it is closed. */
export class Service {
  /** URL, or path of the socket. */
  readonly http: string;
  readonly #app: FastifyInstance;
  readonly #ending: AbortController;
  readonly #signIns: SignIns;

  private constructor(http: string, app: FastifyInstance, ending: AbortController, signIns: SignIns) {
    this.http = http;
    this.#app = app;
    this.#ending = ending;
    this.#signIns = signIns;
  }

  /** @throws Failure `no-users` for an address that nobody could sign in at, `listen-refused` */
  static async open({ parts, database, place, page, version }: ServiceOptions): Promise<Service> {
    const users = new Users(database);
    const tokens = new Tokens(database);
    const isSocket = place.kind === 'socket';
    if (!isSocket && users.list().length === 0)
      throw new Failure('no-users', { listen: `${place.host}:${place.port}` });
    const ending = new AbortController();
    // Every request under way listens to it.
    setMaxListeners(0, ending.signal);
    const own = { ...parts, ending: ending.signal };
    const signIns = new SignIns(own);
    const guard = new Guard(tokens, isSocket ? { name: 'owner', role: 'manage', isOwner: true } : undefined);
    const app = openApp(guard, parts.log);
    const routes = allRoutes({ parts: own, signIns, users, database });
    const document = JSON.stringify(openApiDocument(routes, version));
    signInRoutes(app, { users, tokens, log: parts.log });
    app.get('/v1/openapi.json', (_, reply) => reply.type('application/json').send(document));
    serveRoutes(app, routes, guard, ending.signal);
    serveEvents(app, own, guard);
    servePage(app, readPage(page));
    try {
      return new Service(await listen(app, place), app, ending, signIns);
    } catch (error) {
      await app.close();
      throw error;
    }
  }

  /** What is under way ends; no new request is taken. */
  async close(): Promise<void> {
    this.#ending.abort(new Failure('interrupted'));
    await this.#app.close();
    await this.#signIns.close();
  }
}
