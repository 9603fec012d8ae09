import { constants } from 'node:fs';
import { constants as os } from 'node:os';
import { Failure } from '../../base/errors.js';
import type { NodeId } from '../../base/ids.js';
import type { AttributeChanges, ForbiddenItem } from '../filesystem.js';
import type { WritingOperations } from '../operations.js';
import type { Callback, FuseInstance, NativeOperations } from './binding.js';
import type { NativeSession } from './operations.js';
import type { PathNode } from './paths.js';

/** An id that chown(2) does not change: −1. */
const UNCHANGED = 0xffffffff;
const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
/** Index of utimens among the package's handlers (`fuse-native.c`). */
const OP_UTIMENS = 12;
/** Byte offsets of `atime` and `mtime` in the package's `fuse_thread_locals_t` on x64. */
const NATIVE_ATIME = 104;
const NATIVE_MTIME = 112;

/** The additional operations of a writable mount. */
export function writeOperations(session: NativeSession, writable: WritingOperations): NativeOperations {
  const { paths, descriptors, context } = session;
  const setattr = (node: NodeId, changes: AttributeChanges, handle?: number): Promise<unknown> =>
    Promise.resolve(writable.setattr(node, changes, handle, context));
  const byPath = (path: string, callback: Callback, changes: AttributeChanges): void =>
    session.answer(callback, async () => {
      await setattr(await paths.node(path, context), changes);
      return [0];
    });
  const newPlace = async (path: string): Promise<PathNode> => {
    const place = await paths.place(path, context);
    if (Buffer.byteLength(place.name) > 255) throw new Failure('name-too-long');
    // The package decodes invalid UTF-8 to replacement characters. Such a name must not be created; if it exists, it
    // really contains these characters.
    const isDoubtful = place.name.includes('\ufffd');
    if (isDoubtful && (await session.fileSystem.lookup(place.parent, place.name, context)).node === undefined)
      throw new Failure('usage', { what: 'the name is not UTF-8' });
    return place;
  };
  const forbid =
    (what: ForbiddenItem) =>
    (...args: unknown[]): void => {
      (args.at(-1) as Callback)(-os.errno.EPERM);
      writable.forbidden(what, context);
    };

  return {
    create: (path: string, mode: number, callback: Callback) =>
      session.answer(callback, async () => {
        const { parent, name } = await newPlace(path);
        // The package does not pass the flags on; libfuse opens with the requested ones.
        const flags = constants.O_CREAT | constants.O_RDWR;
        const { entry, file } = await writable.create(parent, name, mode & 0o7777, flags, context);
        return [0, descriptors.add({ node: entry.node, handle: file.handle, writes: true })];
      }),

    write: (_path: string, fd: number, data: Buffer, size: number, offset: number, callback: Callback) =>
      session.answer(callback, async () => {
        const { node, handle } = descriptors.get(fd);
        return [await writable.write(node, handle, offset, data.subarray(0, size), context)];
      }),

    flush: (_path: string, fd: number, callback: Callback) =>
      session.answer(callback, async () => {
        const { node, handle, writes } = descriptors.get(fd);
        if (writes) await writable.flush(node, handle, context);
        return [0];
      }),

    fsync: (_path: string, dataOnly: number, fd: number, callback: Callback) =>
      session.answer(callback, async () => {
        const { node, handle } = descriptors.get(fd);
        await writable.fsync(node, handle, dataOnly !== 0, context);
        return [0];
      }),

    fsyncdir: (path: string, dataOnly: number, _fd: number, callback: Callback) =>
      session.answer(callback, async () => {
        await writable.fsyncdir(await paths.node(path, context), dataOnly !== 0, context);
        return [0];
      }),

    truncate: (path: string, size: number, callback: Callback) => byPath(path, callback, { size }),
    ftruncate: (_path: string, fd: number, size: number, callback: Callback) =>
      session.answer(callback, async () => {
        const { node, handle } = descriptors.get(fd);
        await setattr(node, { size }, handle);
        return [0];
      }),
    chmod: (path: string, mode: number, callback: Callback) => byPath(path, callback, { mode: mode & 0o7777 }),
    chown: (path: string, uid: number, gid: number, callback: Callback) =>
      byPath(path, callback, { ...(uid !== UNCHANGED && { uid }), ...(gid !== UNCHANGED && { gid }) }),
    utimens: (path: string, atime: number, mtime: number, callback: Callback) =>
      byPath(path, callback, { atime: atime / 1000, mtime: mtime / 1000 }),

    mkdir: (path: string, mode: number, callback: Callback) =>
      session.answer(callback, async () => {
        const { parent, name } = await newPlace(path);
        await writable.mkdir(parent, name, mode & 0o7777, context);
        return [0];
      }),

    unlink: (path: string, callback: Callback) =>
      session.answer(callback, async () => {
        const { parent, name } = await paths.place(path, context);
        await writable.unlink(parent, name, context);
        return [0];
      }),

    rmdir: (path: string, callback: Callback) =>
      session.answer(callback, async () => {
        const { parent, name } = await paths.place(path, context);
        paths.forget();
        await writable.rmdir(parent, name, context);
        return [0];
      }),

    rename: (from: string, to: string, callback: Callback) =>
      session.answer(callback, async () => {
        const [old, target] = [await paths.place(from, context), await newPlace(to)];
        await writable.rename(old.parent, old.name, target.parent, target.name, true, context);
        paths.forget();
        return [0];
      }),

    setxattr: (path: string, name: string, value: Buffer, _position: number, flags: number, callback: Callback) =>
      session.answer(callback, async () => {
        const condition = flags & XATTR_CREATE ? 'create' : flags & XATTR_REPLACE ? 'replace' : undefined;
        const copy = Buffer.from(value);
        await writable.setxattr(await paths.node(path, context), name, copy, condition, context);
        return [0];
      }),

    removexattr: (path: string, name: string, callback: Callback) =>
      session.answer(callback, async () => {
        await writable.removexattr(await paths.node(path, context), name, context);
        return [0];
      }),

    symlink: forbid('symbolic link'),
    link: forbid('hard link'),
    mknod: forbid('device or socket'),
  };
}

/**
 * The package passes the access time twice (`utimens` in `fuse-native.c`), so every copied file would get a wrong
 * modification time. The right one is in the struct that each handler gets as its first argument.
 */
export function repairTimes(fuse: FuseInstance): void {
  const original = fuse._handlers[OP_UTIMENS];
  if (!original) return;
  fuse._handlers[OP_UTIMENS] = (native, opcode, path, atimeLow, atimeHigh, ...rest) => {
    const atime = native.readBigUInt64LE(NATIVE_ATIME);
    const passed = BigInt(Number(atimeLow)) + (BigInt(Number(atimeHigh)) << 32n);
    if (atime !== passed) return original(native, opcode, path, atimeLow, atimeHigh, ...rest);
    const [low, high] = [native.readUInt32LE(NATIVE_MTIME), native.readUInt32LE(NATIVE_MTIME + 4)];
    original(native, opcode, path, atimeLow, atimeHigh, low, high);
  };
}
