import type { Bandwidth } from '../base/bandwidth.js';
import { type Clock, systemClock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { Budget } from '../budget/budget.js';
import { ledgerPath } from '../budget/ledger.js';
import type { BootClock } from '../budget/server-clock.js';
import type { Windows } from '../budget/window-state.js';
import type { Connection } from '../connections/connection.js';
import type { Secrets } from '../connections/secrets.js';
import type { OwnedTokenSource, TokenSource } from '../connections/token-source.js';
import { openTokens } from '../connections/tokens.js';
import { ProcoreClient } from './client.js';
import { ClientFacts } from './probe/client-facts.js';
import { Storage } from './storage.js';
import { Uploads } from './uploads.js';
import { ProcoreWrites } from './writes.js';

/** The fact whether the v1.0 index answers, and its values that say no. */
const INDEX_FACT = 'index-v1';
const DENIED: ReadonlySet<string | undefined> = new Set(['denied', 'gone']);

export interface SessionOptions {
  readonly stateFolder: string;
  readonly secrets: Secrets;
  readonly log: Log;
  /** Ms that an interactive call waits for the budget; default 30,000. */
  readonly budgetWait?: number;
  readonly clock?: Clock;
  readonly boot?: BootClock;
  /** Bandwidth limit of uploads; default: none. */
  readonly uploadBandwidth?: Bandwidth | undefined;
  /** Milliseconds; default: the connection's, or an hour and 10 s. */
  readonly windows?: Windows;
}

/** All objects that one process needs to call Procore as one connection; `close` closes those it opened. */
export class Session {
  readonly connection: Connection;
  readonly tokens: TokenSource;
  readonly budget: Budget;
  readonly client: ProcoreClient;
  readonly writes: ProcoreWrites;
  readonly uploads: Uploads;
  readonly storage: Storage;
  readonly #tokens: OwnedTokenSource;

  /** @throws Failure `state-unsafe`, `state-unwritable`, `database-damaged` */
  constructor(connection: Connection, options: SessionOptions) {
    const clock = options.clock ?? systemClock;
    const windows = options.windows ?? windowsOf(connection);
    this.connection = connection;
    this.#tokens = openTokens(connection, options.secrets, clock, options.log);
    this.tokens = this.#tokens;
    this.budget = new Budget({
      path: ledgerPath(options.stateFolder, connection.clientId, connection.apiUrl),
      log: options.log,
      clock,
      ...(options.boot === undefined ? {} : { boot: options.boot }),
      ...(connection.maxCallsPerHour === undefined ? {} : { maxCallsPerHour: connection.maxCallsPerHour }),
      ...(windows === undefined ? {} : { windows }),
      ...(options.budgetWait === undefined ? {} : { budgetWait: options.budgetWait }),
    });
    const facts = new ClientFacts(options.stateFolder, connection);
    this.client = new ProcoreClient({
      index: DENIED.has(facts.get(INDEX_FACT)) ? 2 : 1,
      indexChanged: (form) => {
        try {
          facts.keep({ [INDEX_FACT]: form === 1 ? 'allowed' : 'denied' });
        } catch (error) {
          options.log.warn({ error }, 'which index answers could not be recorded');
        }
      },
      apiUrl: connection.apiUrl,
      name: connection.name,
      companyId: connection.company,
      tokens: this.tokens,
      budget: this.budget,
      log: options.log,
      clock,
    });
    this.writes = new ProcoreWrites(this.client.api);
    this.uploads = new Uploads(this.client.api, { bandwidth: options.uploadBandwidth });
    const hosts = [connection.apiUrl, connection.loginUrl].map((url) => new URL(url).host);
    this.storage = new Storage({ trustedHosts: hosts, tokens: this.tokens, clock });
  }

  async close(): Promise<void> {
    this.budget.close();
    await Promise.all([this.client.close(), this.uploads.close(), this.storage.close(), this.#tokens.close()]);
  }
}

const windowsOf = ({ rateWindows: given }: Connection): Windows | undefined =>
  given && { hour: given.hour * 1000, spike: given.spike * 1000 };

/** The id of the company for a connection's calls. @throws Failure `company-needed` */
export function companyOf(connection: Connection): NonNullable<Connection['company']> {
  const only = connection.companies?.length === 1 ? connection.companies[0]?.id : undefined;
  const id = connection.company ?? (only as Connection['company']);
  if (id === undefined) throw new Failure('company-needed');
  return id;
}
