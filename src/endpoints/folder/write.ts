import { lstatSync, type Stats } from 'node:fs';
import { constants, type FileHandle, lstat, open, unlink } from 'node:fs/promises';
import { errnoOf, Failure, isFailure } from '../../base/errors.js';
import { conflictName } from '../../outbox/upload/conflict-name.js';
import { ContentCheck, damagedAt, inspected, writeAll } from '../content.js';
import { continues, isAsExpected, nameOf, parentOf, partPath } from '../paths.js';
import type { Content, TargetItem, TargetRules, WriteOptions } from '../target.js';
import type { GroupSync } from './group-sync.js';
import { identityOf } from './identity.js';
import { copyInKernel, localSize } from './kernel.js';
import type { FolderLeaving } from './leaving.js';
import { firstMode, isOwnerOnly, lastMode } from './modes.js';
import { exchangeNames, nameFile, renameNoReplace } from './rename.js';
import type { FolderRoot, OpenFolder } from './root.js';

const CHUNK_BYTES = 1 << 20;

/**
 * Writes a file as a part beside its place, and renames it once its bytes are complete, verified and on the disk. An
 * existing part with the same content is continued; one that turns out wrong is written anew, once. The replaced file
 * is detached until it is verified to be the expected one; then it goes to the trash or is removed.
 * @throws Failure `target-changed` also where another process changed the file before it could be checked under its
 * name
 */
export function writeFile(
  { root, rules, disk }: { readonly root: FolderRoot; readonly rules: TargetRules; readonly disk: GroupSync },
  path: string,
  content: Content,
  options: WriteOptions,
  leaving: FolderLeaving,
  itemOf: (found: Stats) => TargetItem,
): Promise<TargetItem> {
  return root.folder(parentOf(path), async (folder) => {
    const name = nameOf(path);
    const part = folder.at(nameOf(partPath(path, options)));
    const before = existing(await lstat(folder.at(name)).catch(missing), root, path);
    checkExpected(before, rules, root.path, path, options);
    const opened = performance.now();
    const isPrivate = options.private === true && rules.keepsPrivacy;
    const { handle, isNew } = await openPart(part, firstMode(isPrivate, before !== undefined));
    try {
      await fill(handle, isNew, part, content, options, root.path, path);
      if (before || isPrivate || !isNew) await settle(handle, before, lastMode(isPrivate, before?.mode));
      if (options.mtime !== undefined) await setTime(handle, options.mtime);
      options.arrived?.();
      // Data first, then the name; write errors that a network share deferred are reported here.
      await disk.sync(handle, opened);
    } catch (error) {
      // The part cannot be continued. If it cannot be removed now, the clean-up after a week removes it.
      if (!continues(options)) await unlink(part).catch(() => undefined);
      throw error;
    } finally {
      await handle.close();
    }
    const found = await lookAgain(root, folder.at(name), path);
    try {
      checkExpected(found, rules, root.path, path, options);
    } catch (error) {
      await unlink(part);
      throw error;
    }
    const ours = await lookAgain(root, part, path);
    const changed = (): Failure => new Failure('target-changed', { target: root.path, path });
    if (!ours) throw changed();
    if (found) await replace(root, { folder, part, path, found, ours, leaving, options });
    else await publish(root, part, folder.at(name), path);
    await disk.sync(folder.handle, opened).catch(ignoreUnsupported);
    const now = await lstat(folder.at(name)).catch(missing);
    const isOurs = root.remote ? now?.size === options.size : now && identityOf(now, false) === ours.identity;
    if (!now || !isOurs) throw changed();
    return itemOf(now);
  });
}

interface Existing {
  readonly identity: string;
  readonly ino: number;
  readonly size: number;
  readonly mtime: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

function existing(found: Stats | undefined, { path: target, remote }: FolderRoot, path: string): Existing | undefined {
  if (!found) return undefined;
  const { ino, size, mtimeMs, mode, uid, gid } = found;
  if (!isRegular(mode)) throw new Failure('target-exists', { target, path, why: 'it is not a file' });
  return { identity: identityOf(found, remote), ino, size, mtime: mtimeMs / 1000, mode, uid, gid };
}

function missing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}

/** Looks up a name again that was looked up a moment ago: on a local disk the kernel has it cached. */
async function lookAgain(root: FolderRoot, place: string, path: string): Promise<Existing | undefined> {
  const found = root.remote ? await lstat(place).catch(missing) : lstatSync(place, { throwIfNoEntry: false });
  return existing(found, root, path);
}

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

async function openPart(part: string, mode: number): Promise<{ readonly handle: FileHandle; readonly isNew: boolean }> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  let isNew = true;
  const handle = await open(part, flags | constants.O_EXCL, mode).catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') throw error;
    isNew = false;
    return open(part, flags, mode);
  });
  try {
    // Independent of the umask; an interrupted attempt may have made the part readable for others.
    if (isOwnerOnly(mode)) await handle.chmod(mode).catch(ignoreUnsupported);
    return { handle, isNew };
  } catch (error) {
    await handle.close();
    throw error;
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
  let there = isNew ? 0 : await partSize(handle, options);
  if (local !== undefined && !options.hash && there === 0) {
    const found = await localSize(local);
    if (found !== options.size) {
      await unlink(part);
      throw damaged(`${found} bytes instead of ${options.size}`);
    }
    there = await copyInKernel(local, handle, options.size, options.signal);
    options.progress?.(there);
    if (there === options.size) return;
  }
  for (let start = there; ; start = 0) {
    const inspection = new ContentCheck(options.hash);
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
      // The earlier bytes of the part may have been wrong: the next round starts at 0.
      if (start === 0) {
        await unlink(part);
        throw error;
      }
    }
  }
}

async function partSize(handle: FileHandle, options: WriteOptions): Promise<number> {
  const { size: found } = await handle.stat();
  if (found <= options.size && continues(options)) return found;
  await handle.truncate(0);
  return 0;
}

async function inspectPrefix(
  handle: FileHandle,
  length: number,
  inspection: ContentCheck,
  signal: AbortSignal,
): Promise<void> {
  if (!inspection.seesAll) return inspection.skip(length);
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length));
  while (inspection.bytes < length) {
    signal.throwIfAborted();
    const want = Math.min(buffer.length, length - inspection.bytes);
    const { bytesRead } = await handle.read(buffer, 0, want, inspection.bytes);
    if (bytesRead === 0) throw new Error('a part became shorter while it was read');
    inspection.add(buffer.subarray(0, bytesRead));
  }
}

/** A new version keeps the permissions and owner of the old one, as far as this process may set them. */
async function settle(handle: FileHandle, before: Existing | undefined, mode: number): Promise<void> {
  try {
    if (before && process.getuid?.() === 0) await handle.chown(before.uid, before.gid);
    await handle.chmod(mode);
  } catch (error) {
    ignoreUnsupported(error);
  }
}

/**
 * The caller reads the time back: file systems differ in precision, and some refuse to set times of files that the
 * process does not own.
 */
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

/** Gives a new file its name. */
async function publish(root: FolderRoot, part: string, place: string, path: string): Promise<void> {
  try {
    await nameFile(part, place, root.remote);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    await unlink(part);
    throw new Failure('target-changed', { target: root.path, path }, error);
  }
}

interface Replacement {
  readonly folder: OpenFolder;
  readonly part: string;
  readonly path: string;
  /** The file found at the path a moment ago. */
  readonly found: Existing;
  /** The file that replaces it. */
  readonly ours: Existing;
  readonly leaving: FolderLeaving;
  readonly options: WriteOptions;
}

/**
 * Replaces a file and detaches the old one: atomically where the file system can exchange names, else in two renames.
 * The detached file is then checked, and put back if it is not the one found a moment ago.
 */
async function replace(root: FolderRoot, replacement: Replacement): Promise<void> {
  const { path, found, ours, leaving, options } = replacement;
  const { trash, signal } = options;
  const place = trash && (await leaving.trashPlace(path, trash, signal));
  try {
    await leaving.withHiddenPath(path, { seen: found.identity, ours: ours.identity, trash }, (away) =>
      root.folder(parentOf(away), async ({ at }) => {
        const old = at(nameOf(away));
        await takePlace(root, replacement, old);
        if (trash) await leaving.throwAway(away, path, trash.day, place);
        else await unlink(old);
      }),
    );
  } catch (error) {
    // A share refuses to replace an open file, with various error codes.
    if (['EACCES', 'EPERM', 'EBUSY', 'ETXTBSY'].includes(errnoOf(error) ?? ''))
      throw new Failure('target-busy', { target: root.path, path, why: errnoOf(error) }, error);
    throw error;
  }
}

/** @param old where the replaced file is afterwards */
async function takePlace(
  root: FolderRoot,
  { folder, part, path, found, ours, options }: Replacement,
  old: string,
): Promise<void> {
  const place = folder.at(nameOf(path));
  const changed = (cause?: unknown): Failure => new Failure('target-changed', { target: root.path, path }, cause);
  const isFound = async (at: string): Promise<boolean> => {
    const one = await lookAgain(root, at, path).catch(() => undefined);
    return options.expected === undefined || one?.identity === found.identity;
  };
  await renameNoReplace(part, old);
  const isExchanged = await exchangeNames(old, place).catch(async (error: unknown) => {
    await unlink(old);
    throw errnoOf(error) === 'ENOENT' ? changed(error) : error;
  });
  if (isExchanged) {
    if (await isFound(old)) return;
    // Undo; a file that another process put there meanwhile gets a name of its own.
    await exchangeNames(old, place).catch(() => putBack(root, old, folder, path));
    const left = await lookAgain(root, old, path).catch(() => undefined);
    // The new file had its name for a moment: another process may have changed it there.
    if (left && left.identity === ours.identity) await unlink(old);
    else if (left) await putBack(root, old, folder, path);
    throw changed();
  }
  await renameNoReplace(old, part);
  await renameNoReplace(place, old).catch((error: unknown) => {
    throw errnoOf(error) === 'ENOENT' ? changed(error) : error;
  });
  try {
    if (!(await isFound(old))) throw changed();
    await publish(root, part, place, path);
  } catch (error) {
    await putBack(root, old, folder, path);
    if (isFailure(error, 'target-changed')) await unlink(part).catch(missing);
    throw error;
  }
}

/** Renames a file of another process back to its name, or to a conflict name where the name is taken meanwhile. */
async function putBack(root: FolderRoot, from: string, folder: OpenFolder, path: string): Promise<void> {
  let place = folder.at(nameOf(path));
  for (let time = Date.now(); ; time += 1000) {
    try {
      return await nameFile(from, place, root.remote);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      place = folder.at(conflictName(nameOf(path), new Date(time)));
    }
  }
}
