import diagnostics from 'node:diagnostics_channel';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import koffi from 'koffi';
import type { HeldServer } from './held-server.js';

/** Work of the thread pool that somebody waits for. */
const BUSY = /^(FSReq|FileHandleCloseReq|CloseReq|GetAddrInfo|TCPConnectWrap)/;
/** Turns of the event loop in a row in which nothing happens: what was told another part in one of them is heard. */
const CALM = 5;
/** Turns after which it waits for something that takes its time, which is on another thread. */
const SOON = 30;
/**
 * Turns of a millisecond each in which nothing happens, after which a request that the server does not hold never comes:
 * both ends are in this process.
 */
const LOST = 500;
/** Milliseconds of real time after which something goes on that is not known here, which is a mistake of this file. */
const TOO_LONG = 120_000;

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

/**
 * Tells when nothing goes on any more but what is being held: each request that a client has made is one that the server
 * holds, other threads have answered all that they were asked, and the thread pool has nothing to do. Only that counts,
 * and no time, so that a seed does the same on a busy machine. What Node does not tell of must not be used: compression.
 */
export class Quiet {
  readonly #server: HeldServer;
  readonly #requests = new Set<unknown>();
  /** Messages to other threads and calls of the C library that have no answer yet. */
  readonly #asked = new Set<unknown>();

  constructor(t: Teardown, server: HeldServer) {
    this.#server = server;
    const began = (message: unknown): void => {
      this.#requests.add((message as { request: unknown }).request);
      server.activity++;
    };
    const ended = (message: unknown): void => {
      this.#requests.delete((message as { request: unknown }).request);
      server.activity++;
    };
    const channels = [
      ['undici:request:create', began],
      ['undici:request:trailers', ended],
      ['undici:request:error', ended],
    ] as const;
    for (const [name, listener] of channels) {
      diagnostics.subscribe(name, listener);
      t.teardown(() => diagnostics.unsubscribe(name, listener));
    }
    watchThreads(t, this.#asked);
    watchCalls(t, this.#asked);
  }

  async come(): Promise<void> {
    const server = this.#server;
    const began = performance.now();
    for (let calm = 0, idle = 0, turns = 1; calm < CALM && idle < LOST; turns++) {
      const before = server.activity;
      if (turns % SOON === 0 || idle > 0) await sleep(1);
      else await turn();
      const isStill = server.activity === before && !this.#works();
      calm = isStill && this.#isAllHeld ? calm + 1 : 0;
      idle = isStill && turns >= SOON ? idle + 1 : 0;
      if (performance.now() - began > TOO_LONG) throw new Error(`it does not come to rest: ${this.#whatGoesOn()}`);
    }
  }

  get #isAllHeld(): boolean {
    return this.#requests.size === this.#server.held.size;
  }

  #works(): boolean {
    return this.#asked.size > 0 || process.getActiveResourcesInfo().some(isWork);
  }

  #whatGoesOn(): string {
    const held = [...this.#server.held].map(({ label, phase }) => `${phase} ${label}`);
    const requests = [...this.#requests].map((one) => {
      const { method, path } = one as { method: string; path: string };
      return `${method} ${path}`;
    });
    const work = process.getActiveResourcesInfo().filter(isWork);
    return `requests ${requests.join()}; held ${held.join()}; ${this.#asked.size} asked of threads; ${work.join()}`;
  }
}

const isWork = (name: string): boolean => BUSY.test(name);

/** Each message with an `id` to another thread, until one with the same comes back. */
function watchThreads(t: Teardown, asked: Set<unknown>): void {
  const told = new WeakMap<Worker, Map<number, unknown>>();
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (this: Worker, message: unknown, ...more: [transfer?: never]): void {
    const id = (message as { id?: number }).id;
    if (id !== undefined) {
      const own = told.get(this) ?? answersOf(this);
      own.set(id, message);
      asked.add(message);
    }
    postMessage.call(this, message, ...more);
  };
  t.teardown(() => {
    Worker.prototype.postMessage = postMessage;
  });
  const answersOf = (worker: Worker): Map<number, unknown> => {
    const own = new Map<number, unknown>();
    told.set(worker, own);
    const answered = (id: number): void => {
      asked.delete(own.get(id));
      own.delete(id);
    };
    worker.on('message', ({ id }: { id?: number }) => {
      if (id !== undefined) answered(id);
    });
    worker.on('exit', () => {
      for (const id of own.keys()) answered(id);
    });
    return own;
  };
}

type Told = (error: unknown, value: unknown) => void;

/** Calls of the C library on the thread pool, of functions that are looked up from now on. */
function watchCalls(t: Teardown, asked: Set<unknown>): void {
  const { load } = koffi;
  koffi.load = (...words) => {
    const library = load(...words);
    const func = library.func.bind(library) as (...described: unknown[]) => { async: (...values: unknown[]) => void };
    const watched = (...described: unknown[]): unknown => {
      const call = func(...described);
      const run = call.async;
      call.async = (...values) => {
        asked.add(values);
        const told = values.pop() as Told;
        run(...values, (error: unknown, value: unknown) => {
          asked.delete(values);
          told(error, value);
        });
      };
      return call;
    };
    return { ...library, func: watched as typeof library.func };
  };
  t.teardown(() => {
    koffi.load = load;
  });
}
