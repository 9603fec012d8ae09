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
  /** From the target's root, names separated by `/`, no slash before or after it; the root itself is `''`. */
  readonly path: string;
  readonly name: string;
  readonly folder: boolean;
  /** Bytes; 0 for a folder. */
  readonly size: number;
  /** Seconds since the epoch, as exact as the target keeps them; undefined where it keeps none. */
  readonly mtime: number | undefined;
  readonly hash?: ContentHash;
  readonly hidden?: boolean;
  /** Tells this item from another that takes its name, also after it was moved, where the target says so. */
  readonly id?: string;
  /** Nobody but its owner may read it; absent where the target keeps no permissions. */
  readonly ownerOnly?: boolean;
  /**
   * What takes the name but cannot be copied: a symbolic link, a socket, a device (`type`), or a name that is not text
   * (`name`, with U+FFFD for its bad bytes). It is never followed, read or replaced.
   */
  readonly unusable?: 'type' | 'name';
}

/** What somebody saw of a file. Where both sides know a version, or a hash of one kind, that decides; else size and time do. */
export interface SeenContent {
  readonly size: number;
  readonly mtime: number | undefined;
  readonly hash?: ContentHash;
  /** As a platform with versions names the content. */
  readonly version?: string;
}

/** Where what leaves its place stays for a while, and for how long. */
export interface Trash {
  /** `2026-01-31`: the day's folder in `.procorefs-trash`. */
  readonly day: string;
  /** Days that it stays at least. */
  readonly days: number;
  /** Id of the job that puts it there: letters, digits and dashes. */
  readonly job: string;
  /** Who that is, for people. */
  readonly by: string;
}

/** A day's folder of the trash that is gone. */
export interface Emptied {
  /** The folder with a file system of its own that it was in; absent: the root. */
  readonly top?: string;
  readonly day: string;
  /** Days that it was kept. */
  readonly days: number;
  /** Ids of the jobs that noted that they put something there. */
  readonly jobs: readonly string[];
}

/** How an item leaves its place. */
export interface DiscardOptions<Item extends TargetItem = TargetItem> {
  /**
   * Whether an item below the folder that goes is one that was seen, as it was seen. All of them are asked about, each
   * folder before what is in it, before anything is touched. Absent: nothing may be in the folder.
   */
  isSeen?(below: Item): boolean;
  /** Absent: it is gone. */
  readonly trash?: Trash;
  readonly signal: AbortSignal;
}

/** The `id` of a folder on which another file system is mounted. */
export const MOUNT_ID = 'mount';

/** What a target can do: its platform's row, and what was found when it was opened. */
export interface TargetRules {
  readonly platform: PlatformName;
  /** What names and paths (from the target's root) may be. */
  readonly names: PlatformRules;
  /** `A.txt` and `a.txt` are one file. */
  readonly caseInsensitive: boolean;
  /** Composed and decomposed characters are one: a name may be listed in another form than it was given in. */
  readonly normalizes: boolean;
  /** Bytes of the largest file; undefined: no limit. */
  readonly maxFileSize: number | undefined;
  /** Endings of names that are refused, lower case, with their dot. */
  readonly restrictedTypes: readonly string[];
  /** Seconds: times that differ by less are equal. */
  readonly timeGrain: number;
  /** Writes can say the time of modification. */
  readonly setsTimes: boolean;
  /** A file is replaced in one step: readers see the old bytes or the new ones. */
  readonly replacesAtOnce: boolean;
  /** A write that was cut goes on where it stopped. */
  readonly resumes: boolean;
  /** Folders exist of themselves, also empty ones. */
  readonly emptyFolders: boolean;
  /** Hashes that `list` and `stat` give, or `write` checks with the server. */
  readonly hashes: readonly HashKind[];
  /** Writes at once that the target takes well. */
  readonly parallelWrites: number;
  /** Items can be for their owner alone: folders 0700, files 0600. */
  readonly keepsPrivacy: boolean;
  /** Forms of content that it reads where they lie; of all others it makes a local file first. */
  readonly reads: readonly ContentForm[];
}

/** How content can be read: by `Content.open`, as `Content.file`, or as `Content.descriptor`. */
export type ContentForm = 'stream' | 'file' | 'descriptor';

/** Bytes that go to a target. */
export interface Content {
  /** A stream of the bytes from `start` on; called again when a write goes on after a break. */
  open(start: number, signal: AbortSignal): Promise<Readable>;
  /** The path of a regular file (as lstat(2) sees it) that holds just these bytes, if there is one. It must not change. */
  readonly file?: string;
  /**
   * A descriptor of this process, open for reading, of a file that holds just these bytes, if there is one. Its offset
   * is not to be used. To other programs it is a symbolic link in `/proc`, which not all of them follow.
   */
  readonly descriptor?: number;
}

export interface WriteOptions {
  /** Bytes. Content of another length fails with `target-damaged`. */
  readonly size: number;
  /** Seconds since the epoch; left to the target when absent. */
  readonly mtime?: number;
  /** Of the whole content: checked before the file gets its name. */
  readonly hash?: ContentHash;
  /** What had the name goes to the trash in the same step; else it is gone. */
  readonly trash?: Trash;
  /** Names these very bytes: a cut write of them is continued. Without it, or a hash, it begins anew. */
  readonly version?: string;
  /** Whose write it is: nobody continues, or writes into, what another one has begun. */
  readonly writer?: string;
  /**
   * What the caller saw under this name; null: nothing. If something else is there just before the new file would take
   * the name: `target-changed`. Left out: whatever is there is replaced.
   */
  readonly expected?: SeenContent | null;
  /** For its owner alone, from its first byte on, if `rules.keepsPrivacy`. */
  readonly private?: boolean;
  /** Bytes that have arrived so far, from time to time. */
  progress?(bytes: number): void;
  /** All bytes have arrived; what is left is a wait for the target's disk, in which other files can come. */
  arrived?(): void;
  readonly signal: AbortSignal;
}

/** What `connections test` shows. */
export interface TargetTest {
  readonly root: string;
  readonly writable: boolean;
  /** Why not. */
  readonly why?: string;
  /** Bytes; undefined where the target does not say. */
  readonly free?: number;
  readonly total?: number;
  /** `ext4`, `SMB 3.1.1`, `webdav`, … */
  readonly kind: string;
}

/**
 * A tree of files somewhere: a folder, a share, a server, a cloud. Paths are those of `TargetItem.path`; one that could
 * lead out of the root (`..`, an empty name, a symbolic link on the way) fails with `target-outside` or
 * `target-name-refused`. Names that the target cannot hold fail with `target-name-refused`: making them fit is the
 * caller's work. All methods throw Failures of `catalogue-targets.ts`, or the signal's reason; after
 * `target-unreachable`, `target-throttled` and `target-busy` the same call may succeed later.
 *
 * What begins with `.procorefs-`, in any folder, is the target's own, or that of another one that lies in it: never listed,
 * and no names for others. What a change was about when its process ended is brought back, or put into the trash, by the
 * next listing of its folder.
 */
export interface Target {
  readonly rules: TargetRules;
  /** For messages: `/srv/share`, `//server/share/a`, `webdav:a`. */
  readonly root: string;
  /** Of a folder of this machine: where the file system is mounted that it lies on. */
  readonly mountpoint?: string | undefined;
  /**
   * The children of one folder, sorted by name in the order of UTF-16 code units, so that two trees can be merged.
   * Parts of broken writes that nobody continued for a week are removed on the way.
   * @throws Failure `target-missing`
   */
  list(folder: string, signal: AbortSignal): AsyncIterable<TargetItem>;
  /**
   * Whether an item that a listing and a look do not show has another name for the moment, because somebody is about to
   * replace it: then it is not missing.
   */
  isAside(path: string, signal: AbortSignal): Promise<boolean>;
  /** Undefined: there is no such item. */
  stat(path: string, signal: AbortSignal): Promise<TargetItem | undefined>;
  /** The bytes of a file from `start` on. The stream fails with a Failure as well. @throws Failure `target-missing` */
  read(path: string, options: { readonly start?: number; readonly signal: AbortSignal }): Promise<Readable>;
  /**
   * Writes a file; its folder must exist. It gets its name when its bytes are complete, checked and on the target's
   * disk, as far as it says so; what had the name is replaced. After a failure the next write of the same content by
   * the same writer goes on where this one stopped, if `rules.resumes` and a version or hash says that it is the same. What is replaced must be what was `expected`; what turns out to be
   * another file goes back.
   */
  write(path: string, content: Content, options: WriteOptions): Promise<TargetItem>;
  /**
   * Makes a folder, and those above it; one that is there is fine, and stays as it is.
   * @param options private: for its owner alone, if `rules.keepsPrivacy`; those above it are as others
   */
  mkdir(path: string, signal: AbortSignal, options?: { readonly private?: boolean }): Promise<void>;
  /** Takes from an item what others may do with it, if `rules.keepsPrivacy`. */
  protect(path: string, signal: AbortSignal): Promise<void>;
  /**
   * Takes an item away, into the trash or for good. A file goes only while it is what `seen` says, a folder only while all
   * that is in it is what the caller has seen. It is renamed first, and looked at again: what turns out to be another one
   * goes back under its name, or under that of a conflict. Missing is fine.
   * @throws Failure `target-changed`: it is not what was seen, and is kept; of a folder, all of it
   */
  discard(seen: TargetItem, options: DiscardOptions): Promise<void>;
  /** Removes an empty folder. Missing is fine. @throws Failure `target-not-empty` */
  removeFolder(path: string, signal: AbortSignal): Promise<void>;
  /** Moves or renames a file or folder; the new place must be free. @throws Failure `target-exists`, `target-missing` */
  move(from: string, to: string, signal: AbortSignal): Promise<void>;
  /** Sets a time of modification, if `rules.setsTimes`; a folder's as far as the target can. */
  setTime(path: string, mtime: number, signal: AbortSignal): Promise<void>;
  /**
   * Removes what has been in the trash as long as was noted when it went there. What nobody noted anything of stays for
   * `days`, and for 30 at least.
   * @param today `2026-01-31`
   */
  emptyTrash(
    options: { readonly today: string; readonly days: number },
    signal: AbortSignal,
  ): Promise<readonly Emptied[]>;
  /** Looks whether the target is there and may be written; leaves nothing behind. */
  test(signal: AbortSignal): Promise<TargetTest>;
  close(): Promise<void>;
}
