import { realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { errnoOf } from './errors.js';

/** The absolute path without symbolic links; missing last parts are kept as they are. @throws errors of realpath(3) */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || path === '/') throw error;
    return join(realPath(dirname(path)), basename(path));
  }
}

/** Whether a path is `top` or below it. Both must be absolute and without symbolic links. */
export function isWithin(path: string, top: string): boolean {
  const way = relative(top, path);
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way);
}
