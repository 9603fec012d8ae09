import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AdminChange } from '#src/simulator/admin/changes.js';
import type { FaultSetting } from '#src/simulator/faults.js';
import type { SimulatorOptions } from '#src/simulator/options.js';
import type { Ready } from '#src/simulator/simulator.js';

export interface Calls {
  readonly total: number;
  /** When the first of them came, milliseconds since the epoch; absent when there was none. */
  readonly first?: number;
  readonly byRoute: Readonly<Record<string, number>>;
  readonly status429: number;
  readonly status4xx: number;
  readonly status5xx: number;
  readonly login: number;
  readonly storage: {
    readonly requests: number;
    readonly bytes: number;
    readonly uploads: number;
    readonly received: number;
  };
  readonly windows: readonly { readonly used: number; readonly limit: number }[];
}

/** Milliseconds for which a daemon that knows its project asks nothing of the server. */
const QUIET_START = 5000;

/** What came in the quiet start of a daemon that began at this time; undefined when nothing did. */
export function unquiet(calls: Calls, began: number): string | undefined {
  const { first, byRoute } = calls;
  if (first === undefined || first >= began + QUIET_START) return undefined;
  return `after ${first - began} ms: ${JSON.stringify(byRoute)}`;
}

export interface TreeEntry {
  readonly id: number;
  readonly path: string;
  readonly type: 'file' | 'folder';
  readonly size: number;
  readonly sha256?: string | null;
  readonly versions: number;
  /** The account may not see it. */
  readonly hidden?: true;
}

/** With everything that ever was: what was deleted, and each version. */
export interface HistoryEntry extends TreeEntry {
  readonly deleted: boolean;
  /** SHA-256 of every version, newest first. */
  readonly history: readonly string[];
}

export interface Changed {
  readonly id: number;
  readonly path: string;
  readonly type: 'file' | 'folder';
  readonly version_id?: number;
  readonly number?: number;
}

/** The simulator's admin address. */
export class Admin {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  calls(): Promise<Calls> {
    return this.#send('GET', 'calls');
  }

  reset(): Promise<Calls> {
    return this.#send('DELETE', 'calls');
  }

  change<T = Changed>(change: AdminChange): Promise<T> {
    return this.#send('POST', 'change', change);
  }

  changes<T = Changed>(changes: readonly AdminChange[]): Promise<T[]> {
    return this.#send('POST', 'change', changes);
  }

  faults(faults: Readonly<Record<string, Partial<FaultSetting> | number>>): Promise<Record<string, { hits: number }>> {
    return this.#send('POST', 'faults', faults);
  }

  /** Of everything but the admin address. */
  network(state: 'up' | 'down' | 'silent'): Promise<unknown> {
    return this.#send('POST', 'network', { state });
  }

  /** Does the oldest calls now that the fault `late` left undone, or all; the status that each would have answered. */
  async finishLate(count?: number): Promise<number[]> {
    return (await this.#send<{ done: number[] }>('POST', 'late', count === undefined ? {} : { count })).done;
  }

  /** Calls that the fault `late` left undone. */
  async lateWork(): Promise<number> {
    return (await this.#send<{ waiting: number }>('GET', 'late')).waiting;
  }

  noFaults(): Promise<unknown> {
    return this.#send('DELETE', 'faults');
  }

  tree(query: { project?: number; hash?: boolean } = {}): Promise<TreeEntry[]> {
    const project = query.project === undefined ? '' : `project=${query.project}&`;
    return this.#send('GET', `tree?${project}hash=${query.hash === false ? 0 : 1}`);
  }

  history({ project }: { project?: number } = {}): Promise<HistoryEntry[]> {
    return this.#send('GET', `tree?all=1${project === undefined ? '' : `&project=${project}`}`);
  }

  async switches(values?: Readonly<Record<string, string>>): Promise<Record<string, string>> {
    if (values) return await this.#send('POST', 'switches', values);
    return (await this.#send<{ values: Record<string, string> }>('GET', 'switches')).values;
  }

  expire(what: { urls?: true; tokens?: true; revoke?: true } = { urls: true }): Promise<unknown> {
    return this.#send('POST', 'expire', what);
  }

  limits(limits: {
    hourly?: number;
    spike?: number;
    urlTtl?: number;
    tokenTtl?: number;
    uploadTtl?: number;
  }): Promise<unknown> {
    return this.#send('POST', 'limits', limits);
  }

  /** Uses up calls of the hour, as another program with this client id would. */
  spend(calls: number): Promise<unknown> {
    return this.#send('POST', 'spend', { calls });
  }

  async #send<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.url}/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }
}

export interface RunningSimulator {
  readonly ready: Ready;
  readonly admin: Admin;
  readonly pid: number;
  close(): Promise<void>;
}

/** The options by key; what is absent has its default. */
export type SimulatorSettings = { readonly [Key in keyof SimulatorOptions]?: SimulatorOptions[Key] | undefined };

/** Starts a simulator in a process of its own; it ends with the test (and with this process, however that ends). */
export async function simulator(
  t: { teardown(cleanup: () => unknown): unknown },
  options: SimulatorSettings = {},
): Promise<RunningSimulator> {
  const script = fileURLToPath(new URL('./simulator-process.js', import.meta.url));
  const child = fork(script, [JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const close = async () => {
    if (child.connected) child.send('close');
    const killer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(killer);
  };
  t.teardown(close);
  const ready = await new Promise<Ready>((resolve, reject) => {
    child.once('message', (message: { ready?: Ready; error?: string }) => {
      if (message.ready) resolve(message.ready);
      else reject(new Error(message.error));
    });
    child.once('exit', (code) => reject(new Error(`the simulator ended with ${code}`)));
    child.once('error', reject);
  });
  return { ready, admin: new Admin(ready.admin), pid: child.pid!, close };
}
