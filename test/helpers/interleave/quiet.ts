import diagnostics from 'node:diagnostics_channel';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { HeldServer } from './held-server.js';

/** Work of the thread pool that somebody waits for. */
const BUSY = /^(FSReq|Zlib|FileHandleCloseReq|GetAddrInfo|TCPConnectWrap)/;
/** Turns of the event loop in a row in which nothing happens. */
const CALM = 3;
/** Turns after which it waits for something that takes its time, which is on another thread. */
const SOON = 30;
/** Milliseconds without anything happening after which what seems to be under way is known to be forgotten. */
const FORGOTTEN = 100;

/** Tells when nothing goes on any more but what is being held. */
export class Quiet {
  readonly #server: HeldServer;
  #underWay = 0;

  constructor(t: { teardown(cleanup: () => unknown): unknown }, server: HeldServer) {
    this.#server = server;
    const began = (): void => {
      this.#underWay++;
      server.activity++;
    };
    const ended = (): void => {
      this.#underWay--;
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
  }

  /** @param isIdle tells that other threads have done what they were told */
  async come(isIdle: () => boolean): Promise<void> {
    const server = this.#server;
    let calm = 0;
    let turns = 0;
    let since = performance.now();
    while (calm < CALM) {
      const before = server.activity;
      if (++turns % SOON === 0) await sleep(1);
      else await turn();
      const isActive = server.activity !== before;
      if (isActive) since = performance.now();
      const isBusy =
        !isIdle() || this.#underWay > server.waiting.length || process.getActiveResourcesInfo().some(isWork);
      if (isBusy && performance.now() - since > FORGOTTEN) {
        this.#underWay = server.waiting.length;
        return;
      }
      calm = isBusy || isActive ? 0 : calm + 1;
    }
  }
}

const isWork = (name: string): boolean => BUSY.test(name);
