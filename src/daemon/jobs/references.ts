import { isAbsolute, resolve } from 'node:path';
import { Failure } from '../../base/errors.js';
import { type Connections, isTarget } from '../../connections/store.js';
import { mountOf } from '../../endpoints/folder/root.js';
import type { EndpointReference } from '../../jobs/definition/transfer-schema.js';

/**
 * Parses an endpoint of a transfer as users write it: `CONNECTION:[PROJECT][/path]`, or the absolute path of a folder
 * of this machine, for which a connection is made if there is none yet.
 * @throws Failure `usage`, `no-such-connection`
 */
export function sideFrom(connections: Connections, text: string): EndpointReference {
  if (isAbsolute(text)) return { connection: { id: folderConnection(connections, text) }, target: { path: '/' } };
  const colon = text.indexOf(':');
  if (colon <= 0)
    throw new Failure('usage', {
      what: `"${text}" is neither CONNECTION:[PROJECT][/path] nor a folder's absolute path`,
    });
  const { id } = connections.find(text.slice(0, colon));
  return { connection: { id }, target: { path: `/${text.slice(colon + 1).replace(/^\/+/, '')}` } };
}

function folderConnection(connections: Connections, path: string): string {
  const uri = resolve(path);
  const known = connections.all().find((one) => isTarget(one) && one.platform === 'fs' && one.uri === uri);
  if (known) return known.id;
  const mount = mountOf(uri);
  const standard = `Folder ${uri.replace(/[/:\p{C}]+/gu, ' ').trim()}`.slice(0, 90).trim();
  const name = connections.all().some((one) => one.name === standard) ? undefined : standard;
  return connections.addTarget(
    {
      ...(name === undefined ? {} : { name }),
      platform: 'fs',
      uri,
      ...(mount ? { mountpoint: mount.mountpoint } : {}),
    },
    undefined,
    {},
  ).id;
}
