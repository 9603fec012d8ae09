import type { IncomingMessage, ServerResponse } from 'node:http';
import { Api } from '#src/simulator/api/api.js';
import { type HttpHandler, type Listener, listen } from '#src/simulator/http/listener.js';
import { serveLogin } from '#src/simulator/login/login.js';
import { simulatorOptions } from '#src/simulator/options.js';
import type { SimulatedProject } from '#src/simulator/project.js';
import type { Ready } from '#src/simulator/simulator.js';
import { serveStorage } from '#src/simulator/storage/storage.js';
import { World } from '#src/simulator/world.js';
import type { SimulatorSettings } from '../simulator.js';

/**
 * What becomes of a call that is held. `go`: it comes through · `cut`: the connection is reset, before or after the work ·
 * `busy`: 503 · `late`: 504, and the work is done when somebody says so.
 */
export type Fate = 'go' | 'cut' | 'busy' | 'late';

/** A call on its way: its request before the server has done anything, or its reply. */
export interface HeldCall {
  readonly label: string;
  readonly phase: 'request' | 'reply';
  /** It changes something. */
  readonly isWrite: boolean;
  /** Its caller does not wait for it any more. */
  readonly isGone: boolean;
  meet(fate: Fate): void;
}

/** A simulator in this process whose calls wait, each before its work and before its reply, until somebody lets them go. */
export class HeldServer {
  readonly world: World;
  /** Calls wait. */
  isHolding = false;
  readonly held = new Set<HeldCall>();
  /** Told of each call before its work and before its reply. */
  between: ((label: string, phase: HeldCall['phase']) => void) | undefined;
  /** Calls to the API and the storage that ever came. */
  calls = 0;
  /** Grows with whatever happens. */
  activity = 0;
  /** Told of what is not held. */
  passed: ((label: string, phase: HeldCall['phase']) => void) | undefined;
  readonly #listeners: readonly Listener[];

  private constructor(world: World, listeners: readonly Listener[]) {
    this.world = world;
    this.#listeners = listeners;
  }

  static async start(
    t: { teardown(cleanup: () => unknown): unknown },
    now: () => number,
    settings: SimulatorSettings = {},
  ): Promise<HeldServer> {
    const failed = (error: unknown): void => console.error('simulator:', error);
    const options = { items: 0, oddNames: 'no', spike: 100_000, hourly: 100_000_000, tokenTtl: 1e8, urlTtl: 1e8 };
    const world = new World(simulatorOptions({ ...options, ...settings }), failed);
    world.clock.now = now;
    // Node does not tell of what its threads decompress.
    world.switches.set('compression', 'none');
    world.fill();
    const api = new Api(world);
    const listeners: Listener[] = [];
    const server = new HeldServer(world, listeners);
    t.teardown(async () => {
      server.letAllGo();
      await Promise.all(listeners.map((one) => one.close()));
      await world.spool.close();
    });
    const handlers: readonly [keyof World['origins'], HttpHandler][] = [
      ['api', (request, response) => server.#serve(request, response, () => api.serve(request, response))],
      ['login', (request, response) => serveLogin(world, request, response)],
      [
        'storage',
        (request, response) => server.#serve(request, response, () => serveStorage(world, request, response)),
      ],
    ];
    for (const [name, handler] of handlers) {
      const listener = await listen(0, handler, failed);
      listeners.push(listener);
      world.origins[name] = listener.origin;
    }
    return server;
  }

  get ready(): Ready {
    const { origins, client, company, projects } = this.world;
    return {
      api: origins.api,
      login: origins.login,
      storage: origins.storage,
      client_id: client.id,
      client_secret: client.secret,
      company_id: company.id,
      projects: projects.map(({ id, name }) => ({ id, name })),
      admin: '',
      others: { not_permitted: 0, tool_off: 0, company: 0 },
    };
  }

  /** The one project. */
  get project(): SimulatedProject {
    return this.world.projects[0]!;
  }

  /** Calls that wait, and whose maker waits for them. */
  get waiting(): HeldCall[] {
    return [...this.held].filter(({ isGone }) => !isGone);
  }

  async network(state: 'up' | 'down'): Promise<void> {
    for (const listener of this.#listeners) await listener.set(state);
    this.activity++;
  }

  letAllGo(): void {
    this.isHolding = false;
    for (const one of [...this.held]) one.meet('go');
  }

  async #serve(request: IncomingMessage, response: ServerResponse, work: () => Promise<void>): Promise<void> {
    this.activity++;
    this.calls++;
    const { method = '', url = '', socket } = request;
    const label = `${method} ${url.split('?')[0]}`;
    const { faults } = this.world;
    const fate = await this.#hold(request, label, 'request');
    if (fate === 'cut') return void socket.destroy();
    if (fate === 'busy') faults.set('503-retry-after', { probability: 1, count: 1, retry_after: 1 });
    if (fate === 'late') faults.set('late', { probability: 1, count: 1 });
    const write = response.write.bind(response) as (chunk: unknown) => boolean;
    const end = response.end.bind(response) as (...words: unknown[]) => ServerResponse;
    // None of it is out before somebody lets it go: a client that has all the bytes waits for no end.
    const parts: unknown[] = [];
    response.write = (chunk: unknown) => parts.push(chunk) > 0;
    response.end = ((...words: unknown[]) => {
      void this.#hold(request, label, 'reply').then((reply) => {
        if (reply === 'cut') return void socket.destroy();
        for (const one of parts) write(one);
        end(...words);
      });
      return response;
    }) as typeof response.end;
    await work();
    if (fate === 'busy' || fate === 'late') faults.clear();
  }

  #hold(request: IncomingMessage, label: string, phase: HeldCall['phase']): Promise<Fate> {
    this.activity++;
    this.between?.(label, phase);
    if (!this.isHolding) {
      this.passed?.(label, phase);
      return Promise.resolve('go');
    }
    const { promise, resolve } = withResolvers<Fate>();
    const { held } = this;
    const { socket, method } = request;
    const one: HeldCall = {
      label,
      phase,
      isWrite: method !== 'GET',
      get isGone() {
        return socket.destroyed;
      },
      meet: (fate) => {
        if (!held.delete(one)) return;
        this.activity++;
        socket.off('close', gone);
        resolve(fate);
      },
    };
    // What a client gave up the server may have in its hands already: then somebody lets it go before.
    const gone = (): void => one.meet('cut');
    socket.once('close', gone);
    held.add(one);
    return promise;
  }
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((take) => {
    resolve = take;
  });
  return { promise, resolve };
}
