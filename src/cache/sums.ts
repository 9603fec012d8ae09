import { crc32 } from 'node:zlib';
import { type ByteRange, RangeSet } from './ranges.js';

/** Largest size of a piece, bytes. Pieces start and end at multiples of this, or where a write did. */
const PIECE_BYTES = 128 * 1024;
/** Bytes of a version whose sums are stored in one row of the index. */
const CHUNK_BYTES = 64 * 2 ** 20;
/** Bytes per encoded piece: start (double), length and sum (unsigned), little-endian. */
const ENCODED = 16;

/** Bytes that were written at once, with their CRC-32. */
export interface Piece extends ByteRange {
  /** Undefined: the expected sum is unknown. */
  readonly sum: number | undefined;
}

type Known = ByteRange & { readonly sum: number };

interface Chunk {
  /** In order of `start`. Two may overlap if the same bytes were fetched twice. */
  pieces: Known[];
  isDirty: boolean;
}

/** Reads the row of a chunk. */
export type LoadSums = (chunk: number) => Uint8Array | undefined;

/** Checksums of the bytes of one version on disk, and which ranges were verified since the process started. */
export class Sums {
  readonly #load: LoadSums;
  readonly #chunks = new Map<number, Chunk>();
  readonly #checked = new RangeSet();

  constructor(load: LoadSums) {
    this.#load = load;
  }

  /** All of [start, end) on disk is verified. */
  isChecked(start: number, end: number): boolean {
    return this.#checked.has(start, end);
  }

  /** Records the sums of bytes that were written. */
  wrote(offset: number, bytes: Uint8Array): void {
    for (const { start, end } of split(offset, offset + bytes.length)) {
      const chunk = this.#chunk(chunkOf(start));
      const own: Known = { start, end, sum: crc32(bytes.subarray(start - offset, end - offset)) };
      const at = firstFrom(chunk.pieces, start);
      let until = at;
      while (until < chunk.pieces.length && chunk.pieces[until]!.end <= end) until++;
      chunk.pieces.splice(at, until - at, own);
      chunk.isDirty = true;
    }
    this.#checked.add(offset, offset + bytes.length);
  }

  /** The pieces that must be read to verify [start, end). */
  unchecked(start: number, end: number): Piece[] {
    const found: Piece[] = [];
    for (let gap = this.#checked.gap(start, end); gap; gap = this.#checked.gap(gap.end, end))
      for (const part of split(gap.start, gap.end)) found.push(...this.#covering(part));
    return found;
  }

  /**
   * Verifies the bytes of a piece that was read; false if they differ from what was written. A piece without a sum gets
   * one.
   */
  check(piece: Piece, bytes: Uint8Array): boolean {
    if (piece.sum === undefined) this.wrote(piece.start, bytes);
    else if (crc32(bytes) !== piece.sum) return false;
    else this.#checked.add(piece.start, piece.end);
    return true;
  }

  /** Removes the sums of a range whose bytes are discarded. */
  drop({ start, end }: ByteRange): void {
    this.#checked.remove(start, end);
    for (let n = chunkOf(start); n <= chunkOf(end - 1); n++) {
      const chunk = this.#chunk(n);
      chunk.pieces = chunk.pieces.filter((piece) => piece.end <= start || piece.start >= end);
      chunk.isDirty = true;
    }
  }

  /** Frees chunks that can be read from the index again. */
  trim(): void {
    for (const [n, { isDirty }] of this.#chunks) if (!isDirty) this.#chunks.delete(n);
  }

  clear(): void {
    this.#chunks.clear();
    this.#checked.clear();
  }

  /** Rows that must be written. */
  *dirty(): Generator<[chunk: number, row: Uint8Array]> {
    for (const [n, chunk] of this.#chunks) if (chunk.isDirty) yield [n, encode(chunk.pieces)];
  }

  /** To be called after the rows were written. They are read again when they are needed. */
  written(): void {
    this.#chunks.clear();
  }

  /** Pieces with a sum that overlap the range, and the gaps between them as pieces without a sum. */
  *#covering({ start, end }: ByteRange): Generator<Piece> {
    let at = start;
    const { pieces } = this.#chunk(chunkOf(start));
    for (let n = firstFrom(pieces, start - PIECE_BYTES + 1); n < pieces.length; n++) {
      const piece = pieces[n]!;
      if (piece.start >= end) break;
      if (piece.end <= at) continue;
      if (piece.start > at) yield { start: at, end: piece.start, sum: undefined };
      yield piece;
      at = piece.end;
    }
    if (at < end) yield { start: at, end, sum: undefined };
  }

  #chunk(n: number): Chunk {
    let chunk = this.#chunks.get(n);
    if (!chunk) {
      const row = this.#load(n);
      this.#chunks.set(n, (chunk = { pieces: row ? decode(row) : [], isDirty: false }));
    }
    return chunk;
  }
}

const chunkOf = (offset: number): number => Math.floor(offset / CHUNK_BYTES);

function* split(start: number, end: number): Generator<ByteRange> {
  for (let at = start; at < end; ) {
    const to = Math.min(end, (Math.floor(at / PIECE_BYTES) + 1) * PIECE_BYTES);
    yield { start: at, end: to };
    at = to;
  }
}

/** Index of the first piece that starts at or after `offset`. */
function firstFrom(pieces: readonly Known[], offset: number): number {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (pieces[middle]!.start < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function encode(pieces: readonly Known[]): Uint8Array {
  const row = Buffer.allocUnsafe(pieces.length * ENCODED);
  pieces.forEach(({ start, end, sum }, n) => {
    row.writeDoubleLE(start, n * ENCODED);
    row.writeUInt32LE(end - start, n * ENCODED + 8);
    row.writeUInt32LE(sum, n * ENCODED + 12);
  });
  return row;
}

function decode(row: Uint8Array): Known[] {
  const bytes = Buffer.from(row.buffer, row.byteOffset, row.length);
  const pieces: Known[] = [];
  for (let at = 0; at + ENCODED <= bytes.length; at += ENCODED) {
    const start = bytes.readDoubleLE(at);
    pieces.push({ start, end: start + bytes.readUInt32LE(at + 8), sum: bytes.readUInt32LE(at + 12) });
  }
  return pieces;
}
