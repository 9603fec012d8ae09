import { Failure, isFailure } from '../../base/errors.js';
import type { OpenOptions, TargetDefinition } from '../definition.js';
import { knownHostsFile } from '../known-hosts.js';
import { checkPath } from '../paths.js';
import { redactedUri } from '../redacted.js';
import { stagingFor, temporaryOf } from '../remote/local.js';
import { RemoteTarget } from '../remote/remote-target.js';
import { type SshAddress, SshHost } from './host.js';
import { RsyncStorage } from './storage.js';
import { SSH_URI } from './uri.js';

/**
 * A folder of a server, by rsync over ssh. URI: `[user@]host:/folder`. Options: `port`, `key_file`, `known_hosts_file`;
 * defaults are those of ssh_config(5). Passwords are not supported: ssh uses keys.
 */
export async function openRsync(definition: TargetDefinition, options: OpenOptions): Promise<RemoteTarget> {
  const { uri, username, options: given = {} } = definition;
  const match = SSH_URI.exec(uri);
  if (!match) throw new Failure('usage', { what: `"${redactedUri(uri)}" is not [USER@]HOST:FOLDER` });
  // A password in the URI would be on ssh's command line.
  if (options.password || /^[^@:/]*:[^/]*@[^@/]*:/.test(uri))
    throw new Failure('usage', { what: 'rsync takes no password: use a key, --option key_file=FILE' });
  const path = options.path ?? '';
  checkPath(path, redactedUri(uri));
  const user = username ?? match[1];
  // rsync takes the text before the first colon as the host, and with a slash before the colon the whole as a local
  // path.
  if (user !== undefined && /^-|[:/\s]/.test(user)) throw new Failure('usage', { what: `"${user}" is no user name` });
  const top = match[3]!.replace(/(?!^)\/+$/, '');
  const temporary = temporaryOf(options);
  const address: SshAddress = {
    login: user === undefined ? match[2]! : `${user}@${match[2]}`,
    port: given.port,
    folder: path === '' ? top : `${top === '/' ? '' : top}/${path}`,
    keyFile: given.key_file,
    knownHosts: given.known_hosts_file === undefined ? undefined : knownHostsFile(given.known_hosts_file),
  };
  const host = await SshHost.open(address, temporary);
  const storage = new RsyncStorage(host, temporary);
  try {
    await openRoot(storage, host, path, options);
    return new RemoteTarget(storage, stagingFor(definition, options));
  } catch (error) {
    await storage.close();
    throw error;
  }
}

async function openRoot(storage: RsyncStorage, host: SshHost, path: string, { create, signal }: OpenOptions) {
  try {
    await storage.entries('', signal);
  } catch (error) {
    if (!create || path === '' || !isFailure(error, 'target-missing')) throw error;
    await host.make(path, signal);
    await storage.entries('', signal);
  }
}
