import { systemClock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import { asCompanyId, asProjectId, type ProjectId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { OptionValues } from '../base/options.js';
import { Budget } from '../budget/budget.js';
import { ledgerPath } from '../budget/ledger.js';
import type { Connection } from '../connections/connection.js';
import { Connections } from '../connections/store.js';
import { openTokens } from '../connections/tokens.js';
import { ProcoreClient } from '../procore/client.js';
import { resolveProject } from '../procore/projects.js';
import { Storage } from '../procore/storage.js';
import type { Item } from '../mirror/view.js';
import type { Source } from './source.js';
import type { StateFolder } from './state-folder.js';

/** An account in use: its calls go through one budget, its downloads through one pool. */
export interface Account {
  readonly connection: Connection;
  readonly connections: Connections;
  readonly client: ProcoreClient;
  readonly storage: Storage;
  readonly budget: Budget;
  close(): Promise<void>;
}

/** An account and the one project that is worked on. */
export interface Session extends Account {
  readonly project: { readonly id: ProjectId; readonly name: string };
  webUrl(item: Item): string;
}

/** @throws Failure `no-such-connection`, `state-unsafe`, … */
export function openAccount(
  state: StateFolder,
  nameOrConnection: string | Connection,
  options: OptionValues,
  log: Log,
): Account {
  const connections = new Connections(state.path);
  const connection = typeof nameOrConnection === 'string' ? connections.get(nameOrConnection) : nameOrConnection;
  const tokens = openTokens(connection, connections.secrets, systemClock, log);
  const budget = new Budget({
    path: ledgerPath(state.path, connection.clientId, connection.apiUrl),
    log,
    budgetWait: Number(options.budget_wait) * 1000,
    ...(connection.maxCallsPerHour === undefined ? {} : { maxCallsPerHour: connection.maxCallsPerHour }),
  });
  const client = new ProcoreClient({
    apiUrl: connection.apiUrl,
    name: connection.name,
    companyId: connection.company,
    tokens,
    budget,
    log,
  });
  const storage = new Storage({
    tokens,
    trustedHosts: [connection.apiUrl, connection.loginUrl].map((url) => new URL(url).host),
  });
  return {
    connection,
    connections,
    client,
    storage,
    budget,
    async close() {
      await client.close();
      await storage.close();
      budget.close();
    },
  };
}
