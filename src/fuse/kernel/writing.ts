import { constants } from 'node:os';
import { systemClock } from '../../base/clock.js';
import { Failure } from '../../base/errors.js';
import { asNodeId } from '../../base/ids.js';
import type { AttributeChanges, CreatedFile, Entry, ForbiddenItem, WritableFileSystem } from '../filesystem.js';
import { deliver, handleOf, isWritable, openReply, releaseOpened, table } from './operations.js';
import { FSYNC_FDATASYNC, renameFlag, SETXATTR_IN, setattrFlag, structs, xattrFlag } from './protocol.js';
import type { FuseRequest, RequestBuffer } from './request.js';
import type { FuseSession, OperationHandler } from './session.js';

const { EINVAL, ENODATA, EPERM } = constants.errno;

/** Handler of an operation that changes something. */
type WritingHandler = (
  session: FuseSession,
  request: FuseRequest,
  incoming: RequestBuffer,
  writable: WritableFileSystem,
) => boolean;

const done = (session: FuseSession, request: FuseRequest, result: void | Promise<void>): boolean =>
  deliver(session, request, result, () => session.sendStatus(request, 0), { patient: true });

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

const setattr: WritingHandler = (session, request, incoming, writable) => {
  const at = structs.setattr_in.at;
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
  return deliver(session, request, result, answer, { patient: true });
};

const create: WritingHandler = (session, request, incoming, writable) => {
  const { at, size } = structs.create_in;
  const flags = incoming.u32(at.flags);
  const name = newName(incoming, size);
  const result = writable.create(request.node, name, incoming.u32(at.mode) & 0o7777, flags, request);
  const answer = ({ entry, file }: CreatedFile): void => {
    const opened = openReply(session, entry.node, file, flags);
    if (session.send(request, session.reply.created(entry, opened.fh, opened.flags, opened.backingId))) return;
    releaseOpened(session, entry.node, opened.fh);
  };
  return deliver(session, request, result, answer, { patient: true });
};

const write: WritingHandler = (session, request, incoming, writable) => {
  const { at, size } = structs.write_in;
  const data = incoming.data(size, incoming.u32(at.size));
  const handle = handleOf(incoming.u64(at.fh));
  const result = writable.write(request.node, handle, incoming.u64(at.offset), data, request);
  // `data` points into the buffer of the request: the buffer must not be reused until the file system is done.
  if (result instanceof Promise) session.lend(result);
  return deliver(session, request, result, (count) => session.send(request, session.reply.written(count)), {
    patient: true,
  });
};

const flush: WritingHandler = (session, request, incoming, writable) => {
  const fh = incoming.u64(structs.flush_in.at.fh);
  return done(session, request, isWritable(fh) ? writable.flush(request.node, handleOf(fh), request) : undefined);
};

const fsync: WritingHandler = (session, request, incoming, writable) => {
  const at = structs.fsync_in.at;
  const dataOnly = (incoming.u32(at.fsync_flags) & FSYNC_FDATASYNC) !== 0;
  return done(session, request, writable.fsync(request.node, handleOf(incoming.u64(at.fh)), dataOnly, request));
};

const fsyncdir: WritingHandler = (session, request, incoming, writable) => {
  const dataOnly = (incoming.u32(structs.fsync_in.at.fsync_flags) & FSYNC_FDATASYNC) !== 0;
  return done(session, request, writable.fsyncdir(request.node, dataOnly, request));
};

const mkdir: WritingHandler = (session, request, incoming, writable) => {
  const { at, size } = structs.mkdir_in;
  const result = writable.mkdir(request.node, newName(incoming, size), incoming.u32(at.mode) & 0o7777, request);
  const answer = (entry: Entry): unknown => session.send(request, session.reply.entry(entry));
  return deliver(session, request, result, answer, { patient: true });
};

const unlink: WritingHandler = (session, request, incoming, writable) =>
  done(session, request, writable.unlink(request.node, oldName(incoming, 0), request));

const rmdir: WritingHandler = (session, request, incoming, writable) =>
  done(session, request, writable.rmdir(request.node, oldName(incoming, 0), request));

function rename(size: number, withFlags: boolean): WritingHandler {
  return (session, request, incoming, writable) => {
    const { at } = structs.rename2_in;
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

const fallocate: WritingHandler = (session, request, incoming, writable) => {
  const at = structs.fallocate_in.at;
  const [handle, offset, length] = [handleOf(incoming.u64(at.fh)), incoming.u64(at.offset), incoming.u64(at.length)];
  return done(
    session,
    request,
    writable.fallocate(request.node, handle, offset, length, incoming.u32(at.mode), request),
  );
};

const copyFileRange: WritingHandler = (session, request, incoming, writable) => {
  const at = structs.copy_file_range_in.at;
  const to = asNodeId(incoming.u64(at.nodeid_out));
  request.other = to;
  const result = writable.copyFileRange(
    { node: request.node, handle: handleOf(incoming.u64(at.fh_in)), offset: incoming.u64(at.off_in) },
    { node: to, handle: handleOf(incoming.u64(at.fh_out)), offset: incoming.u64(at.off_out) },
    // The reply has a 32-bit count. Programs repeat the call as long as something was copied.
    Math.min(incoming.u64(at.len), 2 ** 30),
    request,
  );
  return deliver(session, request, result, (count) => session.send(request, session.reply.written(count)), {
    patient: true,
  });
};

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

const handlers = table<WritingHandler>({
  SETATTR: setattr,
  CREATE: create,
  WRITE: write,
  FLUSH: flush,
  FSYNC: fsync,
  FSYNCDIR: fsyncdir,
  MKDIR: mkdir,
  UNLINK: unlink,
  RMDIR: rmdir,
  RENAME: rename(structs.rename_in.size, false),
  RENAME2: rename(structs.rename2_in.size, true),
  FALLOCATE: fallocate,
  COPY_FILE_RANGE: copyFileRange,
  SETXATTR: setxattr,
  REMOVEXATTR: removexattr,
  SYMLINK: forbid('symbolic link'),
  LINK: forbid('hard link'),
  MKNOD: forbid('device or socket'),
});

/** The additional operations of a writable mount. */
export const writingOperations: readonly (OperationHandler | undefined)[] = handlers.map(
  (handler): OperationHandler | undefined =>
    handler && ((session, request, incoming) => handler(session, request, incoming, session.writable!)),
);
