import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { Flags, How, Stat } from './tree.js';

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;

/** A folder of a real file system, worked on as programs do. Errors have a `code`. */
export class Place {
  readonly root: string;
  readonly handles: fs.FileHandle[] = [];

  constructor(root: string) {
    this.root = root;
  }

  read(path: string): Promise<Buffer> {
    return fs.readFile(this.#at(path));
  }

  async list(path: string): Promise<string[]> {
    return (await fs.readdir(this.#at(path))).sort();
  }

  /** Mode and time only where they are wanted. */
  async stat(path: string, wanted: Stat): Promise<Stat> {
    const found = await fs.lstat(this.#at(path));
    return {
      type: found.isDirectory() ? 'folder' : 'file',
      size: found.isDirectory() ? undefined : found.size,
      mode: wanted.mode === undefined ? undefined : found.mode & 0o777,
      mtime: wanted.mtime === undefined ? undefined : found.mtimeMs / 1000,
    };
  }

  async write(path: string, text: string, how: How): Promise<void> {
    const flags = O_WRONLY | O_CREAT | (how === 'append' ? O_APPEND : how === 'replace' ? O_TRUNC : 0);
    const file = await fs.open(this.#at(path), flags);
    try {
      if (text !== '') await file.write(Buffer.from(text), 0, undefined, typeof how === 'number' ? how : null);
    } finally {
      await file.close();
    }
  }

  truncate(path: string, size: number): Promise<void> {
    return fs.truncate(this.#at(path), size);
  }

  async open(path: string, flags: Flags): Promise<void> {
    const { read, write, create, exclusive, append } = flags;
    const file = await fs.open(
      this.#at(path),
      (write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY) |
        (create ? O_CREAT : 0) |
        (exclusive ? O_EXCL : 0) |
        (append ? O_APPEND : 0) |
        (flags.truncate ? O_TRUNC : 0),
    );
    // A folder can be opened for reading, and then not be read.
    if ((await file.stat()).isDirectory()) {
      await file.close();
      throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    }
    this.handles.push(file);
  }

  async readHandle(n: number, offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await this.handles[n]!.read(buffer, 0, length, offset);
    return buffer.subarray(0, bytesRead);
  }

  async writeHandle(n: number, offset: number, text: string): Promise<void> {
    const data = Buffer.from(text);
    // pwrite(2) ignores the offset with O_APPEND, on Linux.
    await this.handles[n]!.write(data, 0, data.length, offset);
  }

  truncateHandle(n: number, size: number): Promise<void> {
    return this.handles[n]!.truncate(size);
  }

  syncHandle(n: number): Promise<void> {
    return this.handles[n]!.sync();
  }

  async sizeOfHandle(n: number): Promise<number> {
    return (await this.handles[n]!.stat()).size;
  }

  chmodHandle(n: number, mode: number): Promise<void> {
    return this.handles[n]!.chmod(mode);
  }

  utimensHandle(n: number, mtime: number): Promise<void> {
    return this.handles[n]!.utimes(mtime, mtime);
  }

  async close(n: number): Promise<void> {
    const [file] = this.handles.splice(n, 1);
    await file!.close();
  }

  chmod(path: string, mode: number): Promise<void> {
    return fs.chmod(this.#at(path), mode);
  }

  utimens(path: string, mtime: number): Promise<void> {
    return fs.utimes(this.#at(path), mtime, mtime);
  }

  mkdir(path: string): Promise<void> {
    return fs.mkdir(this.#at(path));
  }

  unlink(path: string): Promise<void> {
    return fs.unlink(this.#at(path));
  }

  rmdir(path: string): Promise<void> {
    return fs.rmdir(this.#at(path));
  }

  rename(from: string, to: string): Promise<void> {
    return fs.rename(this.#at(from), this.#at(to));
  }

  #at(path: string): string {
    return path === '' ? this.root : join(this.root, path);
  }
}
