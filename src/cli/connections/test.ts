import { silentLog } from '../../base/log.js';
import { oneLine } from '../../base/text.js';
import type { Connection } from '../../connections/connection.js';
import { type TokenInfo, tokenInfo } from '../../connections/oauth.js';
import { Connections, isTarget } from '../../connections/store.js';
import { openSession } from '../../daemon/session.js';
import { type ConnectionTest, testConnection } from '../../procore/connection-test.js';
import type { CommandContext } from '../command.js';
import { columns, plural } from '../format.js';
import { testTarget } from './target.js';

const PRODUCT = 'procorefs';

export async function test(context: CommandContext): Promise<void> {
  const connections = new Connections(context.state().path);
  const connection = connections.find(context.argument(0));
  if (isTarget(connection)) await testTarget(context, connections, connection);
  else await testAndShow(context, connections, connection);
}

export async function projects(context: CommandContext): Promise<void> {
  const connections = new Connections(context.state().path);
  const connection = connections.get(context.argument(0));
  const result = await runTest(context, connection);
  remember(connections, connection, result);
  context.show(result.projects, () => describeProjects(result));
}

export async function testAndShow(
  context: CommandContext,
  connections: Connections,
  connection: Connection,
): Promise<ConnectionTest> {
  const result = await runTest(context, connection);
  remember(connections, connection, result);
  const advice = adviceFor(result);
  const { info, ...seen } = result;
  context.show(
    { connection: connection.name, ...seen, ...(info?.app === undefined ? {} : { app: info.app }), advice },
    () => describe(connection, result, advice),
  );
  return result;
}

type Seen = ConnectionTest & { readonly info: TokenInfo | undefined };

async function runTest(context: CommandContext, connection: Connection): Promise<Seen> {
  const session = openSession(context.state(), connection, context.options(), silentLog);
  try {
    const result = await testConnection(connection, session.client, { class: 'interactive' });
    return { ...result, info: await tokenInfo(connection.loginUrl, await session.tokens.token()) };
  } finally {
    await session.close();
  }
}

/** Keeps what the test saw, so that a mount by a project's name costs no call. */
function remember(
  connections: Connections,
  connection: Connection,
  { account, companies, projects }: ConnectionTest,
): void {
  connections.update(connection.id, {
    account: { id: account.id, name: account.name, login: account.login },
    companies: companies.map(({ id, name }) => ({ id, name })),
    projects: projects.map(({ id, name, company }) => ({ id, name, company })),
  });
}

function describe(connection: Connection, result: Seen, advice: string | undefined): string {
  const { account, companies, info } = result;
  const login = account.name !== undefined && account.login !== undefined ? ` (${account.login})` : '';
  const named = companies.map((one) => one.name || String(one.id)).join(', ') || 'none';
  return [
    `Connection test succeeded: "${connection.name}"`,
    oneLine(`signed in as ${account.name ?? account.login ?? account.id}${login}, company ${named}`),
    ...(info?.app === undefined ? [] : [oneLine(`through the app ${info.app}`)]),
    ...(connection.project === undefined ? [] : [`bound to project ${connection.project}`]),
    ...companies.flatMap((one) => (one.why === undefined ? [] : [oneLine(`company ${one.name}: ${one.why}`)])),
    describeProjects(result),
    ...(advice === undefined ? [] : [`advice: ${advice}`]),
  ].join('\n');
}

/** What is done in Procore bears the account's name: it should tell who does it. */
function adviceFor({ account }: ConnectionTest): string | undefined {
  if (`${account.name ?? ''} ${account.login ?? ''}`.toLowerCase().includes(PRODUCT)) return undefined;
  return `use a service account, or a user of its own, whose name contains "${PRODUCT}": then changes in Procore can be traced to it`;
}

function describeProjects({ projects }: ConnectionTest): string {
  if (projects.length === 0)
    return "no project is permitted to this account: add projects to the app's permissions in the company's App Management";
  const rows = projects.map((one) => [
    String(one.id),
    one.access === 'unknown' ? 'not looked at' : one.access,
    one.name,
  ]);
  const reasons = projects.flatMap((one) => (one.why === undefined ? [] : [oneLine(`${one.id}: ${one.why}`)]));
  const table = columns([['ID', 'DOCUMENTS', 'NAME'], ...rows]);
  return [`${plural(projects.length, 'project')}:`, table, ...reasons].join('\n');
}
