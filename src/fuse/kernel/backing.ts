import { fstatSync } from 'node:fs';
import type { NodeId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import { lastErrno, libc, systemError } from '../libc.js';
import { ioctlCode, OPEN_PASSTHROUGH, openFlag } from './protocol.js';

/** How the kernel serves an open file. This is the lowest bit of the handle that the kernel gets. */
export const openMode = { cached: 0, passthrough: 1 } as const;
export type OpenMode = (typeof openMode)[keyof typeof openMode];

export interface OpenDecision {
  readonly mode: OpenMode;
  readonly flags: number;
  readonly backingId: number;
}

const CACHED: OpenDecision = { mode: openMode.cached, flags: openFlag.KEEP_CACHE, backingId: 0 };

interface NodeState {
  backingId: number;
  /** The file that is registered under the id, as `device:inode`. */
  file: string | undefined;
  passthrough: number;
  cached: number;
}

/**
 * The backing files of nodes (FUSE_PASSTHROUGH). The kernel's rules (`fs/fuse/iomode.c`): one backing file per node at
 * a time, and a node with cached opens accepts no passthrough opens, and vice versa (the opener gets EIO). So the first
 * open of a node decides for all that overlap with it. A later open that should not pass through, or that has another
 * file, gets the same backing file and FOPEN_DIRECT_IO, which overrides it: the daemon answers, uncached.
 */
export class BackingFiles {
  readonly #nodes = new Map<NodeId, NodeState>();
  #refused = false;
  #closed = false;

  constructor(
    private readonly fd: number,
    /** Whether passthrough was negotiated with the kernel at FUSE_INIT. */
    readonly usable: boolean,
    private readonly log: Log,
  ) {}

  open(node: NodeId, backingFd: number | undefined): OpenDecision {
    if (!this.usable) return CACHED;
    const state = this.#nodes.get(node) ?? { backingId: 0, file: undefined, passthrough: 0, cached: 0 };
    const isFirst = state.passthrough === 0 && state.cached === 0;
    if (isFirst) {
      state.backingId = backingFd === undefined ? 0 : this.#register(backingFd);
      state.file = backingFd === undefined || state.backingId === 0 ? undefined : fileOf(backingFd);
      this.#nodes.set(node, state);
    }
    if (state.backingId === 0) {
      state.cached++;
      return CACHED;
    }
    state.passthrough++;
    const isSame = isFirst || (backingFd !== undefined && fileOf(backingFd) === state.file);
    const flags = isSame ? OPEN_PASSTHROUGH : OPEN_PASSTHROUGH | openFlag.DIRECT_IO;
    return { mode: openMode.passthrough, flags, backingId: state.backingId };
  }

  release(node: NodeId, mode: OpenMode): void {
    const state = this.#nodes.get(node);
    if (!state) return;
    if (mode === openMode.passthrough) state.passthrough--;
    else state.cached--;
    if (state.passthrough > 0 || state.cached > 0) return;
    this.#nodes.delete(node);
    if (state.backingId !== 0 && !this.#closed)
      libc.ioctl(this.fd, ioctlCode.BACKING_CLOSE, new Int32Array([state.backingId]));
  }

  /** To be called when the device is closed: the kernel has released all backing files. */
  close(): void {
    this.#closed = true;
  }

  /** A backing id, or 0 if the kernel refuses: then the daemon answers the reads. */
  #register(backingFd: number): number {
    // struct fuse_backing_map { int32_t fd; uint32_t flags; uint64_t padding; }: Linux 6.9, linux/fuse.h.
    const id = libc.ioctl(this.fd, ioctlCode.BACKING_OPEN, new Int32Array([backingFd, 0, 0, 0]));
    if (id > 0) return id;
    if (!this.#refused) {
      // The file system of the state folder does not support passthrough (overlayfs). Logged once, as it is the same
      // for every file.
      const why = systemError('FUSE_DEV_IOC_BACKING_OPEN', lastErrno()).message;
      this.log.info({ why }, 'the kernel does not read cached files itself; the daemon does');
    }
    this.#refused = true;
    return 0;
  }
}

function fileOf(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}
