import { createHash } from 'node:crypto';
import { read as readFd } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Failure, isFailure } from '../base/errors.js';

/** A function that yields the bytes of `[start, end)`; a path; or a file descriptor, which stays open. */
export type UploadSource = string | number | ((start: number, end: number) => AsyncIterable<Uint8Array>);

/** Identifies a range of content. */
export interface Digest {
  /** Bytes. */
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
  readonly md5: string;
}

/** Bytes of one read: hashing them blocks the thread for less than a millisecond. */
const CHUNK_BYTES = 128 * 1024;

const readAt = promisify(readFd);

/** Content that is read several times and must not change in between; it is always read in chunks. */
export class UploadContent {
  readonly size: number;
  readonly #label: string;
  readonly #read: (start: number, end: number) => AsyncIterable<Uint8Array>;
  readonly #handle: FileHandle | undefined;

  private constructor(source: Exclude<UploadSource, string>, size: number, label: string, handle?: FileHandle) {
    this.size = size;
    this.#label = label;
    this.#handle = handle;
    this.#read = typeof source === 'function' ? source : (start, end) => readFile(source, start, end);
  }

  /** @throws Failure `content-unreadable`, `content-changed` if a file has an unexpected size */
  static async open(source: UploadSource, size: number, label: string): Promise<UploadContent> {
    if (typeof source !== 'string') return new UploadContent(source, size, label);
    let handle: FileHandle | undefined;
    try {
      handle = await open(source, 'r');
      const actual = (await handle.stat()).size;
      if (actual !== size)
        throw new Failure('content-changed', { what: label, why: `it has ${actual} bytes, not ${size}` });
      return new UploadContent(handle.fd, size, label, handle);
    } catch (error) {
      await handle?.close();
      throw isFailure(error) ? error : new Failure('content-unreadable', { what: label }, error);
    }
  }

  /**
   * Digests of consecutive ranges of these sizes, which cover the whole content.
   * @throws Failure `content-unreadable`, `content-changed` if there are fewer or more bytes
   */
  async digests(sizes: readonly number[], signal: AbortSignal | undefined): Promise<Digest[]> {
    const digests: Digest[] = [];
    let start = 0;
    for (const size of sizes) {
      const [sha256, md5] = [createHash('sha256'), createHash('md5')];
      for await (const chunk of this.#exactly(start, start + size)) {
        signal?.throwIfAborted();
        sha256.update(chunk);
        md5.update(chunk);
      }
      digests.push({ size, sha256: sha256.digest('hex'), md5: md5.digest('hex') });
      start += size;
    }
    return digests;
  }

  /**
   * Yields a range and verifies it against its digest. If the bytes have changed, the last chunk is withheld, so that
   * the storage never receives the whole range.
   * @throws Failure `content-unreadable`, `content-changed`
   */
  async *verified(start: number, digest: Digest): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    let held: Uint8Array | undefined;
    for await (const chunk of this.#exactly(start, start + digest.size)) {
      hash.update(chunk);
      if (held) yield held;
      held = chunk;
    }
    if (hash.digest('hex') !== digest.sha256) throw new Failure('content-changed', { what: this.#label });
    if (held) yield held;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }

  async *#exactly(start: number, end: number): AsyncGenerator<Uint8Array> {
    let at = start;
    try {
      if (start < end)
        for await (const chunk of this.#read(start, end)) {
          at += chunk.length;
          if (at > end) break;
          yield chunk;
        }
    } catch (error) {
      throw isFailure(error) ? error : new Failure('content-unreadable', { what: this.#label }, error);
    }
    if (at === end) return;
    const why = at < end ? `it ends at byte ${at} of ${this.size}` : `it goes on after byte ${end} of ${this.size}`;
    throw new Failure('content-changed', { what: this.#label, why });
  }
}

async function* readFile(fd: number, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; ) {
    // A new buffer for each chunk: the previous one may still wait to be sent.
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - at));
    const { bytesRead } = await readAt(fd, buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
  }
}
