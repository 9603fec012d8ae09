import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf, Failure } from '../base/errors.js';

/** @throws Failure `state-unwritable` */
export function makePrivateFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Failure('state-unwritable', { path }, error);
  }
}

/**
 * Replaces a file (0600) atomically: after a power failure it has the old content or the new one. The new content is on
 * the disk when this returns.
 * @throws Failure `state-unwritable`
 */
export function writePrivateFile(path: string, content: string): void {
  const folder = dirname(path);
  makePrivateFolder(folder);
  const temporary = join(folder, `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      // writeFileSync writes everything; a single write(2) may be short when space runs out.
      writeFileSync(fd, content);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    syncFolder(folder);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new Failure('state-unwritable', { path: folder }, error);
  }
}

/** @throws Failure `state-unwritable` */
export function removePrivateFile(path: string): void {
  try {
    rmSync(path, { force: true });
    syncFolder(dirname(path));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw new Failure('state-unwritable', { path: dirname(path) }, error);
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * The content, or undefined if the file does not exist.
 * @throws Failure `state-unsafe` when group or others may read it
 */
export function readPrivateFile(path: string): string | undefined {
  try {
    const mode = statSync(path).mode & 0o777;
    if ((mode & 0o077) !== 0) throw new Failure('state-unsafe', { path, mode: mode.toString(8).padStart(4, '0') });
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Names in a folder; none if it does not exist. @throws Failure `state-unwritable` if it belongs to another user */
export function listPrivateFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw new Failure('state-unwritable', { path }, error);
  }
}
