import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../../base/errors.js';
import type { Connection } from '../../connections/connection.js';
import { type Connections, isTarget } from '../../connections/store.js';
import type { TargetConnection } from '../../connections/target-connection.js';
import { mountOf } from '../../endpoints/folder/root.js';
import { checkPath } from '../../endpoints/paths.js';
import type { EndpointReference } from '../../jobs/definition/transfer-schema.js';
import type { Abilities } from '../../jobs/fitness.js';
import type { EndpointLocation } from '../../jobs/overlap.js';
import { isPlatform, platforms } from '../../names/platforms.js';
import type { ProjectSession } from '../../project/session.js';
import type { Source } from '../../project/source.js';

/** Platforms whose targets are folders of this machine. */
const FOLDERS = new Set(['fs', 'nfs']);

/** The type of procorefs mounts in the mount table. */
const OWN_MOUNTS = /^fuse(?:blk)?\.procorefs$/;

const PROCORE: Abilities = { title: 'Procore', keepsVersions: true, setsTimes: false, emptyFolders: true };

/** Support for times and empty folders depends on the server, and is known only once a target is open. */
const abilitiesOf = (platform: string): Abilities => ({
  title: platform === 'fs' ? 'a folder' : isPlatform(platform) ? platforms[platform].title : platform,
  keepsVersions: false,
  setsTimes: undefined,
  emptyFolders: undefined,
});

/** One end of a transfer: a project and a folder of it, or a target and a folder below it. */
export type End =
  | { readonly kind: 'project'; readonly connection: Connection; readonly source: Source }
  | { readonly kind: 'target'; readonly connection: TargetConnection; readonly path: string };

/** @throws Failure `no-such-connection`, `usage` for a missing project, `target-name-refused` for a path leading out */
export function endOf(connections: Connections, { connection: { id }, target }: EndpointReference): End {
  const connection = connections.find(id);
  const names = target.path.split('/').filter((name) => name !== '');
  if (isTarget(connection)) {
    const path = names.join('/');
    checkPath(path, connection.name);
    return { kind: 'target', connection, path };
  }
  const bound = connection.project;
  const [project, ...folder] = bound === undefined ? names : [String(bound), ...names];
  if (project === undefined)
    throw new Failure('usage', { what: `"${connection.name}:/" names no project: the first name of the path is one` });
  return { kind: 'project', connection, source: { connection: connection.id, project, folder: folder.join('/') } };
}

/** Whether one end of a transfer is this project, or a folder of it. */
export function concerns(
  connections: Connections,
  reference: EndpointReference,
  { connection, project }: Pick<ProjectSession, 'connection' | 'project'>,
): boolean {
  const end = endOf(connections, reference);
  if (end.kind !== 'project' || end.connection.id !== connection.id) return false;
  return end.source.project === String(project.id) || end.source.project === project.name;
}

/** The location of an endpoint. The same place has the same `tree` through any connection. Makes no API call. */
export async function locationOf(connections: Connections, reference: EndpointReference): Promise<EndpointLocation> {
  const end = endOf(connections, reference);
  if (end.kind === 'project') {
    const { connection, source } = end;
    const known = connection.projects?.find(({ id, name }) => String(id) === source.project || name === source.project);
    return {
      tree: `procore ${connection.apiUrl} ${known?.id ?? source.project}`,
      path: source.folder,
      abilities: PROCORE,
    };
  }
  const { platform, uri } = end.connection;
  const abilities = abilitiesOf(platform);
  if (!FOLDERS.has(platform)) return { tree: `${platform} ${uri}`, path: end.path, abilities };
  const full = await withoutLinks(join(uri, end.path));
  const mount = mountOf(full);
  return {
    tree: 'this machine',
    path: full.replace(/^\/+|\/+$/g, ''),
    abilities,
    ...(mount && OWN_MOUNTS.test(mount.type) ? { within: mount.mountpoint } : {}),
  };
}

/** The path without symbolic links; for a path that does not exist, its nearest existing folder is resolved. */
async function withoutLinks(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(await withoutLinks(above), basename(path));
  }
}
