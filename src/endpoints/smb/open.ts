import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../base/errors.js';
import type { OpenOptions, TargetDefinition } from '../definition.js';
import { checkPath } from '../paths.js';
import { redactedUri } from '../redacted.js';
import { stagingFor, temporaryOf } from '../remote/local.js';
import { RemoteTarget } from '../remote/remote-target.js';
import { SmbStorage } from './storage.js';

const PROTECTIONS = ['encrypt', 'sign', 'plain'];

/**
 * A share of a Windows or Samba server. URI: `//server[:port]/share[/folder]`, with backslashes, or `smb://…`. Options:
 * `domain`, `protection` (encrypt, the default; sign, plain).
 */
export async function openSmb(definition: TargetDefinition, options: OpenOptions): Promise<RemoteTarget> {
  const { username, options: given = {} } = definition;
  const uri = definition.uri.replaceAll('\\', '/').replace(/^smb:/i, '');
  const match = /^\/\/([^/:"\s]+)(?::(\d+))?\/([^/"\s]+)(?:\/(.*?))?\/*$/.exec(uri);
  if (!match) throw new Failure('usage', { what: `"${redactedUri(definition.uri)}" is not //SERVER/SHARE/FOLDER` });
  const [, server, port, share, folder = ''] = match;
  const protection = given.protection ?? 'encrypt';
  if (!PROTECTIONS.includes(protection))
    throw new Failure('usage', { what: `protection is one of ${PROTECTIONS.join(', ')}, not "${protection}"` });
  const path = options.path ?? '';
  checkPath(path, redactedUri(uri));
  checkPath(folder, redactedUri(uri));
  const secret = await temporaryOf(options)('smb');
  const cleanUp = (): Promise<void> => rm(secret, { recursive: true, force: true });
  try {
    const words = [`//${server}/${share}`, '-m', 'SMB3', `--client-protection=${protection}`, '-t', '20'];
    if (port !== undefined) words.push('-p', port);
    if (username === undefined) words.push('-N');
    else {
      // All users can see a command line, so the password is not in it.
      const file = join(secret, 'account');
      await writeFile(file, accountFile(username, options.password?.reveal() ?? '', given.domain), { mode: 0o600 });
      words.push('-A', file);
    }
    const base = [folder, path].filter((part) => part !== '').join('/');
    const top = new SmbStorage(`//${server}/${share}/${folder}`, words, folder, cleanUp);
    const storage = new SmbStorage(`//${server}/${share}${base === '' ? '' : `/${base}`}`, words, base, cleanUp);
    try {
      if (path !== '') await makeRoot(top, path, options);
      // Reports a wrong password or share immediately.
      await storage.entries('', options.signal);
    } catch (error) {
      await storage.close();
      throw error;
    } finally {
      if (path !== '') await top.leave();
    }
    return new RemoteTarget(storage, stagingFor(definition, options));
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

async function makeRoot(top: SmbStorage, path: string, { create, signal }: OpenOptions): Promise<void> {
  await top.entries('', signal);
  const names = path.split('/');
  for (let n = 1; n <= names.length; n++) {
    const folder = names.slice(0, n).join('/');
    const found = await top.look(folder, signal);
    if (found?.folder) continue;
    if (found || !create)
      throw new Failure(found ? 'target-exists' : 'target-missing', { target: top.root, path: folder });
    await top.makeFolder(folder, signal);
  }
}

function accountFile(username: string, password: string, domain: string | undefined): string {
  const [, prefix, name] = /^(?:([^\\]+)\\)?(.+)$/s.exec(username) ?? [];
  const fields = { username: name ?? username, password, domain: prefix ?? domain };
  for (const value of Object.values(fields))
    if (value !== undefined && /[\r\n]/.test(value))
      throw new Failure('usage', { what: 'a user name or password with a line break' });
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('');
}
