import { lstatSync, type Stats } from 'node:fs';
import { constants, type FileHandle, lstat, open, rename, unlink } from 'node:fs/promises';
import { errnoOf, Failure } from '../../base/errors.js';
import { damagedAt, Inspection, inspected, writeAll } from '../content.js';
import { isAsExpected, nameOf, parentOf, partPath } from '../paths.js';
import type { Content, TargetRules, WriteOptions } from '../target.js';
import type { GroupSync } from './group-sync.js';
import { copyInKernel, sizeOf } from './kernel.js';
import type { FolderRoot, OpenFolder } from './root.js';

const CHUNK = 1 << 20;

/**
 * Writes a file as a part beside its place, and gives it its name when its bytes are complete, checked and on the disk.
 * A part that is there is continued; one that turns out wrong is written anew, once. `keep` puts what is replaced into
 * the trash and leaves it in its place.
 */
export function writeFile<T>(
  { root, rules, disk }: { readonly root: FolderRoot; readonly rules: TargetRules; readonly disk: GroupSync },
  path: string,
  content: Content,
  options: WriteOptions,
  keep: () => Promise<void>,
  look: (folder: OpenFolder) => Promise<T>,
): Promise<T> {
  return root.folder(parentOf(path), async (folder) => {
    const name = nameOf(path);
    const part = folder.at(nameOf(partPath(path, options)));
    const before = existing(await lstat(folder.at(name)).catch(missing), root.path, path);
    checkExpected(before, rules, root.path, path, options);
    const opened = performance.now();
    const { handle, isNew } = await openPart(part);
    try {
      await fill(handle, isNew, part, content, options, root.path, path);
      if (before) await keepOwner(handle, before);
      if (options.mtime !== undefined) await setTime(handle, options.mtime);
      options.arrived?.();
      // Data first, then the name; errors of a share that were held back come now.
      await disk.sync(handle, opened);
    } finally {
      await handle.close();
    }
    try {
      checkExpected(existing(await again(root, folder.at(name)), root.path, path), rules, root.path, path, options);
    } catch (error) {
      await unlink(part);
      throw error;
    }
    if (before && options.trash !== undefined) await keep();
    await publish(part, folder.at(name), before !== undefined, root.path, path);
    await disk.sync(folder.handle, opened).catch(ignoreUnsupported);
    return look(folder);
  });
}

interface Existing {
  readonly size: number;
  readonly mtime: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

function existing(found: Stats | undefined, target: string, path: string): Existing | undefined {
  if (!found) return undefined;
  const { size, mtimeMs, mode, uid, gid } = found;
  if (!isRegular(mode)) throw new Failure('target-exists', { target, path, why: 'it is not a file' });
  return { size, mtime: mtimeMs / 1000, mode, uid, gid };
}

function missing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

/** A name that was looked up a moment ago: of a disk of this machine the kernel knows it without waiting. */
const again = (root: FolderRoot, place: string): Promise<Stats | undefined> | Stats | undefined =>
  root.remote ? lstat(place).catch(missing) : lstatSync(place, { throwIfNoEntry: false });

const isRegular = (mode: number): boolean => (mode & constants.S_IFMT) === constants.S_IFREG;

function checkExpected(
  found: Existing | undefined,
  rules: TargetRules,
  target: string,
  path: string,
  { expected }: WriteOptions,
): void {
  if (isAsExpected(found, expected, rules.timeGrain)) return;
  throw new Failure('target-changed', { target, path });
}

async function openPart(part: string): Promise<{ readonly handle: FileHandle; readonly isNew: boolean }> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  try {
    return { handle: await open(part, flags | constants.O_EXCL, 0o666), isNew: true };
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    return { handle: await open(part, flags, 0o666), isNew: false };
  }
}

async function fill(
  handle: FileHandle,
  isNew: boolean,
  part: string,
  content: Content,
  options: WriteOptions,
  target: string,
  path: string,
): Promise<void> {
  const damaged = damagedAt(target, path);
  const local = content.descriptor ?? content.file;
  let there = isNew ? 0 : await partSize(handle, options.size);
  if (local !== undefined && !options.hash && there === 0) {
    const found = await sizeOf(local);
    if (found !== options.size) {
      await unlink(part);
      throw damaged(`${found} bytes instead of ${options.size}`);
    }
    there = await copyInKernel(local, handle, options.size, options.signal);
    options.progress?.(there);
    if (there === options.size) return;
  }
  for (let start = there; ; start = 0) {
    const inspection = new Inspection(options.hash);
    await inspectPrefix(handle, start, inspection, options.signal);
    let at = start;
    try {
      for await (const bytes of inspected(content, start, inspection, options, damaged)) {
        await writeAll(handle, bytes, at);
        at += bytes.length;
      }
      const fault = inspection.fault(options.size);
      if (fault === undefined) return;
      throw damaged(fault);
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'target-damaged') throw error;
      await handle.truncate(0);
      // What was there before may have been wrong: the next round begins at 0.
      if (start === 0) {
        await unlink(part);
        throw error;
      }
    }
  }
}

async function partSize(handle: FileHandle, size: number): Promise<number> {
  const { size: found } = await handle.stat();
  if (found <= size) return found;
  await handle.truncate(0);
  return 0;
}

async function inspectPrefix(
  handle: FileHandle,
  length: number,
  inspection: Inspection,
  signal: AbortSignal,
): Promise<void> {
  if (!inspection.seesAll) return inspection.skip(length);
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, length));
  while (inspection.bytes < length) {
    signal.throwIfAborted();
    const want = Math.min(buffer.length, length - inspection.bytes);
    const { bytesRead } = await handle.read(buffer, 0, want, inspection.bytes);
    if (bytesRead === 0) throw new Error('a part became shorter while it was read');
    inspection.add(buffer.subarray(0, bytesRead));
  }
}

/** A new version keeps who may read it, as far as this process may say so. */
async function keepOwner(handle: FileHandle, { mode, uid, gid }: Existing): Promise<void> {
  try {
    if (process.getuid?.() === 0) await handle.chown(uid, gid);
    await handle.chmod(mode & 0o7777);
  } catch (error) {
    ignoreUnsupported(error);
  }
}

/** Read back by the caller: file systems differ in what they keep, and some keep none from those who do not own the file. */
async function setTime(handle: FileHandle, mtime: number): Promise<void> {
  try {
    await handle.utimes(mtime, mtime);
  } catch (error) {
    ignoreUnsupported(error);
  }
}

const UNSUPPORTED = new Set(['EPERM', 'EACCES', 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

function ignoreUnsupported(error: unknown): void {
  if (!UNSUPPORTED.has(errnoOf(error) ?? '')) throw error;
}

async function publish(part: string, place: string, replaces: boolean, target: string, path: string): Promise<void> {
  try {
    await rename(part, place);
  } catch (error) {
    // A share refuses to replace what somebody has open, and says so in several ways.
    if (replaces && ['EACCES', 'EPERM', 'EBUSY', 'ETXTBSY'].includes(errnoOf(error) ?? ''))
      throw new Failure('target-busy', { target, path, why: errnoOf(error) }, error);
    throw error;
  }
}
