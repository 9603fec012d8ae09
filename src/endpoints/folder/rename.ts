import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { link, lstat, rename, unlink } from 'node:fs/promises';
import { getSystemErrorName } from 'node:util';
import koffi, { type KoffiFunc } from 'koffi';
import { errnoOf } from '../../base/errors.js';

type RenameAt = (from: number, a: string, to: number, b: string, flags: number) => number;

let renameAt: KoffiFunc<RenameAt> | undefined;

const AT_FDCWD = -100;
const [NO_REPLACE, EXCHANGE] = [1, 2];
/** Errors of renameat2(2) where a kernel or a file system does not support the flag. */
const NO_SUCH_RENAME = new Set(['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);
/** Errors of link(2) where a file system has no hard links, or this user may not create any. */
const NO_LINKS = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'EACCES']);

/**
 * Renames an item to a free name: atomically where the file system can; else after a check, and then the item that has
 * the old name at that moment is the one renamed.
 * @throws Error EEXIST: the new name is taken
 */
export async function renameNoReplace(from: string, to: string): Promise<void> {
  if (await renamed(from, to, NO_REPLACE)) return;
  if (await isThere(to)) throw taken(to);
  await rename(from, to);
}

/**
 * Gives a free name to a file that only this process knows. link(2) never replaces a file. On a network file system,
 * where the first name could remain if the server fails in between, it is a check and a rename.
 * @throws Error EEXIST: the name is taken
 */
export async function nameFile(from: string, to: string, remote: boolean): Promise<void> {
  if (remote) return renameNoReplace(from, to);
  if (await renamed(from, to, NO_REPLACE)) return;
  try {
    await link(from, to);
  } catch (error) {
    if (!NO_LINKS.has(errnoOf(error) ?? '')) throw error;
    if (await isThere(to)) throw taken(to);
    return rename(from, to);
  }
  await unlink(from);
}

/** As `nameFile` for a local disk, synchronously. */
export function nameFileNow(from: string, to: string): void {
  if (renamedNow(from, to, NO_REPLACE)) return;
  try {
    linkSync(from, to);
  } catch (error) {
    if (!NO_LINKS.has(errnoOf(error) ?? '')) throw error;
    if (lstatSync(to, { throwIfNoEntry: false })) throw taken(to);
    renameSync(from, to);
    return;
  }
  unlinkSync(from);
}

/** Exchanges the items of two names atomically. @returns false: the file system does not support it */
export const exchangeNames = (a: string, b: string): Promise<boolean> => renamed(a, b, EXCHANGE);

async function renamed(from: string, to: string, flags: number): Promise<boolean> {
  const call = renameCall();
  const [result, errno] = await new Promise<[number, number]>((resolve, reject) => {
    call.async(AT_FDCWD, from, AT_FDCWD, to, flags, (error: unknown, value: number) =>
      error ? reject(error as Error) : resolve([value, koffi.errno()]),
    );
  });
  return outcomeOf(result, errno, from, to);
}

const renamedNow = (from: string, to: string, flags: number): boolean =>
  outcomeOf(renameCall()(AT_FDCWD, from, AT_FDCWD, to, flags), koffi.errno(), from, to);

function outcomeOf(result: number, errno: number, from: string, to: string): boolean {
  if (result === 0) return true;
  const code = getSystemErrorName(-errno);
  if (NO_SUCH_RENAME.has(code)) return false;
  throw Object.assign(new Error(`${code}: rename '${from}' -> '${to}'`), { code });
}

function renameCall(): KoffiFunc<RenameAt> {
  renameAt ??= koffi
    .load('libc.so.6')
    .func('int renameat2(int, const char *, int, const char *, unsigned int)') as KoffiFunc<RenameAt>;
  return renameAt;
}

const taken = (place: string): Error => Object.assign(new Error(`EEXIST: '${place}'`), { code: 'EEXIST' });

async function isThere(place: string): Promise<boolean> {
  try {
    await lstat(place);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
