import type { FileNumber, NodeId } from '../base/ids.js';
import type { Log } from '../base/log.js';

/**
 * The interface between drivers and file systems. Both drivers use it; `vfs` implements `FileSystem`. Operations answer
 * synchronously (much cheaper than an `async` function) or with a promise, and fail with a `Failure`, whose errno the
 * driver sends (any other error becomes EIO and is logged). Drivers mount with `default_permissions`: the kernel checks
 * modes and owners itself.
 */
export type Awaitable<T> = T | Promise<T>;

/** Applies `work` to the result: synchronously unless the result is a promise. */
export function after<T, R>(result: Awaitable<T>, work: (value: T) => R): Awaitable<R> {
  return result instanceof Promise ? result.then(work) : work(result);
}

/** The caller of a request, and whether it still waits for the answer. */
export interface Context {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  /** Aborted when the kernel interrupts the request (a signal to the caller). Made on first use. */
  readonly signal: AbortSignal;
}

export interface Attributes {
  /** `st_ino`: the same for all versions of a file. */
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
  /** The same node id with another generation is another node to the kernel. 0 if absent. */
  readonly generation?: number;
  readonly attributes: Attributes;
  /** Seconds for which the kernel may keep name and attributes. A driver that cannot invalidate shortens them. */
  readonly entryTimeout: number;
  readonly attributeTimeout: number;
}

/** A name known not to exist; the kernel may cache that for `entryTimeout` seconds. */
export interface NoEntry {
  readonly node: undefined;
  readonly entryTimeout: number;
}

export interface DirectoryEntry {
  readonly name: string;
  /** The position at which the next `readdir` continues after this entry. Greater than 0; increases in a directory. */
  readonly cookie: number;
  /** Undefined for "." and "..", for which only type and number are reported. */
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
  /** `false`: the kernel's cached pages of the node may be stale and must be dropped. */
  readonly keepCache?: false;
  readonly handle: Handle;
  /**
   * A local file with the whole content: if kernel and privileges permit, the kernel serves this handle from it without
   * the daemon (FUSE_PASSTHROUGH). The file system closes it in `release`; a driver must not use it after that.
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

/** What setattr changes; absent attributes stay. Times are seconds since the epoch, with "now" resolved. */
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
 * When the kernel writes to the `backingFd` itself (passthrough), the file system gets no `write`: size and times are
 * those of the backing file, and must be read again at `flush`, `fsync` and `release`. While any handle of a node is
 * open, all its `backingFd` must be the same file, opened for reading and writing if any handle writes.
 */
export interface WritableFileSystem {
  setattr(node: NodeId, changes: AttributeChanges, handle: Handle | undefined, context: Context): Awaitable<Entry>;
  /** `flags` as in open(2) with O_CREAT (the kernel driver passes O_EXCL on); `mode` after the caller's umask. */
  create(parent: NodeId, name: string, mode: number, flags: number, context: Context): Awaitable<CreatedFile>;
  /** Writes all of `data`, which is valid until the operation is answered. Returns the number of bytes written. */
  write(node: NodeId, handle: Handle, offset: number, data: Uint8Array, context: Context): Awaitable<number>;
  /** close(2) of one descriptor that can write; other descriptors of the same handle may stay open. */
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
  /** Returns the number of bytes copied. On EOPNOTSUPP or EXDEV the kernel copies by reads and writes. */
  copyFileRange(from: FilePosition, to: FilePosition, length: number, context: Context): Awaitable<number>;
  /** `create`: fail if the attribute exists (XATTR_CREATE); `replace`: fail if it does not (XATTR_REPLACE). */
  setxattr(
    node: NodeId,
    name: string,
    value: Uint8Array,
    condition: 'create' | 'replace' | undefined,
    context: Context,
  ): Awaitable<void>;
  removexattr(node: NodeId, name: string, context: Context): Awaitable<void>;
  /** The driver has answered EPERM to an attempt to create such an item. */
  forbidden(what: ForbiddenItem, context: Context): void;
}

export interface FileSystem {
  /** The operations that change something; absent on a read-only file system. */
  readonly writable?: WritableFileSystem;
  /** The driver is running; `kernel` accepts invalidations from now on. */
  mounted(kernel: KernelCache): void;
  lookup(parent: NodeId, name: string, context: Context): Awaitable<Entry | NoEntry>;
  getattr(node: NodeId, handle: Handle | undefined, context: Context): Awaitable<Entry>;
  opendir(node: NodeId, context: Context): Awaitable<Handle>;
  /**
   * Entries after `cookie` (0 = from the start), with "." and "..": at least one unless the end is reached, at most
   * about `limit`. Entries that do not fit into the kernel's buffer are requested again.
   */
  readdir(node: NodeId, handle: Handle, cookie: number, limit: number, context: Context): Awaitable<DirectoryPage>;
  releasedir(node: NodeId, handle: Handle): void;
  /** Whether the kernel must not cache the listing of this directory, as it is not notified of changes to it. */
  isListedAnew?(node: NodeId): boolean;
  /** `flags` as in open(2). O_TRUNC is done here (kernel driver), or arrives as setattr before. */
  open(node: NodeId, flags: number, context: Context): Awaitable<OpenFile>;
  /** Up to `size` bytes; fewer only at the end of the file. */
  read(node: NodeId, handle: Handle, offset: number, size: number, context: Context): Awaitable<Uint8Array>;
  /** Bytes that `read` returned have been sent: their memory may be reused. */
  sent?(bytes: Uint8Array): void;
  release(node: NodeId, handle: Handle): void;
  statfs(context: Context): Awaitable<FileSystemStatistics>;
  /** The value, or undefined where there is none (ENODATA). */
  getxattr(node: NodeId, name: string, context: Context): Awaitable<Uint8Array | undefined>;
  listxattr(node: NodeId, context: Context): Awaitable<readonly string[]>;
  /** The mount has ended (unmounted, or the driver failed); called once. */
  destroy(): void;
}

/** Invalidates what the kernel has cached. Each call resolves when the kernel has done it. */
export interface KernelCache {
  /** Whether the calls below have an effect; if not, time-outs must be short. */
  readonly canInvalidate: boolean;
  /**
   * Drops cached attributes and, from `offset` on (−1: only the attributes), cached pages or directory entries.
   * @returns false if the kernel did not know the node
   */
  invalidateNode(node: NodeId, offset?: number): Promise<boolean>;
  /** Drops a cached name of a folder (also one cached as missing). */
  invalidateEntry(parent: NodeId, name: string): Promise<void>;
}

export interface MountOptions {
  readonly mountpoint: string;
  /** `fsname`, the first column of `findmnt`. */
  readonly source: string;
  readonly allowOther: boolean;
  /** A file system without `writable` is mounted read-only in any case. */
  readonly readOnly: boolean;
  /** Owner of the mount as mount(2) sees it. */
  readonly uid: number;
  readonly gid: number;
  /** Options of mount(8), e.g. `noexec`, `noatime`. `nosuid` and `nodev` are set unless `suid`, `dev` are named. */
  readonly generic: readonly string[];
  /** Receives errors that are no `Failure`, and features that the driver had to do without. */
  readonly log: Log;
}

export interface Mounted {
  readonly driver: DriverName;
  readonly passthrough: boolean;
  readonly kernel: KernelCache;
  /** Resolves when the mount has ended, in whatever way; never rejects. */
  readonly ended: Promise<void>;
  /** Unmounts; `Failure('unmount-busy')` if something is open and `force` is not set. */
  unmount(force: boolean): Promise<void>;
}

export type DriverName = 'kernel' | 'fuse-native';

export interface Driver {
  readonly name: DriverName;
  /** Mounts; resolves when FUSE_INIT has been answered and operations are served. */
  mount(fileSystem: FileSystem, options: MountOptions): Promise<Mounted>;
}
