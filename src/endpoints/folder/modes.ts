import { chmod, lstat, mkdir } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.js';
import { nameOf, parentOf } from '../paths.js';
import type { FolderRoot, OpenFolder } from './root.js';

/** Permissions of new items before the umask is applied. */
const NEW_FILE = 0o666;
/** Read, write and execute for all: higher bits (setuid, setgid) are never kept for new content. */
const PERMISSIONS = 0o777;
const OWNER = 0o700;
const OWNER_FILE = 0o600;

/** Only its owner may read it. */
export const isOwnerOnly = (mode: number): boolean => (mode & PERMISSIONS & ~OWNER) === 0;

/** Permissions of a file until its bytes are complete: a file that is or was private is so from its first byte. */
export const firstMode = (isPrivate: boolean, replaces: boolean): number =>
  isPrivate || replaces ? OWNER_FILE : NEW_FILE;

/** The permissions of a file when it gets its name. @param before those of the file that it replaces */
export function lastMode(isPrivate: boolean, before: number | undefined): number {
  if (before !== undefined) return before & (isPrivate ? OWNER : PERMISSIONS);
  return isPrivate ? OWNER_FILE : NEW_FILE & ~process.umask();
}

/** Creates a folder that nobody but its owner can open at any moment, whatever the umask. */
export async function makeOwnerFolder(place: string): Promise<void> {
  await mkdir(place, { mode: OWNER });
  await chmod(place, OWNER);
}

/**
 * Creates folders with the permissions of others: a user who may not read those may not read these. Existing folders
 * stay as they are.
 * @param place ends with as many names as `model` has; these folders are created one after the other
 */
export async function makeAllLike(root: FolderRoot, place: string, model: string): Promise<void> {
  if (model === '') return;
  await makeAllLike(root, parentOf(place), parentOf(model));
  const { mode } = await root.folder(model, ({ handle }) => handle.stat());
  await root.folder(parentOf(place), async ({ at }) => {
    try {
      await mkdir(at(nameOf(place)), { mode: OWNER });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      return;
    }
    await chmod(at(nameOf(place)), mode & PERMISSIONS);
  });
}

/** Removes all permissions of others from an item. A link is left unchanged. */
export async function protect(folder: OpenFolder, name: string): Promise<void> {
  const found = await lstat(folder.at(name));
  if (found.isDirectory() || found.isFile()) await chmod(folder.at(name), found.mode & OWNER);
}
