import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Failure } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import type { Connections } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { mountOf } from '../../endpoints/folder/root.js';
import { signInWithRclone } from '../../endpoints/rclone/sign-in.js';
import { signsIn } from '../../endpoints/rclone/types.js';
import { defineTarget, hasToken, rulesJson, testTarget as testTargetItself } from '../../endpoints/setup.js';
import type { TargetRules, TargetTest } from '../../endpoints/target.js';
import type { CommandContext } from '../command.js';
import { bytes, columns } from '../format.js';
import type { StandardInput } from '../terminal.js';
import { readClientSecret } from './secret-input.js';

/** Time limit of the connection test in milliseconds; a slower test counts as failed. */
const TEST_LIMIT_MS = 120_000;

/** Adds a connection to a folder, share, server or cloud and tests it; removes it again if the test fails. */
export async function addTarget(
  context: CommandContext,
  connections: Connections,
  input: StandardInput,
): Promise<void> {
  const platform = context.flag('platform')!.toLowerCase();
  const uri = context.flag('uri') ?? (platform === 'fs' ? '.' : undefined);
  if (uri === undefined && !signsIn(platform)) throw new Failure('usage', { what: '--uri is missing: where it is' });
  const connection = defineTarget(connections, {
    name: context.args[0],
    platform,
    uri,
    username: context.flag('username'),
    options: pairs(context, 'option'),
    secrets: await secretOptions(context, input),
    password: await passwordFrom(context, input),
  });
  try {
    if (signsIn(platform) && !hasToken(connection)) await signIn(connections, connection);
    await testTargetConnection(context, connections, connection);
  } catch (error) {
    connections.remove(connection.id);
    throw error;
  }
}

/** Signs in again, or sets a new password; for a folder, records where it is mounted now. */
export async function loginToTarget(
  context: CommandContext,
  connections: Connections,
  before: TargetConnection,
  input: StandardInput,
): Promise<void> {
  const password = await passwordFrom(context, input);
  const mountpoint = before.mountpoint === undefined ? undefined : mountOf(before.uri)?.mountpoint;
  const connection = mountpoint === undefined ? before : connections.updateTarget(before, { mountpoint });
  const kept = connections.secrets.ownSecret(before.id);
  if (password) connections.secrets.setClientSecret(before.id, password);
  else if (signsIn(before.platform) && !hasToken(before)) await signIn(connections, before);
  try {
    await testTargetConnection(context, connections, connection);
  } catch (error) {
    // After a failed test, the previous password is restored.
    if (password && kept) connections.secrets.setClientSecret(before.id, kept);
    throw error;
  }
}

export async function testTargetConnection(
  context: CommandContext,
  connections: Connections,
  connection: TargetConnection,
): Promise<void> {
  const { seen, rules } = await testTargetItself(connections, connection, AbortSignal.timeout(TEST_LIMIT_MS));
  context.show({ connection: connection.name, platform: connection.platform, ...seen, rules: rulesJson(rules) }, () =>
    [`Connection test succeeded: "${connection.name}"`, describe(seen, rules)].join('\n'),
  );
}

function describe({ root, kind, writable, why, free, total }: TargetTest, rules: TargetRules): string {
  const room =
    free === undefined ? 'not told' : `${bytes(free)} free${total === undefined ? '' : ` of ${bytes(total)}`}`;
  const times = rules.setsTimes ? `kept, to ${rules.timeGrain} s` : 'those of storing';
  return columns([
    ['where', root],
    ['kind', kind],
    ['writable', writable ? 'yes' : `no${why === undefined ? '' : `: ${why}`}`],
    ['room', room],
    ['names', rules.caseInsensitive ? 'upper and lower case are one' : 'upper and lower case differ'],
    ['times', times],
    ['empty folders', rules.emptyFolders ? 'kept' : 'not kept'],
  ]);
}

/** `K=V` of a flag that may be repeated. @throws Failure `usage` */
function pairs(context: CommandContext, flag: string): Record<string, string> {
  const given = (context.flags[flag] ?? []) as readonly string[];
  return Object.fromEntries(
    given.map((pair) => {
      const match = /^([a-z][a-z0-9_]*)=(.*)$/s.exec(pair);
      if (!match) throw new Failure('usage', { what: `--${flag} "${pair}" is not KEY=VALUE` });
      return [match[1]!, match[2]!];
    }),
  );
}

async function secretOptions(context: CommandContext, input: StandardInput): Promise<Record<string, Secret>> {
  const secrets: Record<string, Secret> = {};
  for (const [name, file] of Object.entries(pairs(context, 'secretOption')))
    secrets[name] = await readClientSecret(file, input, name);
  return secrets;
}

async function passwordFrom(context: CommandContext, input: StandardInput): Promise<Secret | undefined> {
  const from = context.flag('passwordFile');
  return from === undefined ? undefined : readClientSecret(from, input, 'password');
}

async function signIn(connections: Connections, connection: TargetConnection): Promise<void> {
  if (!process.stdin.isTTY)
    throw new Failure('usage', { what: `"${connection.platform}" asks a person to sign in: run this at a terminal` });
  await signInWithRclone(connections, connection, async (program, words, env) => {
    const child = spawn(program, words, { stdio: 'inherit', env });
    const [code] = await once(child, 'exit');
    return code === 0;
  });
}
