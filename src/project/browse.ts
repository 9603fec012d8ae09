import { setImmediate as nextTurn } from 'node:timers/promises';
import { Failure } from '../base/errors.js';
import { type Inode, ROOT_INODE } from '../base/ids.js';
import { PRIVATE } from '../mirror/database/flags.js';
import { NO_REMOTE } from '../outbox/intents/intent.js';
import type { LocalItem } from '../outbox/tree/tree.js';
import { stateOf } from '../vfs/xattrs.js';
import type { Project } from './project.js';

/** An item of a project with its local state. Times are Unix seconds. */
export interface BrowsedItem {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  readonly type: 'folder' | 'file';
  readonly bytes: number;
  readonly version: number | undefined;
  readonly modified_on: number;
  readonly state: string;
  readonly reason: string | undefined;
  readonly pinned: boolean;
  readonly private: boolean;
  readonly checkout_by: string | undefined;
  readonly created_by: string | undefined;
  readonly web_url: string | undefined;
}

export interface BrowsedFolder {
  readonly total: number;
  /** The folder has more items than are listed: it is too large to be sorted. */
  readonly cut: boolean;
  readonly rows: readonly BrowsedItem[];
}

export interface BrowsedVersion {
  readonly id: number;
  readonly number: number;
  readonly bytes: number;
  readonly created_on: number;
  readonly created_by: string | undefined;
}

/** Rows read at a time, on the thread that also serves the mount. */
const CHUNK_ROWS = 512;
const MOST_ROWS = 20_000;

/** A page of a folder's items, folders first, by name. 1 call if the folder was never listed, else none. */
export async function browseFolder(
  project: Project,
  path: string,
  page: {
    readonly conceals: boolean;
    readonly offset: number;
    readonly limit: number;
    readonly q: string | undefined;
  },
  signal: AbortSignal,
): Promise<BrowsedFolder> {
  const { tree } = project.outbox;
  const folder = await project.find(path, 'interactive', signal);
  if (page.conceals) requireShown(project, folder, path);
  if (folder.isFile) throw new Failure('not-a-folder', { path });
  if (folder.remoteId !== NO_REMOTE && !tree.view.isListed(folder.remoteId))
    await project.mirror.list(folder, 'interactive', signal);
  const wanted = page.q?.toLowerCase();
  const found: LocalItem[] = [];
  let cut = false;
  for (let after = 0; ; await nextTurn()) {
    const rows = tree.children(folder, after, CHUNK_ROWS);
    const isWanted = ({ name, flags }: LocalItem): boolean =>
      (wanted === undefined || name.toLowerCase().includes(wanted)) && !(page.conceals && (flags & PRIVATE) !== 0);
    found.push(...rows.filter(isWanted));
    after = rows.at(-1)?.inode ?? after;
    cut = found.length > MOST_ROWS;
    if (rows.length === 0 || cut) break;
  }
  found.sort((a, b) => Number(a.isFile) - Number(b.isFile) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return {
    total: found.length,
    cut,
    rows: found.slice(page.offset, page.offset + page.limit).map((item) => shown(project, path, item)),
  };
}

/** The versions of a file, newest first. 1 call if they are not known. */
export async function browseVersions(
  project: Project,
  path: string,
  conceals: boolean,
  signal: AbortSignal,
): Promise<BrowsedVersion[]> {
  const item = await project.find(path, 'interactive', signal);
  if (conceals) requireShown(project, item, path);
  if (!item.isFile || item.remoteId === NO_REMOTE) return [];
  const versions = await project.versions.list(item, signal);
  return versions
    .map(({ id, number, size, createdAt, createdBy }) => ({
      id,
      number,
      bytes: size,
      created_on: Math.floor(createdAt),
      created_by: createdBy,
    }))
    .sort((a, b) => b.number - a.number);
}

/** @throws Failure `no-such-item` for a private item */
function requireShown(project: Project, { inode }: LocalItem, path: string): void {
  if (isPrivate(project, inode)) throw new Failure('no-such-item', { path });
}

/** Whether an item or a folder above it is private. Includes items deleted here; an unknown item counts as private. */
export function isPrivate({ outbox: { tree, intents } }: Project, inode: Inode): boolean {
  for (let at = inode; at !== ROOT_INODE; ) {
    const item = tree.item(at);
    const parent = item?.parent ?? intents.get(at)?.here.parent;
    const flags = (item?.flags ?? 0) | (tree.view.item(at)?.flags ?? 0);
    if (parent === undefined || (flags & PRIVATE) !== 0) return true;
    at = parent;
  }
  return false;
}

function shown({ outbox, pins, session }: Project, folder: string, item: LocalItem): BrowsedItem {
  const people = outbox.tree.view.people(item.inode);
  return {
    id: item.inode,
    name: item.name,
    path: `${folder === '' ? '' : `/${folder}`}/${item.name}`,
    type: item.isFile ? 'file' : 'folder',
    bytes: item.size,
    version: item.isFile ? item.versionNumber : undefined,
    modified_on: Math.floor(item.localMtime ?? (item.isFile ? item.versionAt : item.updatedAt)),
    state: stateOf(item),
    reason: item.intent?.reason,
    pinned: pins.holder(item) !== undefined,
    private: (item.flags & PRIVATE) !== 0,
    checkout_by: people.checkedOutBy,
    created_by: people.createdBy,
    web_url: item.remoteId === NO_REMOTE ? undefined : session.webUrl(item),
  };
}
