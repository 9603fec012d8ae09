import koffi from 'koffi';
import { lastErrno, systemError } from '#src/fuse/libc.js';

/** Calls of the C library that the exerciser makes and Node lacks (manual pages, section 2). */
const library = koffi.load('libc.so.6');
const native = {
  mmap: library.func('intptr_t mmap(intptr_t, size_t, int, int, int, long)'),
  munmap: library.func('int munmap(intptr_t, size_t)'),
  msync: library.func('int msync(intptr_t, size_t, int)'),
  load: library.func('void *memcpy(void *, intptr_t, size_t)'),
  store: library.func('void *memcpy(intptr_t, void *, size_t)'),
  pread: library.func('long pread(int, intptr_t, size_t, long)'),
  pwrite: library.func('long pwrite(int, intptr_t, size_t, long)'),
  fallocate: library.func('int fallocate(int, int, long, long)'),
  copy_file_range: library.func('long copy_file_range(int, int64_t *, int, int64_t *, size_t, unsigned int)'),
  renameat2: library.func('int renameat2(int, const char *, int, const char *, unsigned int)'),
};

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MS_SYNC = 4;
const AT_FDCWD = -100;
export const RENAME_EXCHANGE = 2;
export const FALLOC_FL_KEEP_SIZE = 1;
export const FALLOC_FL_PUNCH_HOLE = 2;

function checked(call: string, result: number | bigint): number {
  if (Number(result) === -1) throw systemError(call, lastErrno());
  return Number(result);
}

/** A part of memory: a mapped file, or memory of its own on a page boundary. */
export class Mapping {
  readonly #address: number;
  readonly #length: number;

  private constructor(address: number, length: number) {
    this.#address = address;
    this.#length = length;
  }

  static ofFile(fd: number, length: number, writable: boolean): Mapping {
    const protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    return new Mapping(checked('mmap', native.mmap(0, length, protection, MAP_SHARED, fd, 0)), length);
  }

  static anonymous(length: number): Mapping {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS;
    return new Mapping(checked('mmap', native.mmap(0, length, PROT_READ | PROT_WRITE, flags, -1, 0)), length);
  }

  load(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    if (length > 0) native.load(bytes, this.#address + offset, length);
    return bytes;
  }

  store(offset: number, bytes: Uint8Array): void {
    if (bytes.length > 0) native.store(this.#address + offset, bytes, bytes.length);
  }

  sync(): void {
    checked('msync', native.msync(this.#address, this.#length, MS_SYNC));
  }

  /** Reads with this memory itself as the target, as O_DIRECT wants it. */
  readFrom(fd: number, offset: number, length: number): Buffer {
    return this.load(0, checked('pread', native.pread(fd, this.#address, length, offset)));
  }

  writeTo(fd: number, offset: number, bytes: Uint8Array): number {
    this.store(0, bytes);
    return checked('pwrite', native.pwrite(fd, this.#address, bytes.length, offset));
  }

  close(): void {
    checked('munmap', native.munmap(this.#address, this.#length));
  }
}

export function fallocate(fd: number, mode: number, offset: number, length: number): void {
  checked('fallocate', native.fallocate(fd, mode, offset, length));
}

/** Bytes that were copied. */
export function copyFileRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
  const result = native.copy_file_range(from, [fromOffset], to, [toOffset], length, 0);
  return checked('copy_file_range', result);
}

export function renameWith(flags: number, from: string, to: string): void {
  checked('renameat2', native.renameat2(AT_FDCWD, from, AT_FDCWD, to, flags));
}
