import { Secret } from '#src/base/secret.js';
import type { Connection } from '#src/connections/connection.js';
import type { Connections } from '#src/connections/store.js';
import type { RunningSimulator } from './simulator.js';

type NewConnection = Parameters<Connections['add']>[0];

/** Connects a state folder with a simulator, as its service account. */
export const addConnection = (
  connections: Connections,
  { api, login, client_id: clientId, client_secret: secret, company_id: company }: RunningSimulator['ready'],
  more: Partial<NewConnection> = {},
): Connection =>
  connections.add(
    {
      apiUrl: api,
      loginUrl: login,
      clientId,
      grant: 'client-credentials',
      company: company as NonNullable<NewConnection['company']>,
      ...more,
    },
    new Secret(secret),
  );
