import { close, read, write } from 'node:fs';
import { promisify } from 'node:util';

const readAsync = promisify(read);
const writeAsync = promisify(write);

/** Most bytes that are kept in memory. */
const IN_MEMORY_BYTES = 2 ** 20;
/** Bytes read back at once. */
const READ_BYTES = 2 ** 18;

/**
 * Holds bytes that may not be passed on before all of them have arrived: up to 1 MiB in memory, more in an unnamed
 * file.
 */
export class Spool {
  readonly #makeFile: () => number;
  readonly #parts: Uint8Array[] = [];
  #fd: number | undefined;
  #length = 0;
  /** Bytes in the file. */
  #written = 0;

  /** @param makeFile returns a descriptor, which the spool closes */
  constructor(makeFile: () => number) {
    this.#makeFile = makeFile;
  }

  get length(): number {
    return this.#length;
  }

  /** Whether the chunk needs no room on disk beyond what is already reserved. */
  fits(chunk: Uint8Array): boolean {
    return this.#fd !== undefined || this.#length + chunk.length <= IN_MEMORY_BYTES;
  }

  /** Adds a copy of the chunk, or writes it to the file. */
  async add(chunk: Uint8Array): Promise<void> {
    const isSmall = this.#fd === undefined && this.fits(chunk);
    this.#parts.push(isSmall ? Buffer.from(chunk) : chunk);
    this.#length += chunk.length;
    if (isSmall) return;
    const fd = (this.#fd ??= this.#makeFile());
    for (const part of this.#parts.splice(0))
      for (let done = 0; done < part.length; ) {
        const { bytesWritten } = await writeAsync(fd, part, done, part.length - done, this.#written);
        done += bytesWritten;
        this.#written += bytesWritten;
      }
  }

  /** A chunk is valid until the next one is requested. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    yield* this.#parts;
    if (this.#fd === undefined) return;
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, this.#length));
    for (let at = 0; at < this.#length; ) {
      const { bytesRead } = await readAsync(this.#fd, buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error('a spooled file is shorter than what was written to it');
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  close(): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }
}
