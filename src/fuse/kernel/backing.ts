import { fstatSync } from 'node:fs';
import type { NodeId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import { lastErrno, libc, systemError } from '../libc.js';
import { ioctlCode, OPEN_PASSTHROUGH, openFlag } from './protocol.js';

/** How the kernel serves an open file; the lowest bit of the handle that the kernel gets. */
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
  /** Which file has the id. */
  file: string | undefined;
  passthrough: number;
  cached: number;
}

/**
 * Which local file serves which node (FUSE_PASSTHROUGH). The kernel's rules (`fs/fuse/iomode.c`): one backing file per
 * node at a time, and a node that has cached opens takes no passthrough ones and the other way round (EIO for the
 * opener otherwise). So the first open of a node decides for all that overlap with it. One that should not pass through
 * while others do, or that has another file, names the same backing file and FOPEN_DIRECT_IO, which overrides it: the
 * daemon answers, uncached.
 */
export class BackingFiles {
  readonly #nodes = new Map<NodeId, NodeState>();
  #refused = false;
  #closed = false;

  constructor(
    private readonly fd: number,
    /** Whether the kernel agreed to passthrough when the mount began. */
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

  /** The device is closed: the kernel has let go of everything. */
  close(): void {
    this.#closed = true;
  }

  /** A backing id, or 0 where the kernel refuses: the daemon answers the reads then. */
  #register(backingFd: number): number {
    // struct fuse_backing_map { int32_t fd; uint32_t flags; uint64_t padding; }: Linux 6.9, linux/fuse.h.
    const id = libc.ioctl(this.fd, ioctlCode.BACKING_OPEN, new Int32Array([backingFd, 0, 0, 0]));
    if (id > 0) return id;
    if (!this.#refused) {
      // The state folder lies on a file system that cannot be passed through (overlayfs): the same for every file.
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
