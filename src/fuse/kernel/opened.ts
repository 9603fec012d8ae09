import type { NodeId } from '../../base/ids.js';
import type { Handle, OpenFile } from '../filesystem.js';
import { type OpenMode, openMode } from './backing.js';
import { openFlag } from './protocol.js';
import type { FuseSession } from './session.js';

export const O_ACCMODE = 3;
/** The lowest bits of the kernel's file handle (`fh`): the `OpenMode`, and whether the handle can write. */
const MODES = 4;
const WRITABLE = 2;

/** The handle that the kernel gets for a folder. */
export const folderHandle = (handle: Handle): number => handle * MODES;
export const handleOf = (fh: number): Handle => Math.floor(fh / MODES);
export const isWritable = (fh: number): boolean => fh % MODES >= WRITABLE;

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
