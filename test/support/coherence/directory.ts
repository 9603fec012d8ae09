import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const getdents64 = libc.func('int64_t getdents64(int fd, _Out_ uint8_t *buffer, size_t size)');
const lseek = libc.func('int64_t lseek(int fd, int64_t offset, int whence)');

/** Offsets in struct linux_dirent64, getdents(2). */
const D_RECLEN = 16;
const D_NAME = 19;
/** Bytes that one call takes: a few names, so that a folder is read in many. */
const SOME = 160;
const SEEK_SET = 0;
const ENOENT = 2;
const EIO = 5;
const ESTALE = 116;

/** The name of an error of the kernel; libuv has none for ESTALE. */
export function codeOf(error: unknown): string | undefined {
  const { code, errno } = error as NodeJS.ErrnoException;
  return errno === -ESTALE ? 'ESTALE' : code;
}

/** Whether it says that what a handle is for is not there any more. */
export const isGone = (error: unknown): boolean => ['ENOENT', 'ESTALE'].includes(codeOf(error) ?? '');

/** A folder that is kept open and read by the kernel's own call: no library keeps rows of it. */
export class OpenDirectory {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(SOME);

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  /** Undefined where the folder is gone. */
  get inode(): number | undefined {
    try {
      return fstatSync(this.#fd).ino;
    } catch (error) {
      // What comes back after it was removed here is another folder: of the old one the kernel says EIO.
      if (isGone(error) || codeOf(error) === 'EIO') return undefined;
      throw error;
    }
  }

  /** The next names; none at the end. */
  some(): string[] {
    const size = Number(getdents64(this.#fd, this.#buffer, SOME));
    // The folder is gone.
    if (size < 0 && [ENOENT, EIO, ESTALE].includes(koffi.errno())) return [];
    if (size < 0) throw new Error(`getdents64: errno ${koffi.errno()}`);
    const names: string[] = [];
    for (let at = 0; at < size; at += this.#buffer.readUInt16LE(at + D_RECLEN)) {
      const end = this.#buffer.indexOf(0, at + D_NAME);
      names.push(this.#buffer.toString('utf8', at + D_NAME, end));
    }
    return names.filter((name) => name !== '.' && name !== '..');
  }

  /** What is left to the end. */
  rest(): string[] {
    const names: string[] = [];
    for (;;) {
      const more = this.some();
      // A call may return nothing but the two names that are left out.
      if (more.length === 0 && this.#isAtEnd()) return names;
      names.push(...more);
    }
  }

  rewind(): void {
    lseek(this.#fd, 0, SEEK_SET);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #isAtEnd(): boolean {
    const at = lseek(this.#fd, 0, 1) as number;
    const size = Number(getdents64(this.#fd, this.#buffer, SOME));
    if (size > 0) lseek(this.#fd, at, SEEK_SET);
    return size <= 0;
  }
}
