import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { Failure } from '../../base/errors.js';
import type { Secret } from '../../base/secret.js';
import type { Connections } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { openConnection } from '../../targets/connection.js';
import { mountOf } from '../../targets/folder/root.js';
import { signInWithRclone } from '../../targets/rclone/sign-in.js';
import { signsIn } from '../../targets/rclone/types.js';
import type { TargetRules, TargetTest } from '../../targets/target.js';
import type { CommandContext } from '../command.js';
import { bytes, columns } from '../format.js';
import type { StandardInput } from '../terminal.js';
import { readClientSecret } from './secret-input.js';

/** A test that takes longer than this has failed, in milliseconds. */
const TEST_LIMIT = 120_000;

/** Adds a folder, share, server or cloud, and tests it: what was never seen to work is not kept. */
export async function addTarget(
  context: CommandContext,
  connections: Connections,
  input: StandardInput,
): Promise<void> {
  const platform = context.flag('platform')!.toLowerCase();
  const name = connections.free(context.args[0], platform);
  if (!/^[a-z0-9][a-z0-9-]*$/.test(platform)) throw new Failure('usage', { what: `"${platform}" is no platform` });
  const given = context.flag('uri');
  if (given === undefined && !signsIn(platform)) throw new Failure('usage', { what: '--uri is missing: where it is' });
  const uri = platform === 'fs' ? resolve(given ?? '.') : (given ?? '');
  const username = context.flag('username');
  const options = pairs(context, 'option');
  const secrets = await secretOptions(context, input);
  const password = await passwordFrom(context, input);
  const isFolder = (platform === 'fs' || platform === 'nfs') && uri.startsWith('/') && !uri.startsWith('//');
  const mountpoint = isFolder ? mountOf(uri)?.mountpoint : undefined;
  if (platform === 'nfs' && mountpoint === '/')
    throw new Failure('usage', { what: `no share is mounted at ${uri}: mount it first, or use --platform fs` });
  const connection = connections.addTarget(
    {
      name,
      platform,
      uri,
      ...(username === undefined ? {} : { username }),
      ...(Object.keys(options).length === 0 ? {} : { options }),
      ...(mountpoint === undefined ? {} : { mountpoint }),
    },
    password,
    secrets,
  );
  try {
    if (signsIn(platform) && !hasToken(connection)) await signIn(connections, connection);
    await testTarget(context, connections, connection);
  } catch (error) {
    connections.remove(connection.id);
    throw error;
  }
}

/** Signs in again, or takes a new password; for a folder, where it is mounted now. */
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
    await testTarget(context, connections, connection);
  } catch (error) {
    // A password is kept once it has been seen to work.
    if (password && kept) connections.secrets.setClientSecret(before.id, kept);
    throw error;
  }
}

export async function testTarget(
  context: CommandContext,
  connections: Connections,
  connection: TargetConnection,
): Promise<void> {
  const signal = AbortSignal.timeout(TEST_LIMIT);
  const target = await openConnection(connections, connection, { mayWrite: true, signal });
  try {
    const { rules } = target;
    const seen = await target.test(signal);
    context.show({ connection: connection.name, platform: connection.platform, ...seen, rules: rulesJson(rules) }, () =>
      [`Connection test succeeded: "${connection.name}"`, describe(seen, rules)].join('\n'),
    );
  } finally {
    await target.close();
  }
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

const rulesJson = ({ names, ...rules }: TargetRules) => ({
  ...rules,
  characters: names.characters,
  nameLength: names.nameLength,
  pathLength: names.pathLength,
});

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

/** A token or a service account's key among the options needs nobody at a browser. */
const hasToken = ({ secretOptions = [], options = {} }: TargetConnection): boolean =>
  [...secretOptions, ...Object.keys(options)].some((name) =>
    ['token', 'service_account_credentials', 'service_account_file', 'access_token', 'env_auth'].includes(name),
  );

async function signIn(connections: Connections, connection: TargetConnection): Promise<void> {
  if (!process.stdin.isTTY)
    throw new Failure('usage', { what: `"${connection.platform}" asks a person to sign in: run this at a terminal` });
  await signInWithRclone(connections, connection, async (program, words, env) => {
    const child = spawn(program, words, { stdio: 'inherit', env });
    const [code] = await once(child, 'exit');
    return code === 0;
  });
}
