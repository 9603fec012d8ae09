import { systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import type { Connection } from '../../connections/connection.js';
import type { OAuthClient } from '../../connections/login-host.js';
import { clientCredentials } from '../../connections/oauth.js';
import { replaceTokens } from '../../connections/sign-out.js';
import { Connections, isTarget } from '../../connections/store.js';
import type { CommandContext } from '../command.js';
import { StandardInput } from '../terminal.js';
import { readClientSecret } from './secret-input.js';
import { signIn } from './sign-in.js';
import { loginToTarget } from './target.js';
import { testAndShow } from './test.js';

export async function login(context: CommandContext): Promise<void> {
  const connections = new Connections(context.state().path);
  const before = connections.find(context.argument(0));
  const input = new StandardInput();
  try {
    if (isTarget(before)) return await loginToTarget(context, connections, before, input);
    const connection = await loginTo(context, connections, before, input);
    const now = await testAndShow(context, connections, connection);
    if (before.account !== undefined && before.account.id !== now.account.id)
      process.stderr.write(
        `procorefs: this is another account than before (${before.account.name ?? before.account.id}): it may see other projects\n`,
      );
  } finally {
    input.close();
  }
}

async function loginTo(
  context: CommandContext,
  connections: Connections,
  before: Connection,
  input: StandardInput,
): Promise<Connection> {
  const { secrets } = connections;
  const own = await newSecret(context, connections, before, input);
  const standard = before.defaultClient ? secrets.defaultClient() : undefined;
  const clientSecret = standard?.clientSecret ?? own ?? secrets.clientSecret(before.id);
  if (!clientSecret) throw new Failure('secret-missing', { name: before.name });
  const client: OAuthClient = {
    loginUrl: before.loginUrl,
    clientId: standard?.clientId ?? before.clientId,
    clientSecret,
    name: before.name,
  };
  // A secret is stored only after it has worked.
  const granted = before.grant === 'authorization-code' ? await signIn(context, client, input) : undefined;
  if (!granted) await clientCredentials(client);
  if (own) secrets.setClientSecret(before.id, own);
  const connection =
    client.clientId === before.clientId ? before : connections.update(before.id, { clientId: client.clientId });
  if (granted) await replaceTokens(connection, client, secrets, granted, systemClock);
  return connection;
}

async function newSecret(
  context: CommandContext,
  { secrets }: Connections,
  connection: Connection,
  input: StandardInput,
): Promise<Secret | undefined> {
  const from = context.flag('clientSecretFile');
  if (connection.defaultClient) {
    if (from === undefined) return undefined;
    throw new Failure('usage', { what: `"${connection.name}" uses the default client, whose secret is configured` });
  }
  if (from !== undefined) return readClientSecret(from, input);
  return secrets.clientSecret(connection.id) || !process.stdin.isTTY ? undefined : readClientSecret('prompt', input);
}
