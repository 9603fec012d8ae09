import type { CallOptions } from '../budget/calls.js';
import type { Connection } from '../connections/connection.js';
import { type TokenInfo, tokenInfo } from '../connections/oauth.js';
import type { Connections } from '../connections/store.js';
import { type ConnectionTest, testConnection } from './connection-test.js';
import type { Session } from './session.js';

const PRODUCT = 'procorefs';

/** Result of a test, with the app that made it. */
export type SeenConnection = ConnectionTest & { readonly info: TokenInfo | undefined };

/**
 * Tests a connection and stores the result, so that a mount by a project's name costs no call.
 * @throws Failure as `testConnection`
 */
export async function testAndRemember(
  connections: Connections,
  connection: Connection,
  session: Session,
  options: CallOptions = { class: 'interactive' },
): Promise<SeenConnection> {
  const result = await testConnection(connection, session.client, options);
  const info = await tokenInfo(connection.loginUrl, await session.tokens.token());
  const { account, companies, projects } = result;
  connections.update(connection.id, {
    account: { id: account.id, name: account.name, login: account.login },
    companies: companies.map(({ id, name }) => ({ id, name })),
    projects: projects.map(({ id, name, company }) => ({ id, name, company })),
  });
  return { ...result, info };
}

/** Changes in Procore are recorded under the account's name, which should identify the person or service. */
export function adviceFor({ account }: ConnectionTest): string | undefined {
  if (`${account.name ?? ''} ${account.login ?? ''}`.toLowerCase().includes(PRODUCT)) return undefined;
  return `use a service account, or a user of its own, whose name contains "${PRODUCT}": then changes in Procore can be traced to it`;
}

/** The result of a test in its JSON form. */
export function testJson(connection: Connection, result: SeenConnection) {
  const { info, ...seen } = result;
  return {
    connection: connection.name,
    ...seen,
    ...(info?.app === undefined ? {} : { app: info.app }),
    advice: adviceFor(result),
  };
}
