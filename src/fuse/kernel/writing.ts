import { constants } from 'node:os';
import { systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import { asNodeId } from '../../base/ids.js';
import type { AttributeChanges, CreatedFile, Entry, ForbiddenItem } from '../filesystem.js';
import type { WritingOperations } from '../operations.js';
import { handleOf, isWritable, openReply, releaseOpened } from './opened.js';
import { struct } from './protocol.js';
import type { FuseRequest, RequestBuffer } from './request.js';
import type { FuseSession, Message } from './session.js';

const { EINVAL, ENODATA, EPERM } = constants.errno;

/** Handler of an operation that changes something. */
export type WritingHandler = (
  session: FuseSession,
  request: FuseRequest,
  incoming: RequestBuffer,
  writable: WritingOperations,
) => boolean;

const done = (session: FuseSession, request: FuseRequest, result: void | Promise<void>): boolean =>
  session.deliver(request, result, () => session.sendStatus(request, 0), { patient: true });

/** The name of an item to create. EINVAL if it is not UTF-8, as such a name cannot be stored. */
function newName(incoming: RequestBuffer, offset: number): string {
  const name = incoming.name(offset);
  if (name === undefined) throw new Failure('usage', { what: 'the name is not UTF-8' });
  return name;
}

/** The name of an existing item. ENOENT if it is not UTF-8, as no item has such a name. */
function oldName(incoming: RequestBuffer, offset: number): string {
  const name = incoming.name(offset);
  if (name === undefined) throw new Failure('no-such-item', { path: 'with that name' });
  return name;
}

const setattrIn = struct({
  valid: 'u32',
  padding: 'u32',
  fh: 'u64',
  size: 'u64',
  lock_owner: 'u64',
  atime: 'u64',
  mtime: 'u64',
  ctime: 'u64',
  atimensec: 'u32',
  mtimensec: 'u32',
  ctimensec: 'u32',
  mode: 'u32',
  unused4: 'u32',
  uid: 'u32',
  gid: 'u32',
  unused5: 'u32',
});

/** `valid` of setattr. */
export const setattrFlag = {
  MODE: 2 ** 0,
  UID: 2 ** 1,
  GID: 2 ** 2,
  SIZE: 2 ** 3,
  ATIME: 2 ** 4,
  MTIME: 2 ** 5,
  FH: 2 ** 6,
  ATIME_NOW: 2 ** 7,
  MTIME_NOW: 2 ** 8,
} as const;

const setattr: WritingHandler = (session, request, incoming, writable) => {
  const { at } = setattrIn;
  const valid = incoming.u32(at.valid);
  const now = systemClock.now() / 1000;
  const time = (flag: number, nowFlag: number, seconds: number, nanoseconds: number): number | undefined => {
    if (valid & nowFlag) return now;
    return valid & flag ? incoming.i64(seconds) + incoming.u32(nanoseconds) / 1e9 : undefined;
  };
  const atime = time(setattrFlag.ATIME, setattrFlag.ATIME_NOW, at.atime, at.atimensec);
  const mtime = time(setattrFlag.MTIME, setattrFlag.MTIME_NOW, at.mtime, at.mtimensec);
  const changes: AttributeChanges = {
    ...(valid & setattrFlag.SIZE && { size: incoming.u64(at.size) }),
    ...(valid & setattrFlag.MODE && { mode: incoming.u32(at.mode) & 0o7777 }),
    ...(valid & setattrFlag.UID && { uid: incoming.u32(at.uid) }),
    ...(valid & setattrFlag.GID && { gid: incoming.u32(at.gid) }),
    ...(atime !== undefined && { atime }),
    ...(mtime !== undefined && { mtime }),
  };
  const handle = valid & setattrFlag.FH ? handleOf(incoming.u64(at.fh)) : undefined;
  const result = writable.setattr(request.node, changes, handle, request);
  const answer = (entry: Entry): unknown => session.send(request, session.reply.attributes(entry));
  return session.deliver(request, result, answer, { patient: true });
};

const createIn = struct({ flags: 'u32', mode: 'u32', umask: 'u32', open_flags: 'u32' });

const create: WritingHandler = (session, request, incoming, writable) => {
  const { at, size } = createIn;
  const flags = incoming.u32(at.flags);
  const name = newName(incoming, size);
  const result = writable.create(request.node, name, incoming.u32(at.mode) & 0o7777, flags, request);
  const answer = ({ entry, file }: CreatedFile): void => {
    const opened = openReply(session, entry.node, file, flags);
    if (session.send(request, session.reply.created(entry, opened.fh, opened.flags, opened.backingId))) return;
    releaseOpened(session, entry.node, opened.fh);
  };
  return session.deliver(request, result, answer, { patient: true });
};

const writeIn = struct({
  fh: 'u64',
  offset: 'u64',
  size: 'u32',
  write_flags: 'u32',
  lock_owner: 'u64',
  flags: 'u32',
  padding: 'u32',
});
/** Also the answer of COPY_FILE_RANGE. */
const writeOut = struct({ size: 'u32', padding: 'u32' });

const sendCount = (session: FuseSession, request: FuseRequest, count: number): boolean =>
  session.send(request, session.reply.struct(writeOut, { size: count }));

const write: WritingHandler = (session, request, incoming, writable) => {
  const { at, size } = writeIn;
  const data = incoming.data(size, incoming.u32(at.size));
  const handle = handleOf(incoming.u64(at.fh));
  const result = writable.write(request.node, handle, incoming.u64(at.offset), data, request);
  // `data` points into the buffer of the request: the buffer must not be reused until the file system is done.
  if (result instanceof Promise) session.lend(result);
  return session.deliver(request, result, (count) => sendCount(session, request, count), { patient: true });
};

const flushIn = struct({ fh: 'u64', unused: 'u32', padding: 'u32', lock_owner: 'u64' });

const flush: WritingHandler = (session, request, incoming, writable) => {
  const fh = incoming.u64(flushIn.at.fh);
  return done(session, request, isWritable(fh) ? writable.flush(request.node, handleOf(fh), request) : undefined);
};

const fsyncIn = struct({ fh: 'u64', fsync_flags: 'u32', padding: 'u32' });
/** `fsync_flags`: data only. */
export const FSYNC_FDATASYNC = 1;

const fsync: WritingHandler = (session, request, incoming, writable) => {
  const { at } = fsyncIn;
  const dataOnly = (incoming.u32(at.fsync_flags) & FSYNC_FDATASYNC) !== 0;
  return done(session, request, writable.fsync(request.node, handleOf(incoming.u64(at.fh)), dataOnly, request));
};

const fsyncdir: WritingHandler = (session, request, incoming, writable) => {
  const dataOnly = (incoming.u32(fsyncIn.at.fsync_flags) & FSYNC_FDATASYNC) !== 0;
  return done(session, request, writable.fsyncdir(request.node, dataOnly, request));
};

const mkdirIn = struct({ mode: 'u32', umask: 'u32' });

const mkdir: WritingHandler = (session, request, incoming, writable) => {
  const { at, size } = mkdirIn;
  const result = writable.mkdir(request.node, newName(incoming, size), incoming.u32(at.mode) & 0o7777, request);
  const answer = (entry: Entry): unknown => session.send(request, session.reply.entry(entry));
  return session.deliver(request, result, answer, { patient: true });
};

const unlink: WritingHandler = (session, request, incoming, writable) =>
  done(session, request, writable.unlink(request.node, oldName(incoming, 0), request));

const rmdir: WritingHandler = (session, request, incoming, writable) =>
  done(session, request, writable.rmdir(request.node, oldName(incoming, 0), request));

const renameIn = struct({ newdir: 'u64' });
const rename2In = struct({ newdir: 'u64', flags: 'u32', padding: 'u32' });
/** From `linux/fs.h`. */
export const renameFlag = { NOREPLACE: 1 } as const;

function rename(size: number, withFlags: boolean): WritingHandler {
  return (session, request, incoming, writable) => {
    const { at } = rename2In;
    const flags = withFlags ? incoming.u32(at.flags) : 0;
    // RENAME_EXCHANGE and RENAME_WHITEOUT are not supported.
    if (flags & ~renameFlag.NOREPLACE) {
      session.sendStatus(request, EINVAL);
      return true;
    }
    const newParent = asNodeId(incoming.u64(at.newdir));
    const name = oldName(incoming, size);
    const newSite = newName(incoming, incoming.after(size));
    request.other = newParent;
    const replace = (flags & renameFlag.NOREPLACE) === 0;
    return done(session, request, writable.rename(request.node, name, newParent, newSite, replace, request));
  };
}

const fallocateIn = struct({ fh: 'u64', offset: 'u64', length: 'u64', mode: 'u32', padding: 'u32' });

const fallocate: WritingHandler = (session, request, incoming, writable) => {
  const { at } = fallocateIn;
  const [handle, offset, length] = [handleOf(incoming.u64(at.fh)), incoming.u64(at.offset), incoming.u64(at.length)];
  return done(
    session,
    request,
    writable.fallocate(request.node, handle, offset, length, incoming.u32(at.mode), request),
  );
};

const copyFileRangeIn = struct({
  fh_in: 'u64',
  off_in: 'u64',
  nodeid_out: 'u64',
  fh_out: 'u64',
  off_out: 'u64',
  len: 'u64',
  flags: 'u64',
});

const copyFileRange: WritingHandler = (session, request, incoming, writable) => {
  const { at } = copyFileRangeIn;
  const to = asNodeId(incoming.u64(at.nodeid_out));
  request.other = to;
  const result = writable.copyFileRange(
    { node: request.node, handle: handleOf(incoming.u64(at.fh_in)), offset: incoming.u64(at.off_in) },
    { node: to, handle: handleOf(incoming.u64(at.fh_out)), offset: incoming.u64(at.off_out) },
    // The reply has a 32-bit count. Programs repeat the call as long as something was copied.
    Math.min(incoming.u64(at.len), 2 ** 30),
    request,
  );
  return session.deliver(request, result, (count) => sendCount(session, request, count), { patient: true });
};

/** The kernel sends only the first 8 bytes of the struct, as FUSE_SETXATTR_EXT is not negotiated. */
export const SETXATTR_IN = struct({ size: 'u32', flags: 'u32' });
/** From `linux/xattr.h`. */
export const xattrFlag = { CREATE: 1, REPLACE: 2 } as const;

const setxattr: WritingHandler = (session, request, incoming, writable) => {
  const { at, size } = SETXATTR_IN;
  const flags = incoming.u32(at.flags);
  const name = newName(incoming, size);
  // Copied, because the file system may keep the value longer than the request; values are small.
  const value = Buffer.from(incoming.data(incoming.after(size), incoming.u32(at.size)));
  const condition = flags & xattrFlag.CREATE ? 'create' : flags & xattrFlag.REPLACE ? 'replace' : undefined;
  return done(session, request, writable.setxattr(request.node, name, value, condition, request));
};

const removexattr: WritingHandler = (session, request, incoming, writable) => {
  const name = incoming.name(0);
  if (name !== undefined) return done(session, request, writable.removexattr(request.node, name, request));
  session.sendStatus(request, ENODATA);
  return true;
};

function forbid(what: ForbiddenItem): WritingHandler {
  return (session, request, _incoming, writable) => {
    session.sendStatus(request, EPERM);
    writable.forbidden(what, request);
    return true;
  };
}

/** A message that changes something or makes changes durable, and the operation that serves it. */
export interface WritingMessage extends Message<WritingHandler> {
  readonly operation: keyof WritingOperations;
}

export const writing = {
  SETATTR: { opcode: 4, operation: 'setattr', structs: { setattr_in: setattrIn }, handler: setattr },
  SYMLINK: { opcode: 6, operation: 'forbidden', handler: forbid('symbolic link') },
  MKNOD: { opcode: 8, operation: 'forbidden', handler: forbid('device or socket') },
  MKDIR: { opcode: 9, operation: 'mkdir', structs: { mkdir_in: mkdirIn }, handler: mkdir },
  UNLINK: { opcode: 10, operation: 'unlink', handler: unlink },
  RMDIR: { opcode: 11, operation: 'rmdir', handler: rmdir },
  RENAME: { opcode: 12, operation: 'rename', structs: { rename_in: renameIn }, handler: rename(renameIn.size, false) },
  LINK: { opcode: 13, operation: 'forbidden', handler: forbid('hard link') },
  WRITE: { opcode: 16, operation: 'write', structs: { write_in: writeIn, write_out: writeOut }, handler: write },
  FSYNC: { opcode: 20, operation: 'fsync', structs: { fsync_in: fsyncIn }, handler: fsync },
  SETXATTR: { opcode: 21, operation: 'setxattr', handler: setxattr },
  REMOVEXATTR: { opcode: 24, operation: 'removexattr', handler: removexattr },
  FLUSH: { opcode: 25, operation: 'flush', structs: { flush_in: flushIn }, handler: flush },
  FSYNCDIR: { opcode: 30, operation: 'fsyncdir', handler: fsyncdir },
  CREATE: { opcode: 35, operation: 'create', structs: { create_in: createIn }, handler: create },
  FALLOCATE: { opcode: 43, operation: 'fallocate', structs: { fallocate_in: fallocateIn }, handler: fallocate },
  RENAME2: {
    opcode: 45,
    operation: 'rename',
    structs: { rename2_in: rename2In },
    handler: rename(rename2In.size, true),
  },
  COPY_FILE_RANGE: {
    opcode: 47,
    operation: 'copyFileRange',
    structs: { copy_file_range_in: copyFileRangeIn },
    handler: copyFileRange,
  },
} satisfies Readonly<Record<string, WritingMessage>>;
