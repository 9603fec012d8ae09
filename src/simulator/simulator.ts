import { errnoOf, Failure } from '../base/errors.js';
import { serveAdmin } from './admin/admin.js';
import { Api } from './api/api.js';
import { type HttpHandler, type Listener, listen } from './http/listener.js';
import { serveLogin } from './login/login.js';
import type { SimulatorOptions } from './options.js';
import { serveStorage } from './storage/storage.js';
import { World } from './world.js';

export type { SimulatorOptions } from './options.js';

/** What the command prints when the simulator is ready. URLs have no trailing slash. */
export interface Ready {
  readonly api: string;
  readonly login: string;
  readonly client_id: string;
  readonly client_secret: string;
  readonly company_id: number;
  readonly projects: readonly { readonly id: number; readonly name: string }[];
  readonly storage: string;
  readonly admin: string;
  /** Ids that the API refuses; they exist with the switches `other-projects` and `other-company`. */
  readonly others: { readonly not_permitted: number; readonly tool_off: number; readonly company: number };
}

export interface Simulator {
  readonly ready: Ready;
  /** Closes all connections and removes the uploads. */
  close(): Promise<void>;
}

/** Starts a local Procore on loopback; rejects with the failure `usage`. `failed` receives internal errors. */
export async function startSimulator(
  options: SimulatorOptions,
  failed: (error: unknown) => void = () => undefined,
): Promise<Simulator> {
  const world = new World(options, failed);
  world.fill();
  const api = new Api(world);
  const handlers: readonly [keyof World['origins'], HttpHandler][] = [
    ['api', (request, response) => api.serve(request, response)],
    ['login', (request, response) => serveLogin(world, request, response)],
    ['storage', (request, response) => serveStorage(world, request, response)],
    ['admin', (request, response) => serveAdmin(world, request, response)],
  ];
  const listeners: Listener[] = [];
  const close = async () => {
    world.late.forget();
    await Promise.all(listeners.map((listener) => listener.close()));
    await world.spool.close();
  };
  try {
    for (const [i, [name, handler]] of handlers.entries()) {
      const port = options.port === 0 ? 0 : options.port + i;
      const listener = await listen(port, handler, failed);
      listeners.push(listener);
      world.origins[name] = listener.origin;
      if (name !== 'admin') world.listeners.push(listener);
    }
  } catch (error) {
    await close();
    const why = errnoOf(error) === 'EADDRINUSE' ? 'the port is taken' : undefined;
    throw new Failure('usage', { what: `the simulator cannot listen on port ${options.port}`, why }, error);
  }
  return { ready: ready(world), close };
}

function ready(world: World): Ready {
  const { api, login, storage, admin } = world.origins;
  return {
    api,
    login,
    client_id: world.client.id,
    client_secret: world.client.secret,
    company_id: world.company.id,
    projects: world.projects.map(({ id, name }) => ({ id, name })),
    storage,
    admin,
    others: { not_permitted: world.notPermitted.id, tool_off: world.toolOff.id, company: world.otherCompany.id },
  };
}
