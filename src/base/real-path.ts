import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { errnoOf } from './errors.js';

/** An absolute path without links; of what is not there yet: that of the folder above, with the rest. Throws errors of realpath(3). */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || path === '/') throw error;
    return join(realPath(dirname(path)), basename(path));
  }
}

/** Whether a path is `top` or below it; both absolute, and without links. */
export function isWithin(path: string, top: string): boolean {
  const way = relative(top, path);
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way);
}
