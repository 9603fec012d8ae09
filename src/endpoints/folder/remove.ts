import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.js';
import type { Emptying } from '../away.js';
import { FORMER_ASIDE, nameOf, PART_DAYS, PART_PREFIX, parentOf } from '../paths.js';
import type { FolderRoot, OpenFolder } from './root.js';

const DAY_MS = 86_400_000;

const isPart = (name: string): boolean => name.startsWith(PART_PREFIX) && !name.startsWith(FORMER_ASIDE);

/** How a folder below a root is emptied. */
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

/** Removes parts that nobody continued for long. */
export async function removeOldParts(folder: OpenFolder, parts: readonly string[]): Promise<void> {
  for (const name of parts.filter(isPart)) {
    try {
      // A part may bear the time of its content already: when it was touched last is its change time.
      const { ctimeMs } = await lstat(folder.at(name));
      if (ctimeMs < Date.now() - PART_DAYS * DAY_MS) await rm(folder.at(name), { recursive: true, force: true });
    } catch (error) {
      // Somebody else was faster, or may only read: the part is in nobody's way.
      if (!['ENOENT', 'EACCES', 'EPERM', 'EROFS'].includes(errnoOf(error) ?? '')) throw error;
    }
  }
}
