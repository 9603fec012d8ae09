import type { Readable } from 'node:stream';
import type { PlatformRules } from '../names/platform.js';
import type { PlatformName } from '../names/platforms.js';

export type HashKind = 'md5' | 'sha1' | 'sha256' | 'quickxor' | 'dropbox' | 'crc32';

export interface ContentHash {
  readonly kind: HashKind;
  /** Hexadecimal, lower case. */
  readonly value: string;
}

/** A file or folder of a target, as it is stored there. */
export interface TargetItem {
  /** Path from the target's root, names separated by `/`, no leading or trailing slash; the root itself is `''`. */
  readonly path: string;
  readonly name: string;
  readonly folder: boolean;
  /** Bytes; 0 for a folder. */
  readonly size: number;
  /** Seconds since the epoch, as exact as the target keeps them; undefined where it keeps none. */
  readonly mtime: number | undefined;
  readonly hash?: ContentHash;
  readonly hidden?: boolean;
  /**
   * Identifies the item also after a move, where the target provides that; another item with the same name has another
   * id.
   */
  readonly id?: string;
  /** Only its owner may read it; absent where the target keeps no permissions. */
  readonly ownerOnly?: boolean;
  /**
   * The item exists but cannot be copied: a symbolic link, a socket, a device (`type`), or a name that is not text
   * (`name`, with U+FFFD for its invalid bytes). It is never followed, read or replaced.
   */
  readonly unusable?: 'type' | 'name';
}

/**
 * State of a file as the caller last saw it. Where both sides have a version, or a hash of the same kind, that is
 * compared; else size and time.
 */
export interface SeenContent {
  readonly size: number;
  readonly mtime: number | undefined;
  readonly hash?: ContentHash;
  /** The version's id, on a platform with versions. */
  readonly version?: string;
}

/** Where deleted and replaced items are kept, and for how long. */
export interface Trash {
  /** `2026-01-31`: name of the day's folder in `.procorefs-trash`. */
  readonly day: string;
  /** Minimum number of days that the item is kept. */
  readonly days: number;
  /** Id of the job that puts the item there: letters, digits and dashes. */
  readonly job: string;
  /** Name of the job, for people. */
  readonly by: string;
}

/** A day's folder that was removed from the trash. */
export interface Emptied {
  /** The folder, with a file system of its own, that contained the trash; absent: the root. */
  readonly top?: string;
  readonly day: string;
  /** Days that it was kept. */
  readonly days: number;
  /** Ids of the jobs whose notes say that they put something there. */
  readonly jobs: readonly string[];
}

/** How an item is removed from its place. */
export interface DiscardOptions<Item extends TargetItem = TargetItem> {
  /**
   * Whether an item below the removed folder is one that the caller has seen, in the same state. Called for every item,
   * each folder before its content, before anything is changed. Absent: the folder must be empty.
   */
  isSeen?(below: Item): boolean;
  /** Absent: the item is removed for good. */
  readonly trash?: Trash;
  readonly signal: AbortSignal;
}

/** The `id` of a folder on which another file system is mounted. */
export const MOUNT_ID = 'mount';

/** What a target supports: its platform's row, and what was detected when it was opened. */
export interface TargetRules {
  readonly platform: PlatformName;
  /** Limits of names and paths (from the target's root). */
  readonly names: PlatformRules;
  /** `A.txt` and `a.txt` are one file. */
  readonly caseInsensitive: boolean;
  /** Composed and decomposed characters are equal: a listing may show a name in another form than it was written in. */
  readonly normalizes: boolean;
  /** Bytes of the largest file; undefined: no limit. */
  readonly maxFileSize: number | undefined;
  /** File extensions that are refused, lower case, with their dot. */
  readonly restrictedTypes: readonly string[];
  /** Seconds: times that differ by less than this are equal. */
  readonly timeGrain: number;
  /** Writes can set the time of modification. */
  readonly setsTimes: boolean;
  /** A file is replaced atomically: readers see the old bytes or the new ones. */
  readonly replacesAtOnce: boolean;
  /** An interrupted write continues where it stopped. */
  readonly resumes: boolean;
  /** Folders are items of their own, so that empty ones exist. */
  readonly emptyFolders: boolean;
  /** Hashes that `list` and `stat` return, or that `write` verifies with the server. */
  readonly hashes: readonly HashKind[];
  /** Number of parallel writes that the target handles well. */
  readonly parallelWrites: number;
  /** Items can be restricted to their owner: folders 0700, files 0600. */
  readonly keepsPrivacy: boolean;
  /** Forms of content that the target reads in place; any other is first copied to a local file. */
  readonly reads: readonly ContentForm[];
}

/** How content can be read: by `Content.open`, as `Content.file`, or as `Content.descriptor`. */
export type ContentForm = 'stream' | 'file' | 'descriptor';

/** Bytes to be written to a target. */
export interface Content {
  /** A stream of the bytes from `start` on; called again when an interrupted write continues. */
  open(start: number, signal: AbortSignal): Promise<Readable>;
  /** The path of a regular file (as lstat(2) sees it) with exactly these bytes, if there is one. It must not change. */
  readonly file?: string;
  /**
   * A descriptor of this process, open for reading, of a file with exactly these bytes, if there is one. Its offset
   * must not be used. Other programs see it as a symbolic link in `/proc`, which not all of them follow.
   */
  readonly descriptor?: number;
}

export interface WriteOptions {
  /** Bytes. Content of any other length fails with `target-damaged`. */
  readonly size: number;
  /** Seconds since the epoch; absent: chosen by the target. */
  readonly mtime?: number;
  /** Hash of the whole content: verified before the file gets its name. */
  readonly hash?: ContentHash;
  /** The replaced file goes to the trash in the same step; absent: it is removed for good. */
  readonly trash?: Trash;
  /**
   * Identifies these bytes: an interrupted write of them is continued. Without it, or a hash, the write starts anew.
   */
  readonly version?: string;
  /** Identifies the writer: no other writer continues this write or writes into its part. */
  readonly writer?: string;
  /**
   * State of the file under this name as the caller saw it; null: no such file. If another state is found just before
   * the new file takes the name, the write fails with `target-changed`. Absent: any file is replaced.
   */
  readonly expected?: SeenContent | null;
  /** Restricted to its owner from the first byte on, if `rules.keepsPrivacy`. */
  readonly private?: boolean;
  /** Called from time to time with the number of bytes that have arrived. */
  progress?(bytes: number): void;
  /** All bytes have arrived. While the write waits for the target's disk, other files can be sent. */
  arrived?(): void;
  readonly signal: AbortSignal;
}

/** The result that `connections test` shows. */
export interface TargetTest {
  readonly root: string;
  readonly writable: boolean;
  /** Why the target cannot be used. */
  readonly why?: string;
  /** Bytes; undefined where the target does not report it. */
  readonly free?: number;
  readonly total?: number;
  /** `ext4`, `SMB 3.1.1`, `webdav`, … */
  readonly kind: string;
}

/**
 * A tree of files: a folder, a share, a server, a cloud. Paths are those of `TargetItem.path`; a path that could lead
 * out of the root (`..`, an empty name, a symbolic link on the way) fails with `target-outside` or
 * `target-name-refused`. Names that the target cannot hold fail with `target-name-refused`: encoding them is the
 * caller's work. All methods throw Failures of `catalogue-targets.ts`, or the signal's reason; after
 * `target-unreachable`, `target-throttled` and `target-busy` the same call may succeed later.
 *
 * Names that begin with `.procorefs-`, in any folder, belong to this target or to another one within it: they are never
 * listed and never accepted for other items. An item that was detached by a process that ended is restored, or put into
 * the trash, by the next listing of its folder.
 */
export interface Target {
  readonly rules: TargetRules;
  /** For messages: `/srv/share`, `//server/share/a`, `webdav:a`. */
  readonly root: string;
  /** For a folder of this machine: the mount point of its file system. */
  readonly mountpoint?: string | undefined;
  /**
   * The children of one folder, sorted by name in the order of UTF-16 code units, so that two trees can be merged.
   * Parts of interrupted writes that were not continued for a week are removed as well.
   * @throws Failure `target-missing`
   */
  list(folder: string, signal: AbortSignal): AsyncIterable<TargetItem>;
  /**
   * Whether an item that neither `list` nor `stat` finds is detached (renamed for a moment) because it is about to be
   * replaced: then it is not missing.
   */
  isDetached(path: string, signal: AbortSignal): Promise<boolean>;
  /** Undefined: the item does not exist. */
  stat(path: string, signal: AbortSignal): Promise<TargetItem | undefined>;
  /** The bytes of a file from `start` on. The stream fails with a Failure as well. @throws Failure `target-missing` */
  read(path: string, options: { readonly start?: number; readonly signal: AbortSignal }): Promise<Readable>;
  /**
   * Writes a file; its folder must exist. The file gets its name when its bytes are complete, verified and on the
   * target's disk, as far as the target reports that; a file with that name is replaced. After a failure the next write
   * of the same content by the same writer continues where this one stopped, if `rules.resumes` and a version or hash
   * proves that the content is the same. The replaced file must be the `expected` one; any other is put back.
   */
  write(path: string, content: Content, options: WriteOptions): Promise<TargetItem>;
  /**
   * Creates a folder and its missing parents; an existing folder is left as it is.
   * @param options private: restricted to its owner, if `rules.keepsPrivacy`; created parents have the usual
   * permissions
   */
  mkdir(path: string, signal: AbortSignal, options?: { readonly private?: boolean }): Promise<void>;
  /** Removes all permissions of others from an item, if `rules.keepsPrivacy`. */
  protect(path: string, signal: AbortSignal): Promise<void>;
  /**
   * Removes an item, into the trash or for good. A file is removed only while it is in the state `seen`, a folder only
   * while everything in it was seen by the caller. The item is renamed first and then checked again: another item is
   * put back under its name, or under a conflict name. A missing item is not an error.
   * @throws Failure `target-changed`: the item is not the one seen, and is kept; of a folder, all of it
   */
  discard(seen: TargetItem, options: DiscardOptions): Promise<void>;
  /** Removes an empty folder. A missing one is not an error. @throws Failure `target-not-empty` */
  removeFolder(path: string, signal: AbortSignal): Promise<void>;
  /** Moves or renames a file or folder; no item may exist at `to`. @throws Failure `target-exists`, `target-missing` */
  move(from: string, to: string, signal: AbortSignal): Promise<void>;
  /** Sets a time of modification, if `rules.setsTimes`; that of a folder as far as the target can. */
  setTime(path: string, mtime: number, signal: AbortSignal): Promise<void>;
  /**
   * Removes items from the trash after the time in their notes. A day's folder without a note is kept for `days`, and
   * for at least 30.
   * @param today `2026-01-31`
   */
  emptyTrash(
    options: { readonly today: string; readonly days: number },
    signal: AbortSignal,
  ): Promise<readonly Emptied[]>;
  /** Checks that the target is reachable and writable; leaves nothing behind. */
  test(signal: AbortSignal): Promise<TargetTest>;
  close(): Promise<void>;
}
