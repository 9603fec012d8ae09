import type { IncomingMessage, ServerResponse } from 'node:http';
import { Failure, isFailure } from '../../base/errors.js';
import { type FaultSetting, faultTable } from '../faults.js';
import { pump, readBody } from '../http/body.js';
import type { Network } from '../http/listener.js';
import { ApiError } from '../http/reply.js';
import { switchTable } from '../switches.js';
import type { World } from '../world.js';
import { type AdminChange, applyChange } from './changes.js';
import { treeJson } from './tree.js';

type Action = (world: World, body: unknown, url: URL) => unknown;

/** The routes of the admin address, besides `GET tree`. */
const actions: Readonly<Record<string, Action>> = {
  'GET /calls': (world) => calls(world),
  'DELETE /calls'(world) {
    world.counters.reset();
    world.rates.forgetUses();
    return calls(world);
  },
  'POST /change': (world, body) =>
    Array.isArray(body)
      ? body.map((change: AdminChange) => applyChange(world, change))
      : applyChange(world, body as AdminChange),
  'GET /faults': (world) => ({ on: world.faults.all(), known: faultTable }),
  'POST /faults'(world, body) {
    for (const [name, setting] of Object.entries(body as Record<string, Partial<FaultSetting> | number>)) {
      world.faults.set(name, setting);
    }
    return world.faults.all();
  },
  'DELETE /faults'(world) {
    world.faults.clear();
    return {};
  },
  'GET /late': (world) => ({ waiting: world.late.count }),
  /** `{"count":N}`: performs the oldest N pending calls of the fault `late`; without a count, all. */
  'POST /late': async (world, body) => ({ done: await world.late.finish((body as { count?: number }).count) }),
  'GET /switches': (world) => ({ values: world.switches.all(), known: switchTable }),
  'POST /switches'(world, body) {
    for (const [name, value] of Object.entries(body as Record<string, unknown>))
      world.switches.set(name, String(value));
    return world.switches.all();
  },
  /** `{"urls":true,"tokens":true,"revoke":true}`: invalidates all URLs, access tokens, or sign-ins issued so far. */
  'POST /expire'(world, body) {
    const what = body as Record<string, unknown>;
    if (what.urls) world.signer.endAll();
    if (what.tokens) world.accounts.expireAll();
    if (what.revoke) world.accounts.revokeAll();
    return {};
  },
  /** `{"hourly","spike","urlTtl","tokenTtl","uploadTtl"}`: sets limits and lifetimes from now on. */
  'POST /limits'(world, body) {
    const { hourly, spike, urlTtl, tokenTtl, uploadTtl } = body as Record<string, number | undefined>;
    if (hourly !== undefined) world.rates.setHourly(hourly);
    if (spike !== undefined) world.rates.setSpike(spike);
    if (urlTtl !== undefined) world.signer.ttl = urlTtl;
    if (uploadTtl !== undefined) world.uploads.startWithin = uploadTtl;
    if (tokenTtl !== undefined) world.accounts.tokenTtl = tokenTtl;
    return {};
  },
  /** `{"state":"up|down|silent"}`: sets the network state of all servers except the admin address. */
  async 'POST /network'(world, body) {
    const { state } = body as { state?: Network };
    if (state !== 'up' && state !== 'down' && state !== 'silent')
      throw new Failure('usage', { what: 'the network is up, down or silent' });
    await Promise.all(world.listeners.map((listener) => listener.set(state)));
    return { state };
  },
  /** `{"calls":N}`: uses up calls of the hour, as another program with this client id would. */
  'POST /spend'(world, body) {
    world.rates.spend(world.client.id, Number((body as { calls?: number }).calls ?? 0));
    return world.rates.states(world.client.id);
  },
};

/** Serves the admin address, by which tests read and change the state. Needs no sign-in; requests are not counted. */
export async function serveAdmin(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', world.origins.admin);
  const route = `${request.method} ${url.pathname.replace(/\/+$/, '')}`;
  try {
    const text = (await readBody(request)).toString();
    if (route === 'GET /tree') return await tree(world, response, url);
    const action = Object.hasOwn(actions, route) ? actions[route] : undefined;
    if (!action)
      return send(response, 404, { error: `no ${route}; there is ${Object.keys(actions).join(', ')}, GET /tree` });
    send(response, 200, (await action(world, text === '' ? {} : JSON.parse(text), url)) ?? {});
  } catch (error) {
    if (error instanceof ApiError) send(response, error.status, error.body);
    else if (isFailure(error)) send(response, 400, { error: error.message });
    else if (error instanceof SyntaxError || error instanceof TypeError) send(response, 400, { error: error.message });
    else throw error;
  }
}

async function tree(world: World, response: ServerResponse, url: URL): Promise<void> {
  const id = url.searchParams.get('project');
  const project = world.projectById(id === null ? undefined : Number(id));
  if (!project) return send(response, 404, { error: `there is no project ${id}` });
  response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' });
  const options = { hash: url.searchParams.get('hash') !== '0', all: url.searchParams.get('all') === '1' };
  await pump(treeJson(world, project, options), response, () => undefined);
  response.end();
}

function calls(world: World): object {
  return { ...(world.counters.toJSON() as object), windows: world.rates.uses(world.client.id) };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}
