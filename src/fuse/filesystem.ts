import type { FileNumber, NodeId } from '../base/ids.js';

/** What drivers and file systems exchange: the values that operations take and answer. */

/** An answer, given at once (much cheaper than an `async` function) or by a promise. */
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

export interface OpenedFolder {
  /** `false`: the kernel must not cache the listing, as it is not notified of changes to it. */
  readonly keepCache?: false;
  readonly handle: Handle;
}

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

/** Bytes that were read. */
export interface ReadBytes {
  readonly bytes: Uint8Array;
  /** To be called with `bytes` once they have been sent: their memory is then used for other bytes. */
  readonly release?: (bytes: Uint8Array) => void;
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

export type ForbiddenItem = 'symbolic link' | 'hard link' | 'device or socket';

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
