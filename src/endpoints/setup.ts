import { resolve } from 'node:path';
import { Failure } from '../base/errors.js';
import type { Secret } from '../base/secret.js';
import type { Connections } from '../connections/store.js';
import type { TargetConnection } from '../connections/target-connection.js';
import { openConnection } from './connection.js';
import { mountOf } from './folder/root.js';
import { knownHostsFile } from './known-hosts.js';
import { signsIn } from './rclone/types.js';
import type { TargetRules, TargetTest } from './target.js';

/** The fields of a new target, as a person enters them. */
export interface TargetWords {
  readonly name: string | undefined;
  readonly platform: string;
  readonly uri: string | undefined;
  readonly username: string | undefined;
  readonly options: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, Secret>>;
  readonly password: Secret | undefined;
  /** For a folder: the folder that no link may lead out of. */
  readonly within?: string | undefined;
}

/** Stores a target without a test. @throws Failure `usage`, as `Connections.addTarget` */
export function defineTarget(connections: Connections, words: TargetWords): TargetConnection {
  const { platform, username, options, secrets, password, within } = words;
  const name = connections.free(words.name, platform);
  if (!/^[a-z0-9][a-z0-9-]*$/.test(platform)) throw new Failure('usage', { what: `"${platform}" is no platform` });
  if (words.uri === undefined && !signsIn(platform))
    throw new Failure('usage', { what: `where it is is missing: the uri of "${platform}"` });
  if (platform === 'sftp' || platform === 'rsync') refuseAnyKey(options);
  const uri = platform === 'fs' ? resolve(words.uri ?? '.') : (words.uri ?? '');
  const isFolder = (platform === 'fs' || platform === 'nfs') && uri.startsWith('/') && !uri.startsWith('//');
  const mountpoint = isFolder ? mountOf(uri)?.mountpoint : undefined;
  if (platform === 'nfs' && mountpoint === '/')
    throw new Failure('usage', { what: `no share is mounted at ${uri}: mount it first, or use the platform fs` });
  return connections.addTarget(
    {
      name,
      platform,
      uri,
      ...(username === undefined ? {} : { username }),
      ...(Object.keys(options).length === 0 ? {} : { options }),
      ...(mountpoint === undefined ? {} : { mountpoint }),
      ...(within === undefined ? {} : { within }),
    },
    password,
    secrets,
  );
}

function refuseAnyKey({ known_hosts_file: file }: TargetWords['options']): void {
  if (file !== undefined) knownHostsFile(file);
}

/** With a token or a service account's key among the options no browser sign-in is needed. */
export const hasToken = ({ secretOptions = [], options = {} }: TargetConnection): boolean =>
  [...secretOptions, ...Object.keys(options)].some((name) =>
    ['token', 'service_account_credentials', 'service_account_file', 'access_token', 'env_auth'].includes(name),
  );

/** Checks that a target is reachable and writable; leaves nothing behind. @throws Failure as `openTarget` does */
export async function testTarget(
  connections: Connections,
  connection: TargetConnection,
  signal: AbortSignal,
): Promise<{ readonly seen: TargetTest; readonly rules: TargetRules }> {
  const target = await openConnection(connections, connection, { mayWrite: true, signal });
  try {
    return { rules: target.rules, seen: await target.test(signal) };
  } finally {
    await target.close();
  }
}

/** Rules in their JSON form. */
export const rulesJson = ({ names, ...rules }: TargetRules) => ({
  ...rules,
  characters: names.characters,
  nameLength: names.nameLength,
  pathLength: names.pathLength,
});

export { redactedUri } from './redacted.js';
