import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { mix } from '../random.js';
import { GENERATED, type ItemStore } from '../store/items.js';

/** Stored bytes: in memory, in a file that does not change, or a concatenation of these. */
export type Given =
  | { readonly bytes: Buffer }
  | { readonly file: string | Buffer; readonly size: number }
  | { readonly parts: readonly Given[] };

export function sizeOf(given: Given): number {
  if ('bytes' in given) return given.bytes.length;
  return 'file' in given ? given.size : given.parts.reduce((sum, part) => sum + sizeOf(part), 0);
}

const CHUNK = 256 * 1024;
const BLOCK = 16 * 1024 * 1024;
const STAMP = 16;

/**
 * The bytes of every version. Bytes that were not stored are derived from the version: a different slice of one
 * pseudo-random block for each quarter mebibyte of each version, after the version's number. So any range of a file of
 * any size takes no memory and little time, and two versions differ nearly everywhere.
 */
export class Contents {
  readonly #seed: number;
  readonly #given: Given[] = [];
  readonly #hashes = new Map<string, string>();
  #block: Buffer | undefined;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Stores bytes; returns the index for a version's `versionContent`. */
  add(given: Given): number {
    return this.#given.push(given) - 1;
  }

  /** The bytes from `start` up to, not including, `end`; both within the version's size. */
  read(
    project: number,
    store: ItemStore,
    version: number,
    start: number,
    end: number,
  ): AsyncIterable<Buffer> | Iterable<Buffer> {
    const index = store.versionContent.get(version);
    if (index === GENERATED) return this.#generate(mix(mix(this.#seed, project), version), version, start, end);
    return readGiven(this.#given[index]!, start, end);
  }

  /** The SHA-256 of a version in hexadecimal; computed once. */
  async sha256(project: number, store: ItemStore, version: number): Promise<string> {
    const key = `${project}:${version}`;
    let hex = this.#hashes.get(key);
    if (hex === undefined) {
      const hash = createHash('sha256');
      for await (const chunk of this.read(project, store, version, 0, store.versionSize.get(version)))
        hash.update(chunk);
      hex = hash.digest('hex');
      this.#hashes.set(key, hex);
    }
    return hex;
  }

  *#generate(key: number, version: number, start: number, end: number): Generator<Buffer> {
    const block = (this.#block ??= pseudoRandom(this.#seed));
    let at = start;
    if (at < STAMP && end > at) {
      const stamp = Buffer.from(block.subarray(key % BLOCK, (key % BLOCK) + STAMP));
      stamp.writeUInt32BE(key, 0);
      stamp.writeUInt32BE(version, 4);
      const until = Math.min(STAMP, end);
      yield stamp.subarray(at, until);
      at = until;
    }
    while (at < end) {
      const chunk = Math.floor(at / CHUNK);
      const within = at % CHUNK;
      const length = Math.min(CHUNK - within, end - at);
      const from = (mix(key, chunk) % BLOCK) + within;
      yield block.subarray(from, from + length);
      at += length;
    }
  }
}

function readGiven(given: Given, start: number, end: number): AsyncIterable<Buffer> | Iterable<Buffer> {
  if (start >= end) return [];
  if ('bytes' in given) return [given.bytes.subarray(start, end)];
  if ('file' in given) {
    // For a range that fits into one read, a stream costs more than it saves.
    if (end - start <= CHUNK) return [readAt(given.file, start, end - start)];
    return createReadStream(given.file, { start, end: end - 1, highWaterMark: CHUNK });
  }
  return readParts(given.parts, start, end);
}

function readAt(file: string | Buffer, position: number, length: number): Buffer {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
  } finally {
    closeSync(fd);
  }
}

async function* readParts(parts: readonly Given[], start: number, end: number): AsyncGenerator<Buffer> {
  let offset = 0;
  for (const part of parts) {
    const size = sizeOf(part);
    yield* readGiven(part, Math.max(0, start - offset), Math.min(size, end - offset));
    offset += size;
  }
}

/** One chunk longer than the block, so that a slice can begin at any offset in the block. */
function pseudoRandom(seed: number): Buffer {
  const words = new Uint32Array((BLOCK + CHUNK) / 4);
  let a = seed | 1;
  for (let i = 0; i < words.length; i++) {
    a ^= a << 13;
    a ^= a >>> 17;
    a ^= a << 5;
    words[i] = Math.imul(a, 0x9e3779b1);
  }
  return Buffer.from(words.buffer);
}
