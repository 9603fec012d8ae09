import { parentOf } from '../../endpoints/paths.js';
import type { ActContext, Direction } from './context.js';

/** Most folders kept in memory. */
const FOLDERS_KNOWN = 1000;

/** Paths of a folder at both endpoints, from the root of the transfer. */
export interface FolderPaths {
  readonly source: string;
  readonly destination: string;
}

export const parentsOf = ({ source, destination }: FolderPaths): FolderPaths => ({
  source: parentOf(source),
  destination: parentOf(destination),
});

/** Creates a missing folder and those above it. A folder is created private if its counterpart is. */
export async function ensureFolder(
  way: Direction,
  paths: FolderPaths,
  context: ActContext,
  signal: AbortSignal,
): Promise<void> {
  const path = paths[way.to];
  if (path === '') return;
  const { folders, [way.to]: endpoint } = context;
  const key = way.to === 'source' ? `/${path}` : path;
  if (folders.has(key)) return;
  // `mkdir` reports an existing item that is no folder.
  if (!(await endpoint.stat(path, signal))?.folder) {
    await ensureFolder(way, parentsOf(paths), context, signal);
    const model = endpoint.rules.keepsPrivacy ? await context[way.from].stat(paths[way.from], signal) : undefined;
    await endpoint.mkdir(path, signal, { private: model?.private === true || model?.ownerOnly === true });
  }
  if (folders.size >= FOLDERS_KNOWN) folders.clear();
  folders.add(key);
}
