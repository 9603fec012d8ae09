import { constants } from 'node:os';
import { Failure } from '../../base/errors.js';
import type { NodeId } from '../../base/ids.js';
import type { DirectoryPage, Entry, FileSystemStatistics, Handle, NoEntry, OpenFile } from '../filesystem.js';
import { type OpenMode, openMode } from './backing.js';
import { GETATTR_FH, opcode, openFlag, structs } from './protocol.js';
import type { FuseRequest } from './request.js';
import type { FuseSession, OperationHandler, ReplyPolicy } from './session.js';

const { EINVAL, ENODATA, ENOENT, ENOTTY, ERANGE, EROFS } = constants.errno;
const O_ACCMODE = 3;
/** The lowest bits of the kernel's file handle (`fh`): the `OpenMode`, and whether the handle can write. */
const MODES = 4;
const WRITABLE = 2;
/** Data up to this size (bytes) is copied into the reply buffer; larger data is sent without copying. */
const COPY_UP_TO = 8192;
const NUL = Buffer.of(0);

const lookup: OperationHandler = (session, request, incoming) => {
  const name = incoming.name(0);
  if (name === undefined) {
    session.sendStatus(request, ENOENT);
    return true;
  }
  const answer = (found: Entry | NoEntry): void => {
    const { reply } = session;
    session.send(request, found.node === undefined ? reply.noEntry(found.entryTimeout) : reply.entry(found as Entry));
  };
  const found = session.fileSystem.lookup(request.node, name, request);
  return deliver(session, request, found, answer);
};

const getattr: OperationHandler = (session, request, incoming) => {
  const at = structs.getattr_in.at;
  const handle = incoming.u32(at.getattr_flags) & GETATTR_FH ? handleOf(incoming.u64(at.fh)) : undefined;
  const found = session.fileSystem.getattr(request.node, handle, request);
  return deliver(session, request, found, (entry) => session.send(request, session.reply.attributes(entry)));
};

const opendir: OperationHandler = (session, request) => {
  const release = (handle: Handle): void => session.fileSystem.releasedir(request.node, handle);
  const answer = (handle: Handle): void => {
    const isKept = session.fileSystem.isListedAnew?.(request.node) !== true;
    const flags = isKept ? openFlag.CACHE_DIR | openFlag.KEEP_CACHE : 0;
    const length = session.reply.opened(handle * MODES, flags, 0);
    if (!session.send(request, length)) release(handle);
  };
  const opened = session.fileSystem.opendir(request.node, request);
  return deliver(session, request, opened, answer, { discard: release });
};

function readdir(plus: boolean): OperationHandler {
  return (session, request, incoming) => {
    const at = structs.read_in.at;
    const handle = handleOf(incoming.u64(at.fh));
    const cookie = incoming.u64(at.offset);
    const room = incoming.u32(at.size);
    if (session.finished.get(handle) === cookie) {
      session.send(request, session.reply.empty());
      return true;
    }
    const page = session.fileSystem.readdir(request.node, handle, cookie, session.reply.guess(room, plus), request);
    return deliver(session, request, page, ({ entries, end }: DirectoryPage) => {
      const { reply } = session;
      session.send(request, reply.directory(entries, room, plus));
      const last = entries.at(-1);
      if (end && last && reply.packed === entries.length) session.finished.set(handle, last.cookie);
      else session.finished.delete(handle);
    });
  };
}

const releasedir: OperationHandler = (session, request, incoming) => {
  const handle = handleOf(incoming.u64(structs.release_in.at.fh));
  session.finished.delete(handle);
  session.sendStatus(request, 0);
  session.fileSystem.releasedir(request.node, handle);
  return true;
};

const open: OperationHandler = (session, request, incoming) => {
  const { node } = request;
  const flags = incoming.u32(structs.open_in.at.flags);
  if ((flags & O_ACCMODE) !== 0 && !session.writable) throw new Failure('read-only');
  const answer = (file: OpenFile): void => {
    const opened = openReply(session, node, file, flags);
    if (session.send(request, session.reply.opened(opened.fh, opened.flags, opened.backingId))) return;
    releaseOpened(session, node, opened.fh);
  };
  // An open for writing is not abandoned on an interrupt: the file may have been truncated.
  const patient = (flags & O_ACCMODE) !== 0;
  return deliver(session, request, session.fileSystem.open(node, flags, request), answer, {
    patient,
    discard: (file) => session.fileSystem.release(node, file.handle),
  });
};

/** Decides how an open file is served. `fh` is the handle that the kernel gets for it. */
export function openReply(
  session: FuseSession,
  node: NodeId,
  file: OpenFile,
  flags: number,
): { fh: number; flags: number; backingId: number } {
  const decision = session.backing.open(node, file.backingFd);
  const writes = (flags & O_ACCMODE) !== 0;
  const kept = file.keepCache === false ? decision.flags & ~openFlag.KEEP_CACHE : decision.flags;
  return {
    fh: file.handle * MODES + decision.mode + (writes ? WRITABLE : 0),
    flags: writes || !session.writable ? kept : kept | openFlag.NOFLUSH,
    backingId: decision.backingId,
  };
}

export function releaseOpened(session: FuseSession, node: NodeId, fh: number): void {
  const mode: OpenMode = fh % WRITABLE === 0 ? openMode.cached : openMode.passthrough;
  session.backing.release(node, mode);
  session.fileSystem.release(node, handleOf(fh));
}

const read: OperationHandler = (session, request, incoming) => {
  const at = structs.read_in.at;
  const size = incoming.u32(at.size);
  const handle = handleOf(incoming.u64(at.fh));
  const data = session.fileSystem.read(request.node, handle, incoming.u64(at.offset), size, request);
  return deliver(session, request, data, (bytes) => {
    sendBytes(session, request, bytes, size);
    session.fileSystem.sent?.(bytes);
  });
};

const release: OperationHandler = (session, request, incoming) => {
  const fh = incoming.u64(structs.release_in.at.fh);
  session.sendStatus(request, 0);
  releaseOpened(session, request.node, fh);
  return true;
};

const statfs: OperationHandler = (session, request) =>
  deliver(session, request, session.fileSystem.statfs(request), (found: FileSystemStatistics) =>
    session.send(request, session.reply.statistics(found)),
  );

const getxattr: OperationHandler = (session, request, incoming) => {
  const size = incoming.u32(structs.getxattr_in.at.size);
  const name = incoming.name(structs.getxattr_in.size);
  if (name === undefined) {
    session.sendStatus(request, ENODATA);
    return true;
  }
  const value = session.fileSystem.getxattr(request.node, name, request);
  return deliver(session, request, value, (bytes) => {
    if (bytes === undefined) session.sendStatus(request, ENODATA);
    else sendSized(session, request, bytes, size);
  });
};

const listxattr: OperationHandler = (session, request, incoming) => {
  const size = incoming.u32(structs.getxattr_in.at.size);
  const names = session.fileSystem.listxattr(request.node, request);
  return deliver(session, request, names, (list) =>
    sendSized(session, request, Buffer.concat(list.flatMap((name) => [Buffer.from(name), NUL])), size),
  );
};

const destroy: OperationHandler = (session, request) => {
  session.sendStatus(request, 0);
  return true;
};

export const operations: readonly (OperationHandler | undefined)[] = table({
  LOOKUP: lookup,
  GETATTR: getattr,
  OPEN: open,
  READ: read,
  STATFS: statfs,
  RELEASE: release,
  GETXATTR: getxattr,
  LISTXATTR: listxattr,
  OPENDIR: opendir,
  READDIR: readdir(false),
  READDIRPLUS: readdir(true),
  RELEASEDIR: releasedir,
  DESTROY: destroy,
});

/**
 * The errno for each operation that a read-only mount does not serve; ENOSYS for those not listed. The kernel takes
 * ENOSYS as success for FLUSH, FSYNC and FSYNCDIR, decides LSEEK and ACCESS itself, and does not ask again.
 */
export const refusals: readonly (number | undefined)[] = table({
  READLINK: EINVAL,
  IOCTL: ENOTTY,
  SETATTR: EROFS,
  SYMLINK: EROFS,
  MKNOD: EROFS,
  MKDIR: EROFS,
  UNLINK: EROFS,
  RMDIR: EROFS,
  RENAME: EROFS,
  RENAME2: EROFS,
  LINK: EROFS,
  WRITE: EROFS,
  CREATE: EROFS,
  TMPFILE: EROFS,
  FALLOCATE: EROFS,
  COPY_FILE_RANGE: EROFS,
  SETXATTR: EROFS,
  REMOVEXATTR: EROFS,
});

export function table<T>(rows: Partial<Record<keyof typeof opcode, T>>): (T | undefined)[] {
  const byCode: (T | undefined)[] = new Array(64).fill(undefined);
  for (const [name, value] of Object.entries(rows)) byCode[opcode[name as keyof typeof opcode]] = value;
  return byCode;
}

export const handleOf = (fh: number): Handle => Math.floor(fh / MODES);
export const isWritable = (fh: number): boolean => fh % MODES >= WRITABLE;

export function deliver<T>(
  session: FuseSession,
  request: FuseRequest,
  result: T | Promise<T>,
  answer: (value: T) => void,
  options: ReplyPolicy<T> = {},
): boolean {
  if (result instanceof Promise) {
    session.later(request, result, answer, options);
    return false;
  }
  answer(result);
  return true;
}

function sendBytes(session: FuseSession, request: FuseRequest, bytes: Uint8Array, limit: number): void {
  const data = bytes.length > limit ? bytes.subarray(0, limit) : bytes;
  if (data.length <= COPY_UP_TO) session.send(request, session.reply.data(data));
  else session.sendData(request, data);
}

/** Sends the value of an attribute, or its size if the caller asks for that with `size` 0. */
function sendSized(session: FuseSession, request: FuseRequest, bytes: Uint8Array, size: number): void {
  if (size === 0) session.send(request, session.reply.xattrSize(bytes.length));
  else if (bytes.length > size) session.sendStatus(request, ERANGE);
  else sendBytes(session, request, bytes, size);
}
