import type { FileNumber, NodeId } from '../base/ids.js';
import type { Log } from '../base/log.js';

/**
 * What a driver needs from a file system and a file system from a driver. Both drivers speak this; `vfs` implements
 * `FileSystem`. Operations answer at once (much cheaper than an `async` function) or with a promise, and fail with a
 * `Failure`, whose errno the driver sends (any other error becomes EIO and is logged). Drivers mount with
 * `default_permissions`: the kernel checks modes and owners itself.
 */
export type Awaitable<T> = T | Promise<T>;

/** What `work` makes of the result, at once where that is there already. */
export function after<T, R>(result: Awaitable<T>, work: (value: T) => R): Awaitable<R> {
  return result instanceof Promise ? result.then(work) : work(result);
}

/** Who asks, and whether they still wait. */
export interface Context {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  /** Aborted when the kernel interrupts the request (a signal to the caller). Made on first use. */
  readonly signal: AbortSignal;
}

export interface Attributes {
  /** `st_ino`: stays the same over all versions of a file. */
  readonly ino: FileNumber;
  /** Type and permission bits, as in `st_mode`. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds since the epoch, fractions allowed. */
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
}

/** An item as a lookup finds it. `node` differs between content versions of one file (`ino` does not). */
export interface Entry {
  readonly node: NodeId;
  /** A node with another generation is another one; 0 without. */
  readonly generation?: number;
  readonly attributes: Attributes;
  /** Seconds for which the kernel may keep name and attributes. A driver that cannot invalidate shortens them. */
  readonly entryTimeout: number;
  readonly attributeTimeout: number;
}

/** A name known not to exist; the kernel may remember it for so many seconds. */
export interface NoEntry {
  readonly node: undefined;
  readonly entryTimeout: number;
}

export interface DirectoryEntry {
  readonly name: string;
  /** Where the next `readdir` goes on after this entry. Greater than 0; increases within one directory. */
  readonly cookie: number;
  /** Undefined for "." and "..", of which only type and number are shown. */
  readonly entry: Entry | undefined;
  readonly ino: FileNumber;
  readonly directory: boolean;
}

export interface DirectoryPage {
  readonly entries: readonly DirectoryEntry[];
  /** Nothing follows these entries; lets a driver answer the next request itself. */
  readonly end: boolean;
}

/** A whole number from 0 to 2^50, not in use by another open file or folder. */
export type Handle = number;

export interface OpenFile {
  /** Pages that the kernel has of the node may be older: it is to read them anew. */
  readonly keepCache?: false;
  readonly handle: Handle;
  /**
   * The whole content as a local file: where kernel and rights allow, it serves this handle without the daemon
   * (FUSE_PASSTHROUGH). The file system closes it in `release`; a driver must not use it after that.
   */
  readonly backingFd?: number;
}

export interface FileSystemStatistics {
  readonly blockSize: number;
  readonly blocks: number;
  readonly blocksFree: number;
  readonly files: number;
  readonly filesFree: number;
  readonly nameMax: number;
}

/** What setattr changes; what is absent stays. Times in seconds since the epoch, "now" resolved. */
export interface AttributeChanges {
  readonly size?: number;
  /** Permission bits (07777). */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atime?: number;
  readonly mtime?: number;
}

export interface CreatedFile {
  readonly entry: Entry;
  readonly file: OpenFile;
}

/** A place in an open file. */
export interface FilePosition {
  readonly node: NodeId;
  readonly handle: Handle;
  readonly offset: number;
}

export type ForbiddenItem = 'symbolic link' | 'hard link' | 'device or socket';

/**
 * The operations that change something; a file system without them is mounted read-only. They are not abandoned when
 * the caller is interrupted: `context.signal` asks to end early, with `Failure('interrupted')`, and the driver waits.
 *
 * Where a file with a `backingFd` is written to by the kernel itself (passthrough) no `write` comes: size and times are
 * those of the backing file, and `flush`, `fsync` and `release` tell when to look. While any handle of a node is open,
 * all its `backingFd` must be the same file, opened for reading and writing if any handle writes.
 */
export interface WritableFileSystem {
  setattr(node: NodeId, changes: AttributeChanges, handle: Handle | undefined, context: Context): Awaitable<Entry>;
  /** `flags` as in open(2) with O_CREAT (the kernel driver passes O_EXCL on); `mode` after the caller's umask. */
  create(parent: NodeId, name: string, mode: number, flags: number, context: Context): Awaitable<CreatedFile>;
  /** All of `data`, which is valid until the operation has been answered; the number of bytes written. */
  write(node: NodeId, handle: Handle, offset: number, data: Uint8Array, context: Context): Awaitable<number>;
  /** close(2) of one descriptor that can write; others of the same handle may go on. */
  flush(node: NodeId, handle: Handle, context: Context): Awaitable<void>;
  fsync(node: NodeId, handle: Handle, dataOnly: boolean, context: Context): Awaitable<void>;
  fsyncdir(node: NodeId, dataOnly: boolean, context: Context): Awaitable<void>;
  mkdir(parent: NodeId, name: string, mode: number, context: Context): Awaitable<Entry>;
  unlink(parent: NodeId, name: string, context: Context): Awaitable<void>;
  rmdir(parent: NodeId, name: string, context: Context): Awaitable<void>;
  /** `replace` false: fail with EEXIST where the new name exists (RENAME_NOREPLACE). */
  rename(
    parent: NodeId,
    name: string,
    newParent: NodeId,
    newName: string,
    replace: boolean,
    context: Context,
  ): Awaitable<void>;
  /** `mode` as in fallocate(2). */
  fallocate(
    node: NodeId,
    handle: Handle,
    offset: number,
    length: number,
    mode: number,
    context: Context,
  ): Awaitable<void>;
  /** The number of bytes copied; EOPNOTSUPP or EXDEV make the kernel copy by reads and writes. */
  copyFileRange(from: FilePosition, to: FilePosition, length: number, context: Context): Awaitable<number>;
  /** `create`/`replace`: fail where the attribute exists, or does not (XATTR_CREATE, XATTR_REPLACE). */
  setxattr(
    node: NodeId,
    name: string,
    value: Uint8Array,
    condition: 'create' | 'replace' | undefined,
    context: Context,
  ): Awaitable<void>;
  removexattr(node: NodeId, name: string, context: Context): Awaitable<void>;
  /** The driver answered EPERM to someone who wanted to make one of these. */
  forbidden(what: ForbiddenItem, context: Context): void;
}

export interface FileSystem {
  /** What changes things; absent where nothing may. */
  readonly writable?: WritableFileSystem;
  /** The driver is up; `kernel` takes invalidations from now on. */
  mounted(kernel: KernelCache): void;
  lookup(parent: NodeId, name: string, context: Context): Awaitable<Entry | NoEntry>;
  getattr(node: NodeId, handle: Handle | undefined, context: Context): Awaitable<Entry>;
  opendir(node: NodeId, context: Context): Awaitable<Handle>;
  /**
   * Entries after `cookie` (0 = from the start), with "." and "..": at least one unless the end is reached, at most
   * about `limit`. What does not fit into the kernel's buffer is asked for again.
   */
  readdir(node: NodeId, handle: Handle, cookie: number, limit: number, context: Context): Awaitable<DirectoryPage>;
  releasedir(node: NodeId, handle: Handle): void;
  /** The kernel is to keep no listing of this directory, as it is not told when that changes. */
  isListedAnew?(node: NodeId): boolean;
  /** `flags` as in open(2); O_TRUNC is done here (kernel driver), or comes as setattr before. */
  open(node: NodeId, flags: number, context: Context): Awaitable<OpenFile>;
  /** Up to `size` bytes; fewer only at the end of the file. */
  read(node: NodeId, handle: Handle, offset: number, size: number, context: Context): Awaitable<Uint8Array>;
  /** Bytes that `read` gave have been sent: their memory may be used again. */
  sent?(bytes: Uint8Array): void;
  release(node: NodeId, handle: Handle): void;
  statfs(context: Context): Awaitable<FileSystemStatistics>;
  /** The value, or undefined where there is none (ENODATA). */
  getxattr(node: NodeId, name: string, context: Context): Awaitable<Uint8Array | undefined>;
  listxattr(node: NodeId, context: Context): Awaitable<readonly string[]>;
  /** The mount is gone (unmounted, or the driver failed); called once. */
  destroy(): void;
}

/** What the kernel keeps, and how it is told that something changed. Each call resolves when the kernel has done it. */
export interface KernelCache {
  /** Whether the calls below do anything; without it, time-outs must be short. */
  readonly canInvalidate: boolean;
  /**
   * Forget attributes and, from `offset` on (−1: only the attributes), cached pages or directory entries.
   * @returns false if the kernel did not know the node
   */
  invalidateNode(node: NodeId, offset?: number): Promise<boolean>;
  /** Forget a name in a folder (also one remembered as missing). */
  invalidateEntry(parent: NodeId, name: string): Promise<void>;
}

export interface MountOptions {
  readonly mountpoint: string;
  /** `fsname`, the first column of `findmnt`. */
  readonly source: string;
  readonly allowOther: boolean;
  /** Also without this, a file system that has no `writable` is mounted read-only. */
  readonly readOnly: boolean;
  /** Owner of the mount as mount(2) sees it. */
  readonly uid: number;
  readonly gid: number;
  /** Generic options of mount(8), e.g. `noexec`, `noatime`; `nosuid` and `nodev` are set unless `suid`, `dev` are named. */
  readonly generic: readonly string[];
  /** Takes errors that are no `Failure`, and what the driver had to do without. */
  readonly log: Log;
}

export interface Mounted {
  readonly driver: DriverName;
  readonly passthrough: boolean;
  readonly kernel: KernelCache;
  /** Resolves when the mount has ended, however it ended; rejects never. */
  readonly ended: Promise<void>;
  /** Unmounts; `Failure('unmount-busy')` if something is open and `force` is not set. */
  unmount(force: boolean): Promise<void>;
}

export type DriverName = 'kernel' | 'fuse-native';

export interface Driver {
  readonly name: DriverName;
  /** Mounts; resolves when the kernel has been answered and operations flow. */
  mount(fileSystem: FileSystem, options: MountOptions): Promise<Mounted>;
}
