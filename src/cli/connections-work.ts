import { readFileSync } from 'node:fs';
import { Failure } from '../base/errors.js';
import { asCompanyId, asProjectId } from '../base/ids.js';
import { silentLog } from '../base/log.js';
import { Secret } from '../base/secret.js';
import type { Connection } from '../connections/connection.js';
import { deriveHosts } from '../connections/hosts.js';
import { Connections } from '../connections/store.js';
import { openSession } from '../daemon/session.js';
import { type ConnectionTest, testConnection } from '../procore/connection-test.js';
import type { CommandContext } from './command.js';
import { columns, plural } from './format.js';

export async function add(context: CommandContext): Promise<void> {
  const connections = new Connections(context.state().path);
  const clientId = context.flag('clientId');
  if (clientId === undefined) throw new Failure('usage', { what: '--client-id is missing' });
  const domain = context.flag('domain');
  const api = context.flag('api');
  const hosts = deriveHosts({ ...(domain === undefined ? {} : { domain }), ...(api === undefined ? {} : { api }) });
  if (hosts.warning) process.stderr.write(`procorefs: ${hosts.warning}\n`);
  const secret = readSecret(context.flag('clientSecretFile'));
  const company = numberFlag(context, 'company');
  const project = numberFlag(context, 'project');
  const maxCallsPerHour = numberFlag(context, 'maxCallsPerHour');
  const name = context.args[0];
  const connection = connections.add(
    {
      ...(name === undefined ? {} : { name }),
      apiUrl: hosts.apiUrl,
      loginUrl: hosts.loginUrl,
      clientId,
      grant: 'client-credentials',
      ...(company === undefined ? {} : { company: asCompanyId(company) }),
      ...(project === undefined ? {} : { project: asProjectId(project) }),
      ...(maxCallsPerHour === undefined ? {} : { maxCallsPerHour }),
    },
    secret,
  );
  try {
    await testAndShow(context, connections, connection);
  } catch (error) {
    // What was never seen to work is not kept: the name is free for the next try.
    connections.remove(connection.id);
    throw error;
  }
}

export async function test(context: CommandContext): Promise<void> {
  const connections = new Connections(context.state().path);
  await testAndShow(context, connections, connections.get(context.argument(0)));
}

export async function list(context: CommandContext): Promise<void> {
  const all = new Connections(context.state().path).list();
  context.show(all, () =>
    all.length === 0
      ? 'no connections; add one with `procorefs connections add`'
      : columns([
          ['NAME', 'ACCOUNT', 'HOST'],
          ...all.map((one) => [one.name, accountOf(one), new URL(one.apiUrl).host]),
        ]),
  );
}

export async function show(context: CommandContext): Promise<void> {
  const one = new Connections(context.state().path).get(context.argument(0));
  context.show(one, () =>
    columns([
      ['name', one.name],
      ['id', one.id],
      ['api', one.apiUrl],
      ['login', one.loginUrl],
      ['client id', one.clientId],
      ['grant', one.grant],
      ['account', accountOf(one)],
      ['company', one.company === undefined ? 'any' : String(one.company)],
      ['project', one.project === undefined ? 'any' : String(one.project)],
      ['calls an hour', one.maxCallsPerHour === undefined ? 'as the server allows' : String(one.maxCallsPerHour)],
      ['added', one.createdAt],
    ]),
  );
}

export async function remove(context: CommandContext): Promise<void> {
  const { name } = new Connections(context.state().path).remove(context.argument(0));
  context.show({ removed: name }, () => `removed "${name}"`);
}

export async function projects(context: CommandContext): Promise<void> {
  const connections = new Connections(context.state().path);
  const connection = connections.get(context.argument(0));
  const result = await runTest(context, connection);
  remember(connections, connection, result);
  context.show(result.projects, () => describeProjects(result));
}

async function testAndShow(context: CommandContext, connections: Connections, connection: Connection): Promise<void> {
  const result = await runTest(context, connection);
  remember(connections, connection, result);
  const { account, companies } = result;
  context.show({ connection: connection.name, ...result }, () =>
    [
      `Connection test succeeded: "${connection.name}"`,
      `signed in as ${account.name ?? account.login ?? account.id}, company ${companies.map((one) => one.name || one.id).join(', ')}`,
      describeProjects(result),
    ].join('\n'),
  );
}

async function runTest(context: CommandContext, connection: Connection): Promise<ConnectionTest> {
  const session = openSession(context.state(), connection, context.options(), silentLog);
  try {
    return await testConnection(connection, session.client, { class: 'interactive' });
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

function describeProjects({ projects }: ConnectionTest): string {
  if (projects.length === 0) return 'no project is permitted to this account';
  const rows = projects.map((one) => [
    String(one.id),
    one.access === 'unknown' ? 'not looked at' : one.access,
    one.name,
  ]);
  return `${plural(projects.length, 'project')}:\n${columns([['ID', 'DOCUMENTS', 'NAME'], ...rows])}`;
}

const accountOf = ({ account }: Connection): string => account?.name ?? account?.login ?? String(account?.id ?? '–');

function numberFlag(context: CommandContext, name: string): number | undefined {
  const text = context.flag(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new Failure('usage', { what: `--${name} ${text} is not a number` });
  return Number(text);
}

/** The secret never stands in the command line, where `ps` would show it. */
function readSecret(file: string | undefined): Secret | undefined {
  if (file === undefined) return undefined;
  try {
    const secret = readFileSync(file === '-' ? 0 : file, 'utf8').trim();
    if (secret === '') throw new Error('it is empty');
    return new Secret(secret);
  } catch (error) {
    throw new Failure('usage', { what: `no client secret can be read from ${file}` }, error);
  }
}
