import type { NodeId } from '../base/ids.js';
import type {
  AttributeChanges,
  Awaitable,
  Context,
  CreatedFile,
  DirectoryPage,
  Entry,
  FileSystemStatistics,
  ForbiddenItem,
  Handle,
  KernelCache,
  NoEntry,
  OpenedFolder,
  OpenFile,
  ReadBytes,
} from './filesystem.js';

/**
 * The operations of a file system: their signatures, and a table with what wrappers need to know of each. Both drivers
 * call them; `vfs` implements them. Operations fail with a `Failure`, whose errno the driver sends (any other error
 * becomes EIO and is logged). Drivers mount with `default_permissions`: the kernel checks modes and owners itself.
 */
export interface FileSystem extends ReadingOperations {
  /** The operations that change something; a file system without them is mounted read-only. */
  readonly writable?: WritingOperations;
  /** The driver is running; `kernel` accepts invalidations from now on. */
  mounted(kernel: KernelCache): void;
  /** The mount has ended (unmounted, or the driver failed); called once. */
  destroy(): void;
}

export interface ReadingOperations {
  lookup(parent: NodeId, name: string, context: Context): Awaitable<Entry | NoEntry>;
  getattr(node: NodeId, handle: Handle | undefined, context: Context): Awaitable<Entry>;
  opendir(node: NodeId, context: Context): Awaitable<OpenedFolder>;
  /**
   * Entries after `cookie` (0 = from the start), with "." and "..": at least one unless the end is reached, at most
   * about `limit`. Entries that do not fit into the kernel's buffer are requested again.
   */
  readdir(node: NodeId, handle: Handle, cookie: number, limit: number, context: Context): Awaitable<DirectoryPage>;
  releasedir(node: NodeId, handle: Handle): void;
  /** `flags` as in open(2). O_TRUNC is done here (kernel driver), or arrives as setattr before. */
  open(node: NodeId, flags: number, context: Context): Awaitable<OpenFile>;
  /** Up to `size` bytes; fewer only at the end of the file. */
  read(node: NodeId, handle: Handle, offset: number, size: number, context: Context): Awaitable<ReadBytes>;
  release(node: NodeId, handle: Handle): void;
  statfs(context: Context): Awaitable<FileSystemStatistics>;
  /** The value, or undefined where there is none (ENODATA). */
  getxattr(node: NodeId, name: string, context: Context): Awaitable<Uint8Array | undefined>;
  listxattr(node: NodeId, context: Context): Awaitable<readonly string[]>;
}

/** A place in an open file. */
export interface FilePosition {
  readonly node: NodeId;
  readonly handle: Handle;
  readonly offset: number;
}

/**
 * These operations are not abandoned when the caller is interrupted: `context.signal` asks to end early, with
 * `Failure('interrupted')`, and the driver waits.
 *
 * When the kernel writes to the `backingFd` itself (passthrough), the file system gets no `write`: size and times are
 * those of the backing file, and must be read again at `flush`, `fsync` and `release`. While any handle of a node is
 * open, all its `backingFd` must be the same file, opened for reading and writing if any handle writes.
 */
export interface WritingOperations {
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

/** What an operation does; `syncs`: makes durable what was changed before; `closes`: ends what another one opened. */
export type Effect = 'reads' | 'changes' | 'syncs' | 'closes';

/** The kinds of results that wrappers distinguish. */
export interface Results {
  readonly found: Entry | NoEntry;
  readonly entry: Entry;
  /** An entry of which only the attributes count. */
  readonly attributes: Entry;
  readonly created: CreatedFile;
  readonly file: OpenFile;
  readonly folder: OpenedFolder;
  readonly page: DirectoryPage;
  readonly other: unknown;
}

export type ResultKind = keyof Results;

/** `name` is one in the folder before it; `newName` is given to an item. */
export type ArgumentKind = 'node' | 'name' | 'newName' | 'position' | 'context' | 'value';

export interface OperationRow {
  readonly arguments: readonly ArgumentKind[];
  readonly effect: Effect;
  readonly result: ResultKind;
  /** What the kernel has cached and the operation makes stale: of its node, or of its folders, with their names. */
  readonly stale?: 'node' | 'names';
}

type Signature = (...values: never[]) => unknown;

type KindOf<Value> = Value extends NodeId
  ? 'node'
  : Value extends FilePosition
    ? 'position'
    : Value extends Context
      ? 'context'
      : Value extends string
        ? 'name' | 'newName' | 'value'
        : 'value';

type Named = Omit<Results, 'other'>;
/** The kinds of results that have the type of this one. */
type NamedKind<Value> = {
  [Kind in keyof Named]: [Value] extends [Named[Kind]] ? ([Named[Kind]] extends [Value] ? Kind : never) : never;
}[keyof Named];
type KindOfResult<Value> = [NamedKind<Value>] extends [never] ? 'other' : NamedKind<Value>;

type Kinds<Values extends readonly unknown[]> = { readonly [Index in keyof Values]: KindOf<Values[Index]> };

/** The rows of operations: the compiler compares each row with its signature. */
type Rows<Operations extends Record<keyof Operations, Signature>> = {
  readonly [Name in keyof Operations]: OperationRow & {
    readonly arguments: Kinds<Parameters<Operations[Name]>>;
    readonly result: KindOfResult<Awaited<ReturnType<Operations[Name]>>>;
  };
};

export const readingTable: Rows<ReadingOperations> = {
  lookup: { arguments: ['node', 'name', 'context'], effect: 'reads', result: 'found' },
  getattr: { arguments: ['node', 'value', 'context'], effect: 'reads', result: 'attributes' },
  opendir: { arguments: ['node', 'context'], effect: 'reads', result: 'folder' },
  readdir: { arguments: ['node', 'value', 'value', 'value', 'context'], effect: 'reads', result: 'page' },
  releasedir: { arguments: ['node', 'value'], effect: 'closes', result: 'other' },
  open: { arguments: ['node', 'value', 'context'], effect: 'reads', result: 'file' },
  read: { arguments: ['node', 'value', 'value', 'value', 'context'], effect: 'reads', result: 'other' },
  release: { arguments: ['node', 'value'], effect: 'closes', result: 'other', stale: 'node' },
  statfs: { arguments: ['context'], effect: 'reads', result: 'other' },
  getxattr: { arguments: ['node', 'value', 'context'], effect: 'reads', result: 'other' },
  listxattr: { arguments: ['node', 'context'], effect: 'reads', result: 'other' },
};

export const writingTable: Rows<WritingOperations> = {
  setattr: { arguments: ['node', 'value', 'value', 'context'], effect: 'changes', result: 'attributes', stale: 'node' },
  create: {
    arguments: ['node', 'newName', 'value', 'value', 'context'],
    effect: 'changes',
    result: 'created',
    stale: 'names',
  },
  write: { arguments: ['node', 'value', 'value', 'value', 'context'], effect: 'changes', result: 'other' },
  flush: { arguments: ['node', 'value', 'context'], effect: 'syncs', result: 'other', stale: 'node' },
  fsync: { arguments: ['node', 'value', 'value', 'context'], effect: 'syncs', result: 'other', stale: 'node' },
  fsyncdir: { arguments: ['node', 'value', 'context'], effect: 'syncs', result: 'other' },
  mkdir: { arguments: ['node', 'newName', 'value', 'context'], effect: 'changes', result: 'entry', stale: 'names' },
  unlink: { arguments: ['node', 'name', 'context'], effect: 'changes', result: 'other', stale: 'names' },
  rmdir: { arguments: ['node', 'name', 'context'], effect: 'changes', result: 'other', stale: 'names' },
  rename: {
    arguments: ['node', 'name', 'node', 'newName', 'value', 'context'],
    effect: 'changes',
    result: 'other',
    stale: 'names',
  },
  fallocate: { arguments: ['node', 'value', 'value', 'value', 'value', 'context'], effect: 'changes', result: 'other' },
  copyFileRange: { arguments: ['position', 'position', 'value', 'context'], effect: 'changes', result: 'other' },
  setxattr: { arguments: ['node', 'value', 'value', 'value', 'context'], effect: 'changes', result: 'other' },
  removexattr: { arguments: ['node', 'value', 'context'], effect: 'changes', result: 'other' },
  forbidden: { arguments: ['value', 'context'], effect: 'changes', result: 'other' },
};
