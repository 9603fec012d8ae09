import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.js';
import type { Emptying } from '../away.js';
import { FORMER_DETACHED_PREFIX, nameOf, PART_DAYS, PART_PREFIX, parentOf } from '../paths.js';
import type { FolderRoot, OpenFolder } from './root.js';

const DAY_MS = 86_400_000;

const isPart = (name: string): boolean => name.startsWith(PART_PREFIX) && !name.startsWith(FORMER_DETACHED_PREFIX);

/** The operations to empty a folder below a root. */
export const emptyingIn = (root: FolderRoot, list: Emptying['list']): Emptying => ({
  list,
  removeFile: (path) => root.folder(parentOf(path), ({ at }) => rm(at(nameOf(path)), { force: true })),
  removeFolder: async (path) => {
    await root.folder(path, async ({ at }) => {
      const own = (await readdir(at('.'))).filter(isPart);
      for (const name of own) await rm(at(name), { recursive: true, force: true });
    });
    await root.folder(parentOf(path), ({ at }) => rmdir(at(nameOf(path))));
  },
});

/** Removes parts that were not continued for long. */
export async function removeOldParts(folder: OpenFolder, parts: readonly string[]): Promise<void> {
  for (const name of parts.filter(isPart)) {
    try {
      // A part may already have the time of its content as its mtime: its last change is its ctime.
      const { ctimeMs } = await lstat(folder.at(name));
      if (ctimeMs < Date.now() - PART_DAYS * DAY_MS) await rm(folder.at(name), { recursive: true, force: true });
    } catch (error) {
      // Another process removed the part, or this one may only read: the part does no harm.
      if (!['ENOENT', 'EACCES', 'EPERM', 'EROFS'].includes(errnoOf(error) ?? '')) throw error;
    }
  }
}
