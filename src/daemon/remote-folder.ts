import { setImmediate as nextTurn } from 'node:timers/promises';
import { Failure } from '../base/errors.js';
import { asRemoteId, type ProjectId, type RemoteId, ROOT_INODE } from '../base/ids.js';
import type { Connection } from '../connections/connection.js';
import { HIDDEN, PRIVATE } from '../mirror/database/flags.js';
import type { Item, View } from '../mirror/database/view.js';
import { type Project, projectKey } from '../project/project.js';
import type { Projects } from '../project/projects.js';
import type { StateFolder } from '../project/state-folder.js';
import type { ListedFolder, RemoteRow, WantedFolder } from '../server/parts.js';
import type { Privacy } from '../vfs/privacy.js';
import { askDaemon, isAbsent } from './control.js';

/** Rows per query, which blocks the thread that also serves mounts. */
const CHUNK_ROWS = 512;
const PRIVACIES: readonly Privacy[] = ['show', 'owner', 'hide'];

/** The setting that shows least; `standard` if there are none. */
export const strictest = (all: readonly Privacy[], standard: Privacy): Privacy =>
  all.length === 0 ? standard : all.reduce((a, b) => (PRIVACIES.indexOf(b) > PRIVACIES.indexOf(a) ? b : a));

/** Whether private items are concealed from the caller. */
export const concealsPrivate = (privacy: Privacy, isReader: boolean): boolean =>
  privacy === 'hide' || (privacy === 'owner' && isReader);

/** Seconds since the last poll after which a mirror is too old to replace an API call. */
const FRESH_S = 300;

/**
 * A folder of a project, from the mirror of this process or of the daemon that owns the project: no API call.
 * Undefined if no process has a mirror, or it does not contain the folder yet. @throws Failure as `remoteFolder`
 */
export async function mirroredFolder(
  { state, projects, privacy }: { readonly state: StateFolder; readonly projects: Projects; readonly privacy: Privacy },
  connection: Connection,
  project: ProjectId,
  wanted: WantedFolder,
  isReader: boolean,
  signal: AbortSignal,
): Promise<ListedFolder | undefined> {
  const key = projectKey({ connection, project: { id: project } });
  const own = projects.known(key);
  if (own) return remoteFolder(own, wanted, concealsPrivate(privacy, isReader));
  try {
    const found = await askDaemon<ListedFolder | null>(
      state.socket(key),
      'folder',
      { ...wanted, isReader, privacy },
      signal,
    );
    return found ?? undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * A folder as it is at the server, from the mirror: no API call. Undefined if the mirror is too old, or has not listed
 * every folder on the path.
 * @throws Failure `no-such-item`, `not-a-folder`
 */
export async function remoteFolder(
  { mirror: { view, sincePoll } }: Project,
  { folder, path, offset, limit, q }: WantedFolder,
  conceals: boolean,
): Promise<ListedFolder | undefined> {
  if (sincePoll === undefined || sincePoll > FRESH_S) return undefined;
  const isShown = ({ flags }: Item): boolean => (flags & HIDDEN) === 0 && !(conceals && (flags & PRIVATE) !== 0);
  const missing = (): Failure => new Failure('no-such-item', { path: path.join('/') });
  let at = folder === undefined ? view.item(ROOT_INODE) : view.byRemoteId(asRemoteId(folder));
  if (!at) return undefined;
  for (let above: Item | undefined = at; above && above.inode !== ROOT_INODE; above = view.parent(above))
    if (!isShown(above)) throw missing();
  for (const name of path) {
    const found: Item | undefined = await childNamed(view, at, (one) => one.remoteName === name && isShown(one));
    if (!found && !view.isListed(at.remoteId)) return undefined;
    if (!found) throw missing();
    at = found;
  }
  if (at.isFile) throw new Failure('not-a-folder', { path: path.join('/') });
  if (!view.isListed(at.remoteId)) return undefined;
  const wanted = q?.toLowerCase();
  const rows: Item[] = [];
  for await (const one of childrenOf(view, at.remoteId))
    if (isShown(one) && (wanted === undefined || one.remoteName.toLowerCase().includes(wanted))) rows.push(one);
  rows.sort((a, b) => Number(a.isFile) - Number(b.isFile) || (a.remoteName < b.remoteName ? -1 : 1));
  return { total: rows.length, rows: rows.slice(offset, offset + limit).map((item) => rowOf(view, item)) };
}

async function* childrenOf(view: View, folder: RemoteId): AsyncGenerator<Item> {
  for (let after = 0; ; await nextTurn()) {
    const rows = view.children(folder, after, CHUNK_ROWS);
    yield* rows;
    if (rows.length < CHUNK_ROWS) return;
    after = rows.at(-1)!.inode;
  }
}

async function childNamed(view: View, folder: Item, isIt: (one: Item) => boolean): Promise<Item | undefined> {
  for await (const one of childrenOf(view, folder.remoteId)) if (isIt(one)) return one;
  return undefined;
}

function rowOf(view: View, item: Item): RemoteRow {
  const { checkedOutBy, createdBy } = view.people(item.inode);
  return {
    id: item.remoteId,
    parent: view.parent(item)?.remoteId ?? null,
    name: item.remoteName,
    folder: !item.isFile,
    ...(item.isFile
      ? { version: { id: item.versionId, number: item.versionNumber, size: item.size, at: item.versionAt } }
      : {}),
    createdAt: item.createdAt,
    updatedAt: item.updatedAt,
    createdBy,
    checkedOutBy,
  };
}
