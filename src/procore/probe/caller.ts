import { Agent } from 'undici';
import { type Clock, systemClock } from '../../base/clock.js';
import { Failure, isFailure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { Budget } from '../../budget/budget.js';
import { rateHeaders } from '../../budget/headers.js';
import type { TokenSource } from '../../connections/token-source.js';
import { Transport } from '../transport/transport.js';
import { type Evidence, ProbedReply, type ProbeStep } from './evidence.js';
import { lookAtStorage, sendUpload } from './storage-look.js';

export interface CallerOptions {
  readonly apiUrl: string;
  readonly loginUrl: string;
  readonly tokens: TokenSource;
  readonly budget: Budget;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface RawCall {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  /** For the header `Procore-Company-Id`; undefined leaves it out. */
  readonly company: number | undefined;
}

/** Makes raw calls that resolve for any status; each is counted for its step. */
export class Caller {
  readonly clock: Clock;
  readonly agent = new Agent({ connect: { timeout: 10_000 }, headersTimeout: 30_000, bodyTimeout: 30_000 });
  readonly spent = new Map<ProbeStep, number>();
  readonly #options: CallerOptions;
  readonly #evidence: Evidence;
  readonly #transport: Transport;
  readonly #origin: string;
  #refused = 0;
  signal: AbortSignal | undefined;

  constructor(options: CallerOptions, evidence: Evidence, signal: AbortSignal | undefined) {
    this.#options = options;
    this.#evidence = evidence;
    this.signal = signal;
    this.clock = options.clock ?? systemClock;
    this.#origin = new URL(options.apiUrl).origin;
    this.#transport = new Transport({ ...options, clock: this.clock });
  }

  get calls(): number {
    return [...this.spent.values()].reduce((sum, calls) => sum + calls, 0);
  }

  /** Calls with a 4xx reply. */
  get refused(): number {
    return this.#refused;
  }

  /** @throws Failure `unreachable`, `server-error`, `budget-exhausted`, `signed-out`, or the token's; the signal's reason */
  async call(step: ProbeStep, { method = 'GET', path, body, company }: RawCall): Promise<ProbedReply> {
    const { signal } = this;
    const label = `${method} ${path.replace(/\?.*/, '')}`;
    const host = new URL(this.#origin).host;
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'procorefs' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const context = { class: 'interactive', label, idempotent: method === 'GET', companyId: company } as const;
    this.spent.set(step, (this.spent.get(step) ?? 0) + 1);
    let seen: ProbedReply;
    try {
      const reply = await this.#transport.send({
        origin: this.#origin,
        path,
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        call: { ...context, ...(signal ? { signal } : {}) },
      });
      seen = new ProbedReply(reply.status, reply.headers, reply.body.bytes);
    } catch (error) {
      if (signal?.aborted || isFailure(error)) throw error;
      throw new Failure('unreachable', { host }, error);
    }
    if (seen.status >= 400 && seen.status < 500) this.#refused++;
    if (seen.status === 401) throw new Failure('signed-out', { name: host, why: seen.words });
    if (seen.status >= 500 || seen.status === 408 || seen.status === 429)
      throw new Failure('server-error', { host, call: label, status: seen.status });
    const { window, date } = rateHeaders(seen.headers);
    if (window && date !== undefined) this.#evidence.rates.push({ at: this.clock.monotonic(), date, ...window });
    this.#evidence.seen[step] = seen;
    return seen;
  }

  /** Tests the storage of a version; a failure there does not end the probe. */
  async look(url: string): Promise<void> {
    const { tokens, apiUrl, loginUrl } = this.#options;
    const trusted = [apiUrl, loginUrl].map((one) => new URL(one).host);
    const token = await tokens.token(this.signal);
    this.#evidence.storage = await this.#attempt(() =>
      lookAtStorage(this.agent, url, token, trusted, this.signal, this.clock),
    );
  }

  /** Status of the storage; undefined if the upload failed without a reply. */
  upload(announced: { url: string; fields: Record<string, string> }, content: Buffer): Promise<number | undefined> {
    return this.#attempt(() => sendUpload(this.agent, announced, content, this.signal));
  }

  sleep(ms: number): Promise<void> {
    return this.clock.sleep(ms, this.signal);
  }

  async close(): Promise<void> {
    await Promise.all([this.#transport.close(), this.agent.destroy()]);
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (this.signal?.aborted) throw this.signal.reason;
      this.#options.log.warn({ err: error }, 'the storage could not be looked at');
      return undefined;
    }
  }
}
