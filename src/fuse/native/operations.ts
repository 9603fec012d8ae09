import { constants } from 'node:os';
import { Failure, isFailure } from '../../base/errors.js';
import type { NodeId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import type { Context, DirectoryEntry, Entry, Handle } from '../filesystem.js';
import type { FileSystem } from '../operations.js';
import type { Callback, FuseInstance, NativeOperations } from './binding.js';
import { NativePaths } from './paths.js';

const { EIO, ENODATA, ERANGE } = constants.errno;
/** Entries per `readdir` of the file system; libfuse needs the whole listing at once. */
const LISTING_PAGE = 1000;
const O_ACCMODE = 3;
const BLOCK_BYTES = 128 * 1024;

export interface OpenedFile {
  readonly node: NodeId;
  readonly handle: Handle;
  readonly writes: boolean;
}

/** Open files by the descriptor that libfuse gets: the package supports 31 bits, and 0 means none. */
export class Descriptors {
  readonly #files = new Map<number, OpenedFile>();
  #last = 0;

  add(file: OpenedFile): number {
    do this.#last = this.#last >= 0x7fffffff ? 1 : this.#last + 1;
    while (this.#files.has(this.#last));
    this.#files.set(this.#last, file);
    return this.#last;
  }

  get(fd: number): OpenedFile {
    const file = this.#files.get(fd);
    if (!file) throw new Failure('internal', { why: 'an unknown descriptor' });
    return file;
  }

  delete(fd: number): void {
    this.#files.delete(fd);
  }
}

/** One mount through libfuse: the file system serves the operations of the package. */
export class NativeSession {
  readonly paths: NativePaths;
  readonly descriptors = new Descriptors();
  readonly #ended = new AbortController();
  /** The package does not pass the caller on. The kernel checks permissions itself (`default_permissions`). */
  readonly context: Context;

  constructor(
    readonly fileSystem: FileSystem,
    owner: { readonly uid: number; readonly gid: number },
    private readonly log: Log,
  ) {
    this.paths = new NativePaths(fileSystem);
    this.context = { uid: owner.uid, gid: owner.gid, pid: 0, signal: this.#ended.signal };
  }

  /** The mount has ended: aborts pending operations. */
  end(): void {
    this.#ended.abort(new Failure('interrupted', { why: 'the mount has ended' }));
  }

  get ended(): boolean {
    return this.#ended.signal.aborted;
  }

  /** Answers with the values that `work` returns: the result (a count, or 0), and values for the callback. */
  answer(callback: Callback, work: () => Promise<readonly [result: number, ...values: unknown[]]>): void {
    const allowed = this.ended ? Promise.reject(new Failure('interrupted')) : work();
    allowed.then(
      (values) => callback(...values),
      (error) => callback(-this.errno(error)),
    );
  }

  errno(error: unknown): number {
    if (isFailure(error)) return (constants.errno as Record<string, number>)[error.errno] ?? EIO;
    this.log.error({ err: error }, 'a file operation failed');
    return EIO;
  }
}

/** The operations for reading. On a read-only mount the kernel refuses all others. */
export function readOperations(session: NativeSession): NativeOperations {
  const { fileSystem, paths, descriptors, context } = session;
  return {
    getattr: (path: string, callback: Callback) =>
      session.answer(callback, async () => [0, statOf(await paths.entry(path, context))]),

    readdir: (path: string, callback: Callback) =>
      session.answer(callback, async () => {
        const node = await paths.node(path, context);
        const { handle } = await fileSystem.opendir(node, context);
        const names: string[] = [];
        try {
          for (let cookie = 0; ; ) {
            const { entries, end } = await fileSystem.readdir(node, handle, cookie, LISTING_PAGE, context);
            for (const { name } of entries) names.push(name);
            const last: DirectoryEntry | undefined = entries.at(-1);
            if (end || !last) break;
            cookie = last.cookie;
          }
        } finally {
          fileSystem.releasedir(node, handle);
        }
        return [0, names];
      }),

    open: (path: string, flags: number, callback: Callback) =>
      session.answer(callback, async () => {
        const node = await paths.node(path, context);
        const { handle } = await fileSystem.open(node, flags, context);
        return [0, descriptors.add({ node, handle, writes: (flags & O_ACCMODE) !== 0 })];
      }),

    read: (_path: string, fd: number, target: Buffer, size: number, offset: number, callback: Callback) =>
      session.answer(callback, async () => {
        const { node, handle } = descriptors.get(fd);
        const { bytes, release } = await fileSystem.read(node, handle, offset, size, context);
        target.set(bytes.length > size ? bytes.subarray(0, size) : bytes);
        release?.(bytes);
        return [Math.min(bytes.length, size)];
      }),

    release: (_path: string, fd: number, callback: Callback) =>
      session.answer(callback, async () => {
        const { node, handle } = descriptors.get(fd);
        descriptors.delete(fd);
        fileSystem.release(node, handle);
        return [0];
      }),

    statfs: (_path: string, callback: Callback) =>
      session.answer(callback, async () => {
        const found = await fileSystem.statfs(context);
        // The package has 32-bit counts: larger blocks make them smaller.
        const scale = 2 ** Math.max(0, Math.ceil(Math.log2((found.blocks + 1) / 2 ** 32)));
        const free = Math.floor(found.blocksFree / scale);
        return [
          0,
          {
            bsize: found.blockSize * scale,
            frsize: found.blockSize * scale,
            blocks: Math.floor(found.blocks / scale),
            bfree: free,
            bavail: free,
            files: Math.min(found.files, 2 ** 32 - 1),
            ffree: Math.min(found.filesFree, 2 ** 32 - 1),
            favail: Math.min(found.filesFree, 2 ** 32 - 1),
            namemax: found.nameMax,
          },
        ];
      }),

    // Never called: `replaceInternals` answers. They must exist for the package to register the operations.
    getxattr: () => {},
    listxattr: () => {},
    fgetattr: () => {},
  };
}

/**
 * Replaces faulty operations of the package: its fgetattr asks by path, which may have another version of the file by
 * now; its xattr operations write or answer beyond the caller's buffer.
 */
export function replaceInternals(fuse: FuseInstance, session: NativeSession): void {
  const { fileSystem, paths, descriptors, context } = session;

  fuse._op_fgetattr = (signal, path, fd) =>
    session.answer(signal, async () => {
      if (fd === 0) return [0, statInts(await paths.entry(path, context))];
      const { node, handle } = descriptors.get(fd);
      return [0, statInts(await fileSystem.getattr(node, handle, context))];
    });

  const sized = (target: Buffer, bytes: Uint8Array): number => {
    if (target.length === 0) return bytes.length;
    if (bytes.length > target.length) return -ERANGE;
    target.set(bytes);
    return bytes.length;
  };

  fuse._op_getxattr = (signal, path, name, target) => {
    const done: Callback = (result) => signal(result, target.buffer);
    session.answer(done, async () => {
      const value = await fileSystem.getxattr(await paths.node(path, context), name, context);
      return [value === undefined ? -ENODATA : sized(target, value)];
    });
  };

  fuse._op_listxattr = (signal, path, target) => {
    const done: Callback = (result) => signal(result, target.buffer);
    session.answer(done, async () => {
      const names = await fileSystem.listxattr(await paths.node(path, context), context);
      return [sized(target, Buffer.from(names.map((name) => `${name}\0`).join('')))];
    });
  };
}

/** A stat as the package's callbacks take it. Times are in milliseconds; times before 1970 become 1970. */
function statOf(entry: Entry): Record<string, number> {
  const { attributes } = entry;
  const time = (seconds: number): number => Math.max(0, Math.round(seconds * 1000));
  return {
    mode: attributes.mode,
    uid: attributes.uid,
    gid: attributes.gid,
    size: attributes.size,
    dev: 0,
    nlink: attributes.nlink,
    ino: attributes.ino,
    rdev: 0,
    blksize: BLOCK_BYTES,
    blocks: Math.ceil(attributes.size / 512),
    atime: time(attributes.atime),
    mtime: time(attributes.mtime),
    ctime: time(attributes.ctime),
  };
}

/** A stat in the package's own format: 18 words, with 64-bit values as two (its `getStatArray`). */
function statInts(entry: Entry): Uint32Array {
  const stat = statOf(entry);
  const wide = new Set(['size', 'blocks', 'atime', 'mtime', 'ctime']);
  const words = Object.entries(stat).flatMap(([name, value]) =>
    wide.has(name) ? [value % 2 ** 32, Math.floor(value / 2 ** 32)] : [value],
  );
  return Uint32Array.from(words);
}
