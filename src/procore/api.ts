import { type Clock, systemClock } from '../base/clock.js';
import { Failure, isFailure } from '../base/errors.js';
import type { CompanyId, ProjectId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { Budget } from '../budget/budget.js';
import type { CallOptions } from '../budget/calls.js';
import type { TokenSource } from '../connections/token-source.js';
import { ReplyClock } from './reply-clock.js';
import { replyFailure } from './reply-error.js';
import { isDamaged } from './transport/compression.js';
import type { CallContext, HttpReply } from './transport/exchange.js';
import { wasNotSent } from './transport/reachability.js';
import { Transport } from './transport/transport.js';

export interface ProcoreApiOptions {
  /** `https://api.procore.com` */
  readonly apiUrl: string;
  /** The connection's name, for messages. */
  readonly name: string;
  /** For the header `Procore-Company-Id` of every call; service accounts need it. */
  readonly companyId: CompanyId | undefined;
  readonly tokens: TokenSource;
  readonly budget: Budget;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface ApiTarget {
  readonly project?: ProjectId;
  readonly company?: CompanyId | undefined;
  /** The item that a 404 refers to. */
  readonly subject?: string;
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** The call is idempotent: it is repeated when the reply was lost. GET always is. */
  readonly repeatable?: boolean;
}

export interface ApiReply {
  readonly reply: HttpReply;
  readonly call: CallContext;
}

/** Limit for the first byte of a reply to an interactive call, milliseconds. */
const FIRST_BYTE_MS = 25_000;

/** Sends calls to the API's host as one account; callers interpret the replies. */
export class ProcoreApi {
  readonly host: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly #options: ProcoreApiOptions;
  readonly #transport: Transport;
  readonly #origin: string;
  readonly #replyClock: ReplyClock;

  constructor(options: ProcoreApiOptions) {
    this.#options = options;
    this.log = options.log;
    this.clock = options.clock ?? systemClock;
    this.#replyClock = new ReplyClock(this.clock, options.log);
    const url = new URL(options.apiUrl);
    this.#origin = url.origin;
    this.host = url.host;
    this.#transport = new Transport({ ...options, clock: this.clock });
  }

  /**
   * One call; the reply has a status below 300.
   * @throws Failure as `replyFailure` makes it, `unreachable`, and `reply-lost` if a call that must not be repeated may
   * have taken effect
   */
  async send(request: ApiRequest, target: ApiTarget, options: CallOptions): Promise<ApiReply> {
    const { method, path, body } = request;
    const call: CallContext = {
      ...options,
      label: `${method} ${path.replace(/\?.*/, '')}`,
      idempotent: method === 'GET' || request.repeatable === true,
      companyId: target.company ?? this.#options.companyId,
    };
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'procorefs' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    let reply: HttpReply;
    try {
      const text = body === undefined ? {} : { body: JSON.stringify(body) };
      const patience = options.class === 'interactive' ? { headersTimeout: FIRST_BYTE_MS } : {};
      const origin = this.#origin;
      reply = await this.#transport.send({ origin, path, method, headers, ...text, ...patience, call });
    } catch (error) {
      if (options.signal?.aborted || isFailure(error)) throw error;
      if (call.idempotent && isDamaged(error))
        throw new Failure('bad-reply', { host: this.host, call: call.label }, error);
      if (call.idempotent || wasNotSent(error)) throw new Failure('unreachable', { host: this.host }, error);
      throw new Failure('reply-lost', { host: this.host, call: call.label }, error);
    }
    if (reply.status < 300) return { reply, call };
    const failure = replyFailure(reply, call, {
      host: this.host,
      connection: this.#options.name,
      project: target.project,
      subject: target.subject,
    });
    if (call.idempotent || !leavesDoubt(reply)) throw failure;
    throw new Failure('reply-lost', { host: this.host, call: call.label, status: reply.status }, failure.cause);
  }

  /** Runs `convert` on a reply. @throws Failure `bad-reply` */
  understand<T>(call: CallContext, convert: () => T): T {
    try {
      return convert();
    } catch (error) {
      if (isFailure(error)) throw error;
      throw new Failure('bad-reply', { host: this.host, call: call.label }, error);
    }
  }

  /** The server's time by the `Date` of a reply, seconds since the epoch; see `ReplyClock`. */
  serverTime(reply: HttpReply): number {
    const date = Date.parse(String(reply.headers.date ?? ''));
    return this.#replyClock.at(Number.isNaN(date) ? undefined : Math.floor(date / 1000));
  }

  /** Resolves at once unless the host is known to be unreachable, else when it accepts connections again. */
  reachable(signal: AbortSignal): Promise<void> {
    return this.#transport.reachability.again(this.#origin, signal);
  }

  /** Calls `listener` whenever the host accepts connections again. @returns a function that ends that */
  onReachable(listener: () => void): () => void {
    return this.#transport.reachability.onUp(listener);
  }

  /** Aborts the calls in progress and closes the connections. */
  close(): Promise<void> {
    return this.#transport.close();
  }
}

/** Whether an error reply may come from a gateway while the server behind it carried out the call. */
const leavesDoubt = ({ status, headers }: HttpReply): boolean =>
  // 503 with `Retry-After` is sent before the server does any work.
  status === 408 || (status >= 500 && !(status === 503 && headers['retry-after'] !== undefined));
