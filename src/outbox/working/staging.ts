import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Clock } from '../../base/clock.js';
import { diskFailure, onDisk } from '../../base/disk.js';
import { Failure } from '../../base/errors.js';
import { asInode, type Inode, type RemoteId, type VersionId } from '../../base/ids.js';
import { lastErrno, libc } from '../../fuse/libc.js';
import type { Gaps } from '../intents/intent.js';

/** Bytes. With less free space than a program writes at once, a write may have met a full disk. */
const FULL_BYTES = 2 ** 17;
/** Milliseconds for which a known amount of free space is trusted: other programs write to the disk as well. */
const SPACE_KNOWN_MS = 100;
/** fcntl(2), of Linux. */
const F_SETLEASE = 1024;
const F_RDLCK = 0;
const EAGAIN = 11;
/** Bytes. */
const PLENTY_BYTES = 2 ** 32;

const count = z.number().int().nonnegative();

/** A note is in the state folder, but a damaged one must not stop a project. */
const noteSchema = z.object({
  ino: z.number(),
  born: z.number(),
  item: count.positive(),
  version: count.positive(),
  size: count,
  missing: z
    .array(count)
    .refine((all) => all.length % 2 === 0 && all.every((at, n) => n === 0 || at > all[n - 1]!), 'not ranges'),
});

/** The folder of staging files, one per inode, and `lost+found` beside it for files that no row owns. */
export class Staging {
  readonly #folder: string;
  readonly #lost: string;
  readonly #reserve: number;
  readonly #clock: Clock;
  #space = { free: 0, at: 0 };

  /** @param reserve bytes of disk that writing leaves free */
  constructor(folder: string, reserve: number, clock: Clock) {
    this.#folder = join(folder, 'staging');
    this.#lost = join(folder, 'lost+found');
    this.#reserve = reserve;
    this.#clock = clock;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    mkdirSync(this.#lost, { recursive: true, mode: 0o700 });
  }

  /** Device number of the disk, for its present attachment. */
  get device(): number {
    return statSync(this.#folder).dev;
  }

  path(inode: Inode): string {
    return `${this.#folder}/${inode}`;
  }

  has(inode: Inode): boolean {
    return existsSync(this.path(inode));
  }

  /** Size in bytes, and mtime in milliseconds. */
  stat(inode: Inode): { readonly size: number; readonly mtimeMs: number } {
    return statSync(this.path(inode));
  }

  /** Opens a staging file for reading and writing; `fresh` makes it anew. */
  open(inode: Inode, fresh: boolean): number {
    return onDisk(() => openSync(this.path(inode), fresh ? 'w+' : 'r+', 0o600));
  }

  remove(inode: Inode): void {
    rmSync(this.path(inode), { force: true });
    this.noteGaps(inode, undefined);
  }

  /** Lets `take` move the bytes elsewhere. @returns whether it did */
  handOver(inode: Inode, take: (path: string) => boolean): boolean {
    const isTaken = take(this.path(inode));
    if (isTaken) this.noteGaps(inode, undefined);
    return isTaken;
  }

  /** Gives the bytes to another inode. */
  rename(from: Inode, to: Inode): void {
    const gaps = this.gapsOf(from);
    onDisk(() => renameSync(this.path(from), this.path(to)));
    this.noteGaps(to, gaps);
    this.noteGaps(from, undefined);
  }

  /**
   * Notes beside a staging file what it lacks, so that its bytes are worth something without a row. Undefined: nothing.
   * A note that cannot be written is left out: the row says the same.
   */
  noteGaps(inode: Inode, gaps: Gaps | undefined): void {
    const path = this.#notePath(inode);
    if (!gaps) {
      rmSync(path, { force: true, recursive: true });
      return;
    }
    try {
      writeFileSync(`${path}.new`, JSON.stringify({ ...this.#identity(inode), ...gaps }), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch {
      rmSync(path, { force: true, recursive: true });
    }
  }

  /** What was noted of this very file; undefined: nothing, or it cannot be understood. */
  gapsOf(inode: Inode): Gaps | undefined {
    try {
      const note = noteSchema.parse(JSON.parse(readFileSync(this.#notePath(inode), 'utf8')));
      const { ino, born } = this.#identity(inode);
      if (note.ino !== ino || note.born !== born) return undefined;
      const { item, version, size, missing } = note;
      return { item: item as RemoteId, version: version as VersionId, size, missing };
    } catch {
      return undefined;
    }
  }

  /** Tells a staging file from one that had its name before. */
  #identity(inode: Inode): { readonly ino: number; readonly born: number } {
    const { ino, birthtimeMs } = statSync(this.path(inode));
    return { ino, born: birthtimeMs };
  }

  #notePath(inode: Inode): string {
    return `${this.path(inode)}.gaps`;
  }

  /** Puts the same bytes under another inode, on stable storage. The first name stays until it is removed. */
  duplicate(from: Inode, to: Inode): void {
    const gaps = this.gapsOf(from);
    try {
      linkSync(this.path(from), this.path(to));
    } catch {
      // Not every file system supports hard links.
      copyFileSync(this.path(from), this.path(to));
      this.sync(to);
    }
    if (gaps) this.noteGaps(to, gaps);
    this.syncFolder();
  }

  /**
   * Separates a staging file from programs that still have it open: through a mount whose daemon was killed, the kernel
   * lets them write on. From now on they write to another file. @returns the file's state once their writes cannot
   * reach it any more
   */
  detach(inode: Inode): { readonly size: number; readonly mtimeMs: number } {
    const path = this.path(inode);
    if (!isBeingWritten(path)) return statSync(path);
    const copy = `${path}.copy`;
    onDisk(() => copyFileSync(path, copy, constants.COPYFILE_FICLONE));
    syncPath(copy);
    const last = statSync(path);
    onDisk(() => renameSync(copy, path));
    this.syncFolder();
    return last;
  }

  /** Moves bytes that nothing refers to any more to lost+found, under a name that says what they were. */
  lose(inode: Inode, name: string): string {
    const safe = name.replace(/[^\p{L}\p{N} ._()-]/gu, '_').slice(0, 60);
    const target = join(this.#lost, `${new Date().toISOString().replaceAll(':', '.')} ${inode} ${safe}`);
    renameSync(this.path(inode), target);
    this.noteGaps(inode, undefined);
    return target;
  }

  /** Inodes that have a staging file. */
  inodes(): Inode[] {
    return readdirSync(this.#folder)
      .filter((name) => /^\d+$/.test(name))
      .map((name) => asInode(Number(name)));
  }

  /** The bytes of a file are on stable storage when this returns. */
  sync(inode: Inode): void {
    syncPath(this.path(inode));
  }

  /** As `sync`, in the thread pool: it may be gigabytes. */
  syncLater(inode: Inode): Promise<void> {
    return syncPathLater(this.path(inode));
  }

  /** As `syncFolder`, in the thread pool. */
  syncFolderLater(): Promise<void> {
    return syncPathLater(this.#folder);
  }

  /** The names of the files are on stable storage when this returns. */
  syncFolder(): void {
    syncPath(this.#folder);
  }

  /** A write may just have failed for lack of space. */
  get isFull(): boolean {
    // No disk fills so much space within the time that the value is trusted.
    if (this.#clock.monotonic() - this.#space.at < SPACE_KNOWN_MS && this.#space.free > PLENTY_BYTES) return false;
    return this.#freeSpace() < FULL_BYTES;
  }

  /** @throws Failure `disk-full` when `bytes` more would touch the reserve */
  requireSpace(bytes: number): void {
    const now = this.#clock.monotonic();
    // Frequent requests for 0 bytes use the known value for a while; others read it each time.
    if (bytes > 0 || this.#space.at === 0 || now - this.#space.at > SPACE_KNOWN_MS) this.#freeSpace();
    if (this.#space.free - bytes < this.#reserve)
      throw new Failure('disk-full', { path: 'what is written', disk: this.#folder });
  }

  #freeSpace(): number {
    const { bavail, bsize } = statfsSync(this.#folder);
    this.#space = { free: bavail * bsize, at: this.#clock.monotonic() };
    return this.#space.free;
  }
}

/** Whether a program has a file open for writing: then the kernel grants no read lease, fcntl(2). */
function isBeingWritten(path: string): boolean {
  const fd = openSync(path, 'r');
  try {
    if (libc.fcntl(fd, F_SETLEASE, F_RDLCK) === 0) return false;
    return lastErrno() === EAGAIN;
  } finally {
    // A lease ends with its descriptor.
    closeSync(fd);
  }
}

function syncPath(path: string): void {
  const fd = openSync(path, 'r');
  try {
    onDisk(() => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}

async function syncPathLater(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } catch (error) {
    throw diskFailure(error);
  } finally {
    await file.close();
  }
}
