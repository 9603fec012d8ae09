import { Agent, type Dispatcher } from 'undici';
import type { Clock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import type { Budget } from '../../budget/budget.js';
import type { TokenSource } from '../../connections/token-source.js';
import { authorization } from './authorization.js';
import { budget } from './budget.js';
import { company } from './company.js';
import { compression } from './compression.js';
import { type Send, sender } from './exchange.js';
import { logging } from './logging.js';
import { Reachability } from './reachability.js';
import { retry } from './retry.js';

export interface TransportParts {
  readonly tokens: TokenSource;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly log: Log;
}

/** Milliseconds. A busy server needs many seconds before it starts to send a page of 2,000 rows. */
const TIMEOUTS = { connect: 10_000, headers: 90_000, body: 30_000 };

/** HTTP to the API: one agent, and the interceptors that every call needs. */
export class Transport {
  readonly #agent: Agent;
  readonly send: Send;
  readonly reachability: Reachability;

  constructor(parts: TransportParts) {
    this.reachability = new Reachability(parts.clock);
    this.#agent = new Agent({
      connections: 16,
      connect: { timeout: TIMEOUTS.connect },
      headersTimeout: TIMEOUTS.headers,
      bodyTimeout: TIMEOUTS.body,
      keepAliveTimeout: 30_000,
    });
    // The last interceptor is the outermost: a repeated call is authorized, budgeted and logged again.
    const composed: Dispatcher = this.#agent.compose(
      compression(),
      logging(parts.log, parts.clock),
      budget(parts.budget),
      authorization(parts.tokens),
      company(),
      retry(parts.clock, this.reachability),
    );
    this.send = sender(composed.dispatch.bind(composed));
  }

  async close(): Promise<void> {
    this.reachability.close();
    await this.#agent.destroy();
  }
}
