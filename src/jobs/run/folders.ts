import { parentOf } from '../../endpoints/paths.js';
import type { ActContext, Direction } from './context.js';

/** Folders that are remembered at most. */
const FOLDERS_KNOWN = 1000;

/** A folder by its paths at the two ends, from the roots of the transfer. */
export interface FolderPaths {
  readonly source: string;
  readonly destination: string;
}

export const parentsOf = ({ source, destination }: FolderPaths): FolderPaths => ({
  source: parentOf(source),
  destination: parentOf(destination),
});

/** Makes a folder where it is missing, and those above it: each private from the first moment where its model is. */
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
  // What is there and no folder says so when a folder is to be made.
  if (!(await endpoint.stat(path, signal))?.folder) {
    await ensureFolder(way, parentsOf(paths), context, signal);
    const model = endpoint.rules.keepsPrivacy ? await context[way.from].stat(paths[way.from], signal) : undefined;
    await endpoint.mkdir(path, signal, { private: model?.private === true || model?.ownerOnly === true });
  }
  if (folders.size >= FOLDERS_KNOWN) folders.clear();
  folders.add(key);
}
