import { constants } from 'node:os';
import { Failure } from '../../base/errors.js';
import type { DirectoryPage, Entry, NoEntry, OpenedFolder, OpenFile, ReadBytes } from '../filesystem.js';
import { folderHandle, handleOf, O_ACCMODE, openReply, releaseOpened } from './opened.js';
import { openFlag, struct } from './protocol.js';
import type { FuseRequest } from './request.js';
import type { FuseSession, Messages, OperationHandler, ReplyPolicy } from './session.js';

const { ENODATA, ENOENT, ERANGE } = constants.errno;
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
  return session.deliver(request, found, answer);
};

const getattrIn = struct({ getattr_flags: 'u32', dummy: 'u32', fh: 'u64' });
/** `getattr_flags`: the handle field is set. */
export const GETATTR_FH = 1;

const getattr: OperationHandler = (session, request, incoming) => {
  const { at } = getattrIn;
  const handle = incoming.u32(at.getattr_flags) & GETATTR_FH ? handleOf(incoming.u64(at.fh)) : undefined;
  const found = session.fileSystem.getattr(request.node, handle, request);
  return session.deliver(request, found, (entry) => session.send(request, session.reply.attributes(entry)));
};

const opendir: OperationHandler = (session, request) => {
  const release = ({ handle }: OpenedFolder): void => session.fileSystem.releasedir(request.node, handle);
  const answer = (folder: OpenedFolder): void => {
    const flags = folder.keepCache === false ? 0 : openFlag.CACHE_DIR | openFlag.KEEP_CACHE;
    const length = session.reply.opened(folderHandle(folder.handle), flags, 0);
    if (!session.send(request, length)) release(folder);
  };
  const opened = session.fileSystem.opendir(request.node, request);
  return session.deliver(request, opened, answer, { discard: release });
};

const readIn = struct({
  fh: 'u64',
  offset: 'u64',
  size: 'u32',
  read_flags: 'u32',
  lock_owner: 'u64',
  flags: 'u32',
  padding: 'u32',
});

function readdir(plus: boolean): OperationHandler {
  return (session, request, incoming) => {
    const { at } = readIn;
    const handle = handleOf(incoming.u64(at.fh));
    const cookie = incoming.u64(at.offset);
    const room = incoming.u32(at.size);
    if (session.finished.get(handle) === cookie) {
      session.send(request, session.reply.empty());
      return true;
    }
    const page = session.fileSystem.readdir(request.node, handle, cookie, session.reply.guess(room, plus), request);
    return session.deliver(request, page, ({ entries, end }: DirectoryPage) => {
      const { reply } = session;
      session.send(request, reply.directory(entries, room, plus));
      const last = entries.at(-1);
      if (end && last && reply.packed === entries.length) session.finished.set(handle, last.cookie);
      else session.finished.delete(handle);
    });
  };
}

const releaseIn = struct({ fh: 'u64', flags: 'u32', release_flags: 'u32', lock_owner: 'u64' });

const releasedir: OperationHandler = (session, request, incoming) => {
  const handle = handleOf(incoming.u64(releaseIn.at.fh));
  session.finished.delete(handle);
  session.sendStatus(request, 0);
  session.fileSystem.releasedir(request.node, handle);
  return true;
};

const openIn = struct({ flags: 'u32', open_flags: 'u32' });

const open: OperationHandler = (session, request, incoming) => {
  const { node } = request;
  const flags = incoming.u32(openIn.at.flags);
  if ((flags & O_ACCMODE) !== 0 && !session.writable) throw new Failure('read-only');
  const answer = (file: OpenFile): void => {
    const opened = openReply(session, node, file, flags);
    if (session.send(request, session.reply.opened(opened.fh, opened.flags, opened.backingId))) return;
    releaseOpened(session, node, opened.fh);
  };
  // An open for writing is not abandoned on an interrupt: the file may have been truncated.
  const patient = (flags & O_ACCMODE) !== 0;
  return session.deliver(request, session.fileSystem.open(node, flags, request), answer, {
    patient,
    discard: (file) => session.fileSystem.release(node, file.handle),
  });
};

/** The memory of bytes that are not sent is given back as well. */
const READ_POLICY: ReplyPolicy<ReadBytes> = { discard: ({ bytes, release }) => release?.(bytes) };

const read: OperationHandler = (session, request, incoming) => {
  const { at } = readIn;
  const size = incoming.u32(at.size);
  const handle = handleOf(incoming.u64(at.fh));
  const data = session.fileSystem.read(request.node, handle, incoming.u64(at.offset), size, request);
  const answer = ({ bytes, release }: ReadBytes): void => {
    sendBytes(session, request, bytes, size);
    release?.(bytes);
  };
  return session.deliver(request, data, answer, READ_POLICY);
};

const release: OperationHandler = (session, request, incoming) => {
  const fh = incoming.u64(releaseIn.at.fh);
  session.sendStatus(request, 0);
  releaseOpened(session, request.node, fh);
  return true;
};

const kstatfs = struct({
  blocks: 'u64',
  bfree: 'u64',
  bavail: 'u64',
  files: 'u64',
  ffree: 'u64',
  bsize: 'u32',
  namelen: 'u32',
  frsize: 'u32',
  padding: 'u32',
  spare: 24,
});

const statfs: OperationHandler = (session, request) =>
  session.deliver(request, session.fileSystem.statfs(request), (found) => {
    const { blocks, blocksFree, files, filesFree, blockSize, nameMax } = found;
    const length = session.reply.struct(kstatfs, {
      blocks,
      bfree: blocksFree,
      bavail: blocksFree,
      files,
      ffree: filesFree,
      bsize: blockSize,
      frsize: blockSize,
      namelen: nameMax,
    });
    session.send(request, length);
  });

const getxattrIn = struct({ size: 'u32', padding: 'u32' });
const getxattrOut = struct({ size: 'u32', padding: 'u32' });

const getxattr: OperationHandler = (session, request, incoming) => {
  const size = incoming.u32(getxattrIn.at.size);
  const name = incoming.name(getxattrIn.size);
  if (name === undefined) {
    session.sendStatus(request, ENODATA);
    return true;
  }
  const value = session.fileSystem.getxattr(request.node, name, request);
  return session.deliver(request, value, (bytes) => {
    if (bytes === undefined) session.sendStatus(request, ENODATA);
    else sendSized(session, request, bytes, size);
  });
};

const listxattr: OperationHandler = (session, request, incoming) => {
  const size = incoming.u32(getxattrIn.at.size);
  const names = session.fileSystem.listxattr(request.node, request);
  return session.deliver(request, names, (list) =>
    sendSized(session, request, Buffer.concat(list.flatMap((name) => [Buffer.from(name), NUL])), size),
  );
};

const destroy: OperationHandler = (session, request) => {
  session.sendStatus(request, 0);
  return true;
};

function sendBytes(session: FuseSession, request: FuseRequest, bytes: Uint8Array, limit: number): void {
  const data = bytes.length > limit ? bytes.subarray(0, limit) : bytes;
  if (data.length <= COPY_UP_TO) session.send(request, session.reply.data(data));
  else session.sendData(request, data);
}

/** Sends the value of an attribute, or its size if the caller asks for that with `size` 0. */
function sendSized(session: FuseSession, request: FuseRequest, bytes: Uint8Array, size: number): void {
  if (size === 0) session.send(request, session.reply.struct(getxattrOut, { size: bytes.length }));
  else if (bytes.length > size) session.sendStatus(request, ERANGE);
  else sendBytes(session, request, bytes, size);
}

export const reading = {
  LOOKUP: { opcode: 1, handler: lookup },
  GETATTR: { opcode: 3, structs: { getattr_in: getattrIn }, handler: getattr },
  OPEN: { opcode: 14, structs: { open_in: openIn }, handler: open },
  READ: { opcode: 15, structs: { read_in: readIn }, handler: read },
  STATFS: { opcode: 17, structs: { kstatfs, statfs_out: struct({ st: kstatfs.size }) }, handler: statfs },
  RELEASE: { opcode: 18, structs: { release_in: releaseIn }, handler: release },
  GETXATTR: { opcode: 22, structs: { getxattr_in: getxattrIn, getxattr_out: getxattrOut }, handler: getxattr },
  LISTXATTR: { opcode: 23, handler: listxattr },
  OPENDIR: { opcode: 27, handler: opendir },
  READDIR: { opcode: 28, handler: readdir(false) },
  RELEASEDIR: { opcode: 29, handler: releasedir },
  DESTROY: { opcode: 38, handler: destroy },
  READDIRPLUS: { opcode: 44, handler: readdir(true) },
} satisfies Messages;
