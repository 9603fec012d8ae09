import { silentLog } from '../../base/log.js';
import { oneLine } from '../../base/text.js';
import type { Connection } from '../../connections/connection.js';
import { Connections, isTarget } from '../../connections/store.js';
import type { ConnectionTest } from '../../procore/connection-test.js';
import { adviceFor, type SeenConnection, testAndRemember, testJson } from '../../procore/setup.js';
import { openSession } from '../../project/session.js';
import type { CommandContext } from '../command.js';
import { columns, plural } from '../format.js';
import { testTargetConnection } from './target.js';

export async function test(context: CommandContext): Promise<void> {
  const connections = new Connections(context.state().path);
  const connection = connections.find(context.argument(0));
  if (isTarget(connection)) await testTargetConnection(context, connections, connection);
  else await testAndShow(context, connections, connection);
}

export async function showProjects(context: CommandContext): Promise<void> {
  const connections = new Connections(context.state().path);
  const connection = connections.get(context.argument(0));
  const result = await runTest(context, connections, connection);
  context.show(result.projects, () => describeProjects(result));
}

export async function testAndShow(
  context: CommandContext,
  connections: Connections,
  connection: Connection,
): Promise<ConnectionTest> {
  const result = await runTest(context, connections, connection);
  context.show(testJson(connection, result), () => describe(connection, result, adviceFor(result)));
  return result;
}

async function runTest(
  context: CommandContext,
  connections: Connections,
  connection: Connection,
): Promise<SeenConnection> {
  const session = openSession(context.state(), connection, context.options(), silentLog);
  try {
    return await testAndRemember(connections, connection, session);
  } finally {
    await session.close();
  }
}

function describe(connection: Connection, result: SeenConnection, advice: string | undefined): string {
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
