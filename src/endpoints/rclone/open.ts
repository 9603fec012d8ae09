import { homedir } from 'node:os';
import { join } from 'node:path';
import { Failure, isFailure } from '../../base/errors.js';
import type { OpenOptions, TargetDefinition } from '../definition.js';
import { knownHostsFile } from '../known-hosts.js';
import { checkPath } from '../paths.js';
import { redactedUri } from '../redacted.js';
import { stagingFor, temporaryOf } from '../remote/local.js';
import { RemoteTarget } from '../remote/remote-target.js';
import { RcloneDaemon } from './daemon.js';
import { rcloneFailure } from './failures.js';
import type { FsInfo } from './rules.js';
import { RcloneStorage, rcPath } from './storage.js';
import { HOST_URI, REFUSED_TYPES, type StorageType, storageType } from './types.js';

/** The one remote of a daemon's configuration. */
export const REMOTE = 'target';

/** Opens a storage that rclone supports: every cloud, WebDAV, SFTP, … */
export async function openRclone(definition: TargetDefinition, options: OpenOptions): Promise<RemoteTarget> {
  const { platform } = definition;
  const refused = REFUSED_TYPES[platform];
  if (refused !== undefined)
    throw new Failure('usage', { what: `"${platform}" is no platform of a target: ${refused}` });
  const type = storageType(platform, Object.keys({ ...definition.options, ...options.secrets }));
  const { folder, parameters } = remoteOf(definition, options, type);
  const path = options.path ?? '';
  checkPath(path, redactedUri(definition.uri));
  const { signal } = options;
  const temporary = temporaryOf(options);
  const daemon = await RcloneDaemon.start(
    { configuration: options.rcloneConfiguration, temporary, storeTime: type.storeTime },
    signal,
  );
  try {
    const shown = `${platform}:${[folder, path].filter((part) => part !== '').join('/')}`;
    await configure(daemon, platform, type, parameters, options, shown);
    const top = new RcloneStorage(daemon, `${REMOTE}:${folder}`, shown, type, platform, {}, temporary);
    const below = rcPath(path, type);
    const root = [folder.replace(/\/$/, ''), below].filter((part) => part !== '').join('/');
    const info = await infoOf(daemon, `${REMOTE}:${root}`, shown, type, signal);
    const storage = new RcloneStorage(daemon, `${REMOTE}:${root}`, shown, type, platform, info, temporary);
    if (path !== '' && storage.rules.emptyFolders) await makeRoot(top, storage, path, options);
    return new RemoteTarget(storage, stagingFor(definition, options));
  } catch (error) {
    await daemon.close();
    throw error;
  }
}

async function makeRoot(top: RcloneStorage, storage: RcloneStorage, path: string, { create, signal }: OpenOptions) {
  try {
    await storage.entries('', signal);
  } catch (error) {
    if (!create || !isFailure(error, 'target-missing')) throw error;
    // The connection's own folder must exist; folders below it may be created.
    await top.entries('', signal);
    const names = path.split('/');
    for (let n = 1; n <= names.length; n++) await top.makeFolder(names.slice(0, n).join('/'), signal);
  }
}

async function configure(
  daemon: RcloneDaemon,
  platform: string,
  type: StorageType,
  parameters: Record<string, string>,
  options: OpenOptions,
  shown: string,
): Promise<void> {
  const { signal } = options;
  const listed = await daemon.call('config/listremotes', {}, signal);
  const exists = ((listed.body.remotes ?? []) as string[]).includes(REMOTE);
  const { status, body } = await daemon.call(
    exists ? 'config/update' : 'config/create',
    {
      name: REMOTE,
      ...(exists ? {} : { type: type.type ?? platform }),
      parameters,
      opt: { nonInteractive: true, obscure: true },
    },
    signal,
  );
  if (status !== 200) throw rcloneFailure(String(body.error), shown, '', type);
}

async function infoOf(
  daemon: RcloneDaemon,
  fs: string,
  shown: string,
  type: StorageType,
  signal: AbortSignal,
): Promise<FsInfo> {
  const { status, body } = await daemon.call('operations/fsinfo', { fs }, signal);
  if (status !== 200) throw rcloneFailure(String(body.error), shown, '', type);
  return body as FsInfo;
}

interface Remote {
  readonly folder: string;
  readonly parameters: Record<string, string>;
}

/** rclone's configuration: parameters of the storage, and the folder in it. @throws Failure `usage` */
export function remoteOf(
  definition: TargetDefinition,
  options: Pick<OpenOptions, 'password' | 'secrets'>,
  type: StorageType,
): Remote {
  const { folder, parameters } = remoteFrom(definition, options, type);
  const lines = Object.entries(parameters).map(([name, value]) => [name, inOneLine(name, value)]);
  return { folder, parameters: Object.fromEntries(lines) as Record<string, string> };
}

/**
 * rclone stores its parameters as lines of a file: a line break in a value would start another parameter, for example a
 * program to run or another storage. Keys, which contain line breaks, are written in the form that rclone accepts.
 */
function inOneLine(name: string, value: string): string {
  if (!/[\r\n]/.test(value)) return value;
  if (name === 'key_pem') return value.trim().replace(/\r?\n/g, '\\n').replace(/\r/g, '');
  try {
    return JSON.stringify(JSON.parse(value));
  } catch {
    throw new Failure('usage', { what: `${name} has a line break in it` });
  }
}

function remoteFrom(
  { uri, username, options: given = {} }: TargetDefinition,
  { password, secrets = {} }: Pick<OpenOptions, 'password' | 'secrets'>,
  type: StorageType,
): Remote {
  const [main] = Object.keys(type.preset ?? {});
  const isPreset = main === undefined || given[main] === undefined;
  const parameters: Record<string, string> = { ...(isPreset ? type.preset : {}), ...given };
  for (const [name, secret] of Object.entries(secrets)) parameters[name] = secret.reveal();
  if (username !== undefined && type.username) parameters[type.username] = username;
  if (password && type.password) parameters[type.password] = password.reveal();
  if (type.uri === 'path') return { folder: uri.replace(/^\/+|\/+$/g, ''), parameters };
  if (type.uri === 'address') {
    if (!/^https?:\/\/[^/]+/.test(uri))
      throw new Failure('usage', { what: `"${redactedUri(uri)}" is no http or https address` });
    return { folder: '', parameters: { ...parameters, [type.address!]: uri } };
  }
  const match = HOST_URI.exec(uri);
  if (!match) throw new Failure('usage', { what: `"${redactedUri(uri)}" is not HOST:FOLDER` });
  const [, user, host, port, absolute, relative] = match;
  return {
    folder: (absolute ?? relative ?? '').replace(/(?!^)\/+$/, ''),
    parameters: {
      ...parameters,
      host: host!,
      ...(user === undefined || type.username === undefined ? {} : { [type.username]: user }),
      ...(port === undefined ? {} : { port }),
      ...(type.platform === 'sftp' ? hostKeys(given) : {}),
    },
  };
}

/**
 * rclone accepts any server key unless a file of known hosts is given. `none`: the administrator chose to accept any
 * key. @throws Failure `host-unchecked`
 */
const hostKeys = ({ known_hosts_file: given }: Readonly<Record<string, string>>): Record<string, string> => ({
  known_hosts_file: given === 'none' ? '' : knownHostsFile(given ?? join(homedir(), '.ssh', 'known_hosts')),
});
