import { systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import type { Connection, Grant } from '../../connections/connection.js';
import { deriveHosts } from '../../connections/hosts.js';
import { replaceTokens, signOut } from '../../connections/sign-out.js';
import { Connections, newConnectionOf } from '../../connections/store.js';
import type { CommandContext } from '../command.js';
import { numberFlag } from '../flags.js';
import { StandardInput } from '../terminal.js';
import { readClientSecret } from './secret-input.js';
import { signIn } from './sign-in.js';
import { addTarget } from './target.js';
import { testAndShow } from './test.js';

const GRANTS: readonly Grant[] = ['client-credentials', 'authorization-code'];

export async function add(context: CommandContext): Promise<void> {
  const input = new StandardInput();
  try {
    const connections = new Connections(context.state().path);
    const isTarget = (context.flag('platform') ?? 'procore') !== 'procore';
    await (isTarget ? addTarget : addConnection)(context, connections, input);
  } finally {
    input.close();
  }
}

async function addConnection(context: CommandContext, connections: Connections, input: StandardInput): Promise<void> {
  // All arguments are checked before the user signs in.
  const name = connections.free(context.args[0]);
  const grant = grantFlag(context);
  const company = numberFlag(context, 'company');
  const project = numberFlag(context, 'project');
  const maxCallsPerHour = numberFlag(context, 'maxCallsPerHour');
  const app = appOf(context, connections);
  const api = context.flag('api') ?? app.api;
  const hosts = deriveHosts({ domain: app.domain, api });
  if (hosts.warning) process.stderr.write(`procorefs: ${hosts.warning}\n`);
  const own = app.secret ? undefined : await ownSecret(context, connections, input);
  const clientSecret = app.secret ?? own ?? connections.secrets.sharedClientSecret();
  if (!clientSecret) throw new Failure('usage', { what: '--client-secret-file is missing: a file, -, or prompt' });
  const client = { loginUrl: hosts.loginUrl, clientId: app.clientId, clientSecret, name };
  const granted = grant === 'authorization-code' ? await signIn(context, client, input) : undefined;
  const fields = { name, grant, company, project, maxCallsPerHour };
  const isDefault = app.secret !== undefined;
  const connection = connections.add(newConnectionOf({ hosts, clientId: app.clientId, isDefault }, fields), own);
  try {
    if (granted) await replaceTokens(connection, client, connections.secrets, granted, systemClock);
    await testAndShow(context, connections, connection);
  } catch (error) {
    // A connection that failed its test is not stored, so that the name is free for the next attempt.
    await forget(connections, connection);
    throw error;
  }
}

async function forget(connections: Connections, connection: Connection): Promise<void> {
  try {
    await signOut(connection, connections.secrets, systemClock);
  } finally {
    connections.remove(connection.id);
  }
}

function grantFlag(context: CommandContext): Grant {
  const text = context.flag('grant') ?? 'client-credentials';
  const grant = GRANTS.find((one) => one === text);
  if (!grant) throw new Failure('usage', { what: `--grant ${text} is not one of ${GRANTS.join(', ')}` });
  return grant;
}

interface App {
  readonly clientId: string;
  /** Secret of the default client; undefined: the secret of the user's own app is still to be read. */
  readonly secret: Secret | undefined;
  readonly domain: string | undefined;
  readonly api: string | undefined;
}

/** The app of `--client-id`, or this installation's default client. @throws Failure `default-client-missing` */
function appOf(context: CommandContext, connections: Connections): App {
  const clientId = context.flag('clientId');
  const domain = context.flag('domain');
  if (clientId !== undefined) return { clientId, secret: undefined, domain, api: undefined };
  if (context.flag('clientSecretFile') !== undefined)
    throw new Failure('usage', { what: '--client-secret-file needs --client-id' });
  const standard = connections.secrets.defaultClient();
  return {
    clientId: standard.clientId,
    secret: standard.clientSecret,
    domain: domain ?? standard.domain,
    api: standard.api,
  };
}

function ownSecret(context: CommandContext, connections: Connections, input: StandardInput) {
  const from = context.flag('clientSecretFile');
  if (from !== undefined) return readClientSecret(from, input);
  // Without the option, the secret is asked for at a terminal, unless systemd provides it.
  return process.stdin.isTTY && !connections.secrets.sharedClientSecret()
    ? readClientSecret('prompt', input)
    : undefined;
}
