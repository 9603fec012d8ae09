import { randomInt } from 'node:crypto';
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  read,
  readSync,
  renameSync,
  rmdir,
  statSync,
  unlink,
  unlinkSync,
  write,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LRUCache } from 'lru-cache';
import { systemClock } from '../base/clock.js';
import { errnoOf } from '../base/errors.js';

const unlinkAsync = promisify(unlink);
const rmdirAsync = promisify(rmdir);

const FOLDER_COUNT = 4096;
const SERIALS = 2 ** 22;
/**
 * Reads up to this many bytes are synchronous: a page in the kernel's cache costs less than a trip through the thread
 * pool.
 */
const DIRECT = 128 * 1024;
/** After a synchronous read that took longer (milliseconds), the next `SLOW_READS` reads use the thread pool. */
const SLOW_READ_MS = 4;
const SLOW_READS = 64;

/** A file has fewer bytes than were written to it. */
export class ShortFile extends Error {
  constructor() {
    super('a blob is shorter than recorded');
  }
}

/** The file is missing, too short or unreadable, as opposed to a temporary error. */
export const isLost = (error: unknown): boolean =>
  error instanceof ShortFile || /^(ENOENT|ENOTDIR|ESTALE|EIO)$/.test(errnoOf(error) ?? '');

interface Descriptor {
  readonly fd: number;
  readonly writable: boolean;
  uses: number;
  dropped: boolean;
}

/** The files that hold the blobs, named by numbers that are never reused and spread over 4,096 folders. */
export class BlobFiles {
  readonly #folder: string;
  /** Random per process, so that its files can be told from those of earlier processes. */
  #session = randomInt(2 ** 30);
  readonly #sessions = new Set([this.#session]);
  #serial = 0;
  #indirect = 0;
  readonly #open: LRUCache<number, Descriptor>;

  constructor(folder: string, descriptors: number) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#open = new LRUCache({ max: descriptors, dispose: (descriptor) => this.#drop(descriptor) });
  }

  /** A number for a new file. */
  next(): number {
    if (this.#serial === SERIALS) {
      this.#session = randomInt(2 ** 30);
      this.#sessions.add(this.#session);
      this.#serial = 0;
    }
    return this.#session * SERIALS + this.#serial++;
  }

  path(file: number): string {
    return join(this.#folderOf(file % FOLDER_COUNT), String(file));
  }

  #folderOf(n: number): string {
    return join(this.#folder, n.toString(16).padStart(3, '0'));
  }

  /** Returns false if the file certainly does not exist or its size is out of range. Needs no descriptor. */
  mayHave(file: number, least: number, most: number): boolean {
    try {
      const { size } = statSync(this.path(file));
      return size >= least && size <= most;
    } catch (error) {
      return !isLost(error);
    }
  }

  /** A descriptor of a new unnamed file, which is deleted when the descriptor is closed. */
  nameless(): number {
    const file = this.next();
    const fd = this.#make(file);
    unlinkSync(this.path(file));
    return fd;
  }

  /** A separate descriptor for reading, to be closed with `closeShared`. */
  openForReading(file: number): number {
    return this.#descriptor(file, constants.O_RDONLY);
  }

  closeShared(fd: number): void {
    closeSync(fd);
  }

  /** Creates an empty file. */
  create(file: number): void {
    this.#open.set(file, { fd: this.#make(file), writable: true, uses: 0, dropped: false });
  }

  /** Fills `target` from `position`, synchronously if that is fast. Throws or rejects also if the file is shorter. */
  read(file: number, target: Uint8Array, position: number): Promise<void> | undefined {
    if (target.length > DIRECT || this.#indirect > 0) {
      if (this.#indirect > 0) this.#indirect--;
      return this.#readLater(file, target, position);
    }
    const began = systemClock.monotonic();
    this.#use(file, false, ({ fd }) => {
      let done = 0;
      while (done < target.length) {
        const n = readSync(fd, target, done, target.length - done, position + done);
        if (n === 0) throw new ShortFile();
        done += n;
      }
    });
    if (systemClock.monotonic() - began > SLOW_READ_MS) this.#indirect = SLOW_READS;
    return undefined;
  }

  async #readLater(file: number, target: Uint8Array, position: number): Promise<void> {
    const descriptor = this.#acquire(file, false);
    try {
      let done = 0;
      while (done < target.length) {
        const n = await new Promise<number>((resolve, reject) => {
          read(descriptor.fd, target, done, target.length - done, position + done, (error, count) =>
            error ? reject(error) : resolve(count),
          );
        });
        if (n === 0) throw new ShortFile();
        done += n;
      }
    } finally {
      this.#release(descriptor);
    }
  }

  /**
   * Writes all bytes at `position`. The file must exist: one that was removed from outside must not reappear with holes
   * where the index records content.
   */
  async write(file: number, bytes: Uint8Array, position: number): Promise<void> {
    const descriptor = this.#acquire(file, true);
    try {
      for (let done = 0; done < bytes.length; ) {
        const at = done;
        done += await new Promise<number>((resolve, reject) => {
          write(descriptor.fd, bytes, at, bytes.length - at, position + at, (error, count) =>
            error ? reject(error) : resolve(count),
          );
        });
      }
    } finally {
      this.#release(descriptor);
    }
  }

  /** Removes the file; open descriptors stay valid. */
  async remove(file: number): Promise<void> {
    this.#open.delete(file);
    try {
      await unlinkAsync(this.path(file));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  /** Moves a file of the same file system in, under the number `file`. */
  moveIn(from: string, file: number): void {
    this.#open.delete(file);
    this.#inFolder(file, () => renameSync(from, this.path(file)));
  }

  moveOut(file: number, to: string): void {
    this.#open.delete(file);
    renameSync(this.path(file), to);
  }

  /** Files of earlier processes, one folder at a time. Removes empty folders. */
  async *leftovers(): AsyncGenerator<number[]> {
    for (let n = 0; n < FOLDER_COUNT; n++) {
      let names: string[];
      try {
        names = await readdir(this.#folderOf(n));
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') continue;
        throw error;
      }
      const files = names
        .map(Number)
        .filter((file) => Number.isSafeInteger(file) && !this.#sessions.has(Math.floor(file / SERIALS)));
      if (files.length > 0) yield files;
      else if (names.length === 0) await rmdirAsync(this.#folderOf(n)).catch(() => undefined);
    }
  }

  close(): void {
    this.#open.clear();
  }

  #use<T>(file: number, writable: boolean, work: (descriptor: Descriptor) => T): T {
    const descriptor = this.#acquire(file, writable);
    try {
      return work(descriptor);
    } finally {
      this.#release(descriptor);
    }
  }

  #acquire(file: number, writable: boolean): Descriptor {
    let descriptor = this.#open.get(file);
    if (!descriptor || (writable && !descriptor.writable)) {
      const fd = this.#descriptor(file, writable ? constants.O_RDWR : constants.O_RDONLY);
      descriptor = { fd, writable, uses: 0, dropped: false };
      this.#open.set(file, descriptor);
    }
    descriptor.uses++;
    return descriptor;
  }

  #release(descriptor: Descriptor): void {
    descriptor.uses--;
    if (descriptor.dropped && descriptor.uses === 0) closeSync(descriptor.fd);
  }

  #drop(descriptor: Descriptor): void {
    descriptor.dropped = true;
    if (descriptor.uses === 0) closeSync(descriptor.fd);
  }

  #make(file: number): number {
    return this.#inFolder(file, () =>
      this.#descriptor(file, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600),
    );
  }

  /** Opens a file. If no descriptors are left, closes those that are only kept for reuse and tries again. */
  #descriptor(file: number, flags: number, mode?: number): number {
    try {
      return openSync(this.path(file), flags, mode);
    } catch (error) {
      if (!/^E[MN]FILE$/.test(errnoOf(error) ?? '') || this.#open.size === 0) throw error;
      this.#open.clear();
      return openSync(this.path(file), flags, mode);
    }
  }

  /** Runs `work`, which needs the file's folder, and creates the folder if it is missing. */
  #inFolder<T>(file: number, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      mkdirSync(this.#folderOf(file % FOLDER_COUNT), { recursive: true, mode: 0o700 });
      return work();
    }
  }
}
