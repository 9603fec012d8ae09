/**
 * The FUSE kernel protocol as data: numbers, flags and struct layouts of `linux/fuse.h`. Those of one operation stand
 * beside it, in `reading.ts` and `writing.ts`. A test compares all with the compiled header. Anything newer than protocol
 * 7.38 cites the kernel release that added it.
 */

/** The protocol version of this driver: 7.40 added passthrough (Linux 6.9); older kernels use their own minor. */
export const PROTOCOL = { major: 7, minor: 40, oldestMinor: 31 } as const;

/** Requests that are no operations of a file system, or that no file system serves. */
export const opcode = {
  FORGET: 2,
  READLINK: 5,
  INIT: 26,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  INTERRUPT: 36,
  BMAP: 37,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  LSEEK: 46,
  SETUPMAPPING: 48,
  REMOVEMAPPING: 49,
  SYNCFS: 50,
  TMPFILE: 51,
} as const;

/** INC_EPOCH: Linux 6.16 (protocol 7.44), `include/uapi/linux/fuse.h`. */
export const notifyCode = { INVAL_INODE: 2, INVAL_ENTRY: 3, INC_EPOCH: 8 } as const;
export const INC_EPOCH_MINOR = 44;

/** INIT flags, low 32 bits. */
export const initFlag = {
  ASYNC_READ: 2 ** 0,
  ATOMIC_O_TRUNC: 2 ** 3,
  BIG_WRITES: 2 ** 5,
  DO_READDIRPLUS: 2 ** 13,
  ASYNC_DIO: 2 ** 15,
  PARALLEL_DIROPS: 2 ** 18,
  MAX_PAGES: 2 ** 22,
  HANDLE_KILLPRIV_V2: 2 ** 28,
  INIT_EXT: 2 ** 30,
} as const;

/** INIT flags of the upper word (`flags2`). FUSE_PASSTHROUGH is bit 37: Linux 6.9, `include/uapi/linux/fuse.h`. */
export const initFlag2 = { PASSTHROUGH: 2 ** 5 } as const;

export const openFlag = {
  DIRECT_IO: 2 ** 0,
  KEEP_CACHE: 2 ** 1,
  CACHE_DIR: 2 ** 3,
  NOFLUSH: 2 ** 5,
} as const;

/** Linux 6.9, `include/uapi/linux/fuse.h`. */
export const OPEN_PASSTHROUGH = 2 ** 7;

/** `_IOW(229, 1, struct fuse_backing_map)` and `_IOW(229, 2, uint32_t)`: Linux 6.9, `include/uapi/linux/fuse.h`. */
export const ioctlCode = { BACKING_OPEN: 0x4010e501, BACKING_CLOSE: 0x4004e502 } as const;

/** The smallest buffer that the kernel reads requests into (FUSE_MIN_READ_BUFFER). */
export const MIN_READ_BUFFER = 8192;

const sizes = { u16: 2, u32: 4, i32: 4, u64: 8, i64: 8 } as const;
type FieldType = keyof typeof sizes;

export interface Layout<Field extends string> {
  /** Bytes, padded to the alignment as C does. */
  readonly size: number;
  /** Byte offset of each field. */
  readonly at: Readonly<Record<Field, number>>;
  /** The fields of 64 bits. */
  readonly wide: ReadonlySet<string>;
}

/** Lays out a C struct; `nested` structs and arrays are given as a size in bytes (aligned to 8). */
export function struct<Field extends string>(fields: Readonly<Record<Field, FieldType | number>>): Layout<Field> {
  const at = {} as Record<Field, number>;
  let offset = 0;
  let align = 1;
  for (const [name, type] of Object.entries(fields) as [Field, FieldType | number][]) {
    const size = typeof type === 'number' ? type : sizes[type];
    const alignment = typeof type === 'number' ? (type % 8 === 0 ? 8 : 4) : size;
    offset = Math.ceil(offset / alignment) * alignment;
    at[name] = offset;
    offset += size;
    align = Math.max(align, alignment);
  }
  const wide = new Set(Object.keys(fields).filter((name) => ['u64', 'i64'].includes(String(fields[name as Field]))));
  return { size: Math.ceil(offset / align) * align, at, wide };
}

const attr = struct({
  ino: 'u64',
  size: 'u64',
  blocks: 'u64',
  atime: 'u64',
  mtime: 'u64',
  ctime: 'u64',
  atimensec: 'u32',
  mtimensec: 'u32',
  ctimensec: 'u32',
  mode: 'u32',
  nlink: 'u32',
  uid: 'u32',
  gid: 'u32',
  rdev: 'u32',
  blksize: 'u32',
  flags: 'u32',
});

const entryOut = struct({
  nodeid: 'u64',
  generation: 'u64',
  entry_valid: 'u64',
  attr_valid: 'u64',
  entry_valid_nsec: 'u32',
  attr_valid_nsec: 'u32',
  attr: attr.size,
});

const dirent = struct({ ino: 'u64', off: 'u64', namelen: 'u32', type: 'u32' });

/**
 * The structs that are not of one operation, by their names in the header without `fuse_`. The name of a directory entry
 * follows its struct.
 */
export const structs = {
  attr,
  entry_out: entryOut,
  dirent,
  direntplus: struct({ entry_out: entryOut.size, dirent: dirent.size }),
  in_header: struct({
    len: 'u32',
    opcode: 'u32',
    unique: 'u64',
    nodeid: 'u64',
    uid: 'u32',
    gid: 'u32',
    pid: 'u32',
    total_extlen: 'u16',
    padding: 'u16',
  }),
  out_header: struct({ len: 'u32', error: 'i32', unique: 'u64' }),
  init_in: struct({ major: 'u32', minor: 'u32', max_readahead: 'u32', flags: 'u32', flags2: 'u32', unused: 44 }),
  /** `max_stack_depth` follows `flags2` since Linux 6.9 (in the older header it is `unused[0]`). */
  init_out: struct({
    major: 'u32',
    minor: 'u32',
    max_readahead: 'u32',
    flags: 'u32',
    max_background: 'u16',
    congestion_threshold: 'u16',
    max_write: 'u32',
    time_gran: 'u32',
    max_pages: 'u16',
    map_alignment: 'u16',
    flags2: 'u32',
    unused: 28,
  }),
  attr_out: struct({ attr_valid: 'u64', attr_valid_nsec: 'u32', dummy: 'u32', attr: attr.size }),
  /** The last field is `padding` in older headers, `backing_id` since Linux 6.9. */
  open_out: struct({ fh: 'u64', open_flags: 'u32', padding: 'i32' }),
  interrupt_in: struct({ unique: 'u64' }),
  notify_inval_inode_out: struct({ ino: 'u64', off: 'i64', len: 'i64' }),
  notify_inval_entry_out: struct({ parent: 'u64', namelen: 'u32', flags: 'u32' }),
} as const;
