import type { IncomingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import type { Test } from 'tap';
import { isFailure } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import { Budget, type BudgetOptions } from '#src/budget/budget.js';
import type { CallClass } from '#src/budget/calls.js';
import { RateWindow, type ServerWindow, type WindowKind } from '#src/simulator/http/window.js';
import { scratch } from './net-server.js';
import { VirtualTime } from './net-virtual-time.js';
import { randomBy } from './random.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

export const HOUR = 3_600_000;
/** Hours pass in a blink here: nothing sleeps but on virtual time, which begins then. */
export const RATE_START = Date.UTC(2026, 10, 24, 11, 40);

export interface RateServerOptions {
  readonly kind: WindowKind;
  readonly spikeKind?: WindowKind;
  readonly hourly?: number;
  readonly spike?: number;
  /** The reset of a sliding window tells when all calls are back, not when the next one is. */
  readonly resetOfAll?: boolean;
  readonly silent?: boolean;
}

/** The server's two windows of one client id, on virtual time. */
export class RateServer {
  readonly time: VirtualTime;
  readonly hour: RateWindow;
  readonly #spike: RateWindow;
  readonly #options: RateServerOptions;
  #lastCall = 0;
  /** When each call arrived, by whether it was allowed. */
  readonly arrivals: { readonly at: number; readonly ok: boolean; readonly foreign: boolean }[] = [];

  constructor(time: VirtualTime, options: RateServerOptions) {
    this.time = time;
    this.#options = options;
    this.hour = new RateWindow(options.kind, options.hourly ?? 3600, HOUR);
    this.#spike = new RateWindow(options.spikeKind ?? 'sliding', options.spike ?? 25, 10_000);
  }

  /** One request, with its way there and back (ms). */
  async call(there: number, back: number, foreign = false): Promise<{ status: number; headers: IncomingHttpHeaders }> {
    await this.time.sleep(there);
    const reply = this.answer(foreign);
    await this.time.sleep(back);
    return reply;
  }

  answer(foreign = false): { status: number; headers: IncomingHttpHeaders } {
    const { now } = this.time;
    const inHour = this.hour.take(now);
    const ok = this.#spike.take(now) && inHour;
    this.#lastCall = now;
    this.arrivals.push({ at: now, ok, foreign });
    const { limit, remaining, reset } = this.#nearest(now);
    const headers: IncomingHttpHeaders = { date: new Date(now).toUTCString() };
    if (!this.#options.silent)
      Object.assign(headers, {
        'x-rate-limit-limit': `${limit}`,
        'x-rate-limit-remaining': `${remaining}`,
        'x-rate-limit-reset': `${reset}`,
      });
    return { status: ok ? 200 : 429, headers };
  }

  #nearest(now: number): ServerWindow {
    let hour = this.hour.state(now);
    const spike = this.#spike.state(now);
    if (this.#options.resetOfAll) hour = { ...hour, reset: Math.ceil((this.#lastCall + HOUR) / 1000) };
    return spike.remaining < hour.remaining ? spike : hour;
  }

  refused(from = 0, to = Number.POSITIVE_INFINITY): number {
    return this.arrivals.filter((call) => !call.ok && !call.foreign && call.at >= from && call.at < to).length;
  }

  allowed(from = 0, to = Number.POSITIVE_INFINITY): number {
    return this.arrivals.filter((call) => call.ok && !call.foreign && call.at >= from && call.at < to).length;
  }
}

/** A process of the client: budgets over one ledger that can be killed. */
export class Caller {
  readonly budget: Budget;
  readonly #server: RateServer;
  readonly #random: () => number;
  alive = true;

  constructor(server: RateServer, random: () => number, options: BudgetOptions) {
    this.#server = server;
    this.#random = random;
    this.budget = new Budget(options);
  }

  /** One call; false if it was refused by the server. */
  async call(callClass: CallClass, job?: string, whenSpent: 'wait' | 'fail' = 'wait'): Promise<boolean> {
    const permit = await this.budget.acquire({ class: callClass, ...(job ? { job } : {}), whenSpent }, 'GET /x');
    // A killed process may have written the call down and not sent it.
    if (!this.alive && this.#random() < 0.5) return true;
    const { status, headers } = await this.#server.call(20 + 200 * this.#random(), 20 + 300 * this.#random());
    if (!this.alive) return true;
    permit.answered(status, headers);
    permit.ended();
    return status === 200;
  }

  /** Calls as fast as it is let, `workers` at a time, until killed. */
  demand(callClass: CallClass, workers: number): void {
    for (let n = 0; n < workers; n++) void this.#work(callClass);
  }

  /**
   * The calls of a job: by hand it waits when the hour is spent, by schedule its run ends, and the next one begins when
   * there are calls again. @returns how many runs there were
   */
  async job(calls: number, how: 'manual' | 'schedule', workers: number): Promise<number> {
    const { time } = this.#server;
    let left = calls;
    for (let runs = 1; ; runs++) {
      const work = async (): Promise<void> => {
        while (left > 0) {
          left--;
          try {
            await this.call('job', 'job', how === 'manual' ? 'wait' : 'fail');
          } catch (error) {
            if (!isFailure(error, 'budget-exhausted')) throw error;
            left++;
            return;
          }
        }
      };
      await Promise.all(Array.from({ length: workers }, work));
      if (left === 0) return runs;
      await time.sleep(this.budget.jobsAgainAt() - time.now);
    }
  }

  async #work(callClass: CallClass): Promise<void> {
    while (this.alive) {
      try {
        await this.call(callClass);
      } catch (error) {
        if (!isFailure(error, 'budget-exhausted') && this.alive) throw error;
      }
    }
  }

  /** kill -9: nothing more is written, not even that it ended. */
  kill(): void {
    this.alive = false;
    this.budget.close();
  }
}

export function callers(t: Teardown, server: RateServer, seed: number, options: Partial<BudgetOptions> = {}) {
  const random = randomBy(seed);
  const path = join(scratch(t, true), 'budget.db');
  const open: Caller[] = [];
  t.teardown(() => open.map((caller) => caller.alive && caller.kill()));
  return (more: Partial<BudgetOptions> = {}): Caller => {
    const { time } = server;
    // All of them are this process, so that none counts as gone; each look would read /proc.
    const defaults = { path, log: silentLog, clock: time.clock(), boot: time.boot, isAlive: () => true };
    const caller = new Caller(server, random, { ...defaults, ...options, ...more });
    open.push(caller);
    return caller;
  };
}

export function serverOf(t: Teardown & Partial<Pick<Test, 'setTimeout'>>, options: RateServerOptions): RateServer {
  t.setTimeout?.(120_000);
  const time = new VirtualTime(RATE_START);
  time.install(t);
  return new RateServer(time, options);
}

/** Of the server's whole hours, the part that was used. A sliding window has no hours: of the whole time. */
export function used(server: RateServer, hours: number): number {
  const limit = server.hour.limit;
  if (server.hour.kind === 'sliding') return server.allowed() / (hours * limit);
  const uses = server.hour.uses(server.time.now);
  const whole = server.hour.kind === 'clock-aligned' ? uses.slice(1, -1) : uses.slice(0, hours);
  return whole.reduce((sum, window) => sum + window.used, 0) / (whole.length * limit);
}
