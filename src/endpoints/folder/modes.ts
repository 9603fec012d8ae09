import { chmod, lstat, mkdir } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.js';
import { nameOf, parentOf } from '../paths.js';
import type { FolderRoot, OpenFolder } from './root.js';

/** Permissions of new items before the umask takes its bits from them. */
const NEW_FILE = 0o666;
/** Read, write and execute for all: a bit beyond (setuid, setgid) never survives new content. */
const PERMISSIONS = 0o777;
const OWNER = 0o700;
const OWNER_FILE = 0o600;

/** Nobody but its owner may read it. */
export const isOwnerOnly = (mode: number): boolean => (mode & PERMISSIONS & ~OWNER) === 0;

/** With what permissions a file begins, until its bytes are complete: what is or was private is so from its first byte. */
export const firstMode = (isPrivate: boolean, replaces: boolean): number =>
  isPrivate || replaces ? OWNER_FILE : NEW_FILE;

/** The permissions that a file gets with its name. @param before those of the file that it replaces */
export function lastMode(isPrivate: boolean, before: number | undefined): number {
  if (before !== undefined) return before & (isPrivate ? OWNER : PERMISSIONS);
  return isPrivate ? OWNER_FILE : NEW_FILE & ~process.umask();
}

/** A folder that nobody else can open, at no moment and whatever the umask says. */
export async function makeOwnerFolder(place: string): Promise<void> {
  await mkdir(place, { mode: OWNER });
  await chmod(place, OWNER);
}

/**
 * Makes folders with the permissions of others: who may not look into those may not look into these. What is there stays as
 * it is.
 * @param place ends with as many names as `model` has, which are made one after the other
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

/** Takes from an item what others may do with it. A link is left alone. */
export async function protect(folder: OpenFolder, name: string): Promise<void> {
  const found = await lstat(folder.at(name));
  if (found.isDirectory() || found.isFile()) await chmod(folder.at(name), found.mode & OWNER);
}
