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
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { diskFailure, onDisk } from '../../base/disk.js';
import { Failure } from '../../base/errors.js';
import { asInode, type Inode } from '../../base/ids.js';
import { lastErrno, libc } from '../../fuse/libc.js';

/** Bytes: with less room than a program writes at once, it met the end of the disk. */
const FULL_BYTES = 2 ** 17;
/** What is known of the disk's free space is believed for so long, milliseconds: others write there as well. */
const SPACE_KNOWN_MS = 100;
/** fcntl(2), of Linux. */
const F_SETLEASE = 1024;
const F_RDLCK = 0;
const EAGAIN = 11;
/** Bytes. */
const PLENTY_BYTES = 2 ** 32;

/** The folder of staging files, one an inode, and `lost+found` beside it for what no row owns. */
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

  /** Number of the disk, of this attachment of it. */
  get device(): number {
    return statSync(this.#folder).dev;
  }

  path(inode: Inode): string {
    return `${this.#folder}/${inode}`;
  }

  has(inode: Inode): boolean {
    return existsSync(this.path(inode));
  }

  /** Bytes of a file, and when it changed last, milliseconds. */
  stat(inode: Inode): { readonly size: number; readonly mtimeMs: number } {
    return statSync(this.path(inode));
  }

  /** Opens a staging file for reading and writing; `fresh` makes it anew. */
  open(inode: Inode, fresh: boolean): number {
    return onDisk(() => openSync(this.path(inode), fresh ? 'w+' : 'r+', 0o600));
  }

  remove(inode: Inode): void {
    rmSync(this.path(inode), { force: true });
  }

  /** From now on these are the bytes of another inode. */
  rename(from: Inode, to: Inode): void {
    onDisk(() => renameSync(this.path(from), this.path(to)));
  }

  /** The same bytes under another inode, on the platter; the first name stays until it is removed. */
  duplicate(from: Inode, to: Inode): void {
    try {
      linkSync(this.path(from), this.path(to));
    } catch {
      // Not every file system knows links.
      copyFileSync(this.path(from), this.path(to));
      this.sync(to);
    }
    this.syncFolder();
  }

  /**
   * Through a mount whose daemon was killed the kernel lets programs write on to a file that they have open: from now on
   * that is another file than this one. @returns what the file was when nothing of them could come into it any more
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

  /** Keeps bytes that nothing refers to any more, under a name that says what they were. */
  lose(inode: Inode, name: string): string {
    const safe = name.replace(/[^\p{L}\p{N} ._()-]/gu, '_').slice(0, 60);
    const target = join(this.#lost, `${new Date().toISOString().replaceAll(':', '.')} ${inode} ${safe}`);
    renameSync(this.path(inode), target);
    return target;
  }

  /** Inodes of the files that are here. */
  inodes(): Inode[] {
    return readdirSync(this.#folder)
      .filter((name) => /^\d+$/.test(name))
      .map((name) => asInode(Number(name)));
  }

  /** The bytes of a file are on the platter when this returns. */
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

  /** The names of the files are on the platter when this returns. */
  syncFolder(): void {
    syncPath(this.#folder);
  }

  /** A write may just have failed for want of room. */
  get isFull(): boolean {
    // No disk takes so much within the time that this is believed.
    if (this.#clock.monotonic() - this.#space.at < SPACE_KNOWN_MS && this.#space.free > PLENTY_BYTES) return false;
    return this.#freeSpace() < FULL_BYTES;
  }

  /** @throws Failure `disk-full` when `bytes` more would touch the reserve */
  requireSpace(bytes: number): void {
    const now = this.#clock.monotonic();
    // A little that is asked for often is looked up now and then; what is large, each time.
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

/** Whether anybody has a file open for writing: then the kernel gives no lease to read it, fcntl(2). */
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
