import { setImmediate as turn } from 'node:timers/promises';
import { errnoOf, Failure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { Block } from './block.js';
import type { Buffers } from './buffers.js';
import { type BlobFiles, isLost } from './files.js';
import type { BlobIndex, BlobRow, Changed } from './index-db.js';
import type { Memory } from './memory.js';
import { type ByteRange, RangeSet } from './ranges.js';
import type { Ring } from './ring.js';
import type { ContentVersion } from './source.js';
import { occupied, type Space } from './space.js';
import { type Piece, Sums } from './sums.js';

export interface StoreContext {
  readonly buffers: Buffers;
  readonly files: BlobFiles;
  readonly index: BlobIndex;
  readonly space: Space;
  readonly memory: Memory;
  readonly ring: Ring;
  readonly log: Log;
  /** Called when an error of the cache's own disk delays or fails a read. */
  hindered(error: unknown, file: string): void;
}

/** Bytes that are checked in one turn of the event loop: fast reads are synchronous. */
const CHECKED_AT_ONCE_BYTES = 2 ** 20;

/** Bytes on disk differ from what was written; they are discarded. */
export class Damaged extends Error {}

/** The content was discarded, or handed out by `ContentCache.take`, while it was being read. */
class Gone extends Error {}

/** Where one download stores its bytes. */
export interface Inlet {
  block: Block | undefined;
  generation: number;
  /** Entity tag of the downloaded bytes. */
  etag?: string | undefined;
}

/** The cached bytes of one version: in its file, or in memory until they are written. */
export class BlobStore implements Changed {
  readonly version: ContentVersion;
  readonly sums: Sums;
  readonly #context: StoreContext;
  /** The name of its file; undefined until there is one. */
  #file: number | undefined;
  readonly #stored: RangeSet;
  /** On disk or in memory. */
  readonly #arrived = new RangeSet();
  #blocks: Block[] = [];
  #inFlight: Block | undefined;
  #writing: Promise<void> | undefined;
  /** Incremented each time all content is discarded. */
  #generation = 0;
  #shared: number | undefined;
  #etag: string | undefined;

  constructor(version: ContentVersion, context: StoreContext, file?: number, stored?: RangeSet, etag?: string) {
    this.version = version;
    this.#context = context;
    this.sums = new Sums((chunk) => context.index.sums(version.id, chunk));
    this.#file = file;
    this.#stored = stored ?? new RangeSet();
    this.#etag = etag;
    for (const { start, end } of this.#stored.within(0, version.size)) this.#arrived.add(start, end);
  }

  /** The blob that the row describes; undefined if row, file and version do not match. */
  static fromRow(version: ContentVersion, row: BlobRow, context: StoreContext): BlobStore | undefined {
    if (row.size !== version.size) return undefined;
    const stored = row.ranges ? RangeSet.decode(row.ranges, row.size) : RangeSet.of(0, row.size);
    if (!stored || !context.files.mayHave(row.file, stored.end, row.size)) return undefined;
    return new BlobStore(version, context, row.file, stored, row.etag ?? undefined);
  }

  /** The blob whose whole content is the file `file`. */
  static adopted(version: ContentVersion, file: number, context: StoreContext): BlobStore {
    return new BlobStore(version, context, file, RangeSet.of(0, version.size));
  }

  row(): BlobRow | undefined {
    const { id, remoteId, size } = this.version;
    if (this.#file === undefined) return undefined;
    const ranges = this.whole ? null : this.#stored.encode();
    const etag = this.#etag ?? null;
    return { version: id, remote: remoteId, file: this.#file, size, bytes: this.bytes, ranges, etag };
  }

  /** The complete version is on disk. */
  get whole(): boolean {
    return this.#stored.bytes === this.version.size;
  }

  /** The entity tag of the cached bytes; undefined if nothing is cached or the bytes came without one. */
  get etag(): string | undefined {
    return this.#arrived.bytes > 0 ? this.#etag : undefined;
  }

  /** Bytes occupied on disk. */
  get bytes(): number {
    return occupied(this.#stored.bytes);
  }

  /** Weight of this object in the memory cache: about one unit per range. */
  get weight(): number {
    return this.#stored.count + 8;
  }

  get file(): number | undefined {
    return this.#file;
  }

  get writing(): boolean {
    return this.#writing !== undefined;
  }

  /** Resolves when nothing is being written. */
  async drained(): Promise<void> {
    await this.#writing;
  }

  /** All of [start, end) is cached, on disk or in memory. */
  has(start: number, end: number): boolean {
    return this.#arrived.has(start, end);
  }

  /** All of [start, end) is on disk. */
  onDisk(start: number, end: number): boolean {
    return this.#stored.has(start, end);
  }

  /** The first part of [start, end) that is not cached. */
  gap(start: number, end: number): ByteRange | undefined {
    return this.#arrived.gap(start, end);
  }

  partsOnDisk(start: number, end: number): ByteRange[] {
    return [...this.#stored.within(start, end)];
  }

  /** The blocks in memory, each with its offset in the version. */
  *inMemory(): Generator<[offset: number, bytes: Uint8Array]> {
    for (const { offset, bytes, length } of this.#blocks) yield [offset, bytes.subarray(0, length)];
  }

  /**
   * Fills `target` from disk, synchronously if it can. Throws or rejects when the cache's own disk fails, and with
   * `Damaged` when bytes on disk differ from what was written. Each byte is checked once per start of the process.
   */
  read(target: Uint8Array, position: number): Promise<void> | undefined {
    const checked = this.#check(this.sums.unchecked(position, position + target.length), 0);
    return checked ? checked.then(() => this.#read(target, position)) : this.#read(target, position);
  }

  /** Every byte on disk was checked since the process started. */
  get isChecked(): boolean {
    return this.partsOnDisk(0, this.version.size).every(({ start, end }) => this.sums.isChecked(start, end));
  }

  /** Checks every byte on disk. Damaged parts are discarded when this resolves. */
  async check(signal: AbortSignal): Promise<void> {
    for (let at = 0; at < this.version.size; at += CHECKED_AT_ONCE_BYTES) {
      const parts = this.partsOnDisk(at, at + CHECKED_AT_ONCE_BYTES);
      for (const part of parts)
        for (const piece of this.sums.unchecked(part.start, part.end)) {
          if (signal.aborted) return;
          try {
            await this.#check([piece], 0);
          } catch (error) {
            if (!(error instanceof Damaged)) throw error;
          }
        }
      if (parts.length > 0) await turn();
    }
  }

  #read(target: Uint8Array, position: number): Promise<void> | undefined {
    if (this.#file === undefined) throw new Gone();
    const generation = this.#generation;
    const later = this.#context.files.read(this.#file, target, position);
    return later?.then(() => this.#requireSame(generation));
  }

  #requireSame(generation: number): void {
    if (generation !== this.#generation) throw new Gone();
  }

  /** Checks as many pieces as possible synchronously, the others asynchronously. */
  #check(pieces: readonly Piece[], from: number): Promise<void> | undefined {
    for (let n = from; n < pieces.length; n++) {
      const piece = pieces[n]!;
      const bytes = this.#context.buffers.take(piece.end - piece.start);
      const generation = this.#generation;
      const read = this.#read(bytes, piece.start);
      if (read)
        return read.then(() => {
          this.#judge(piece, bytes, generation);
          return this.#check(pieces, n + 1);
        });
      this.#judge(piece, bytes, generation);
    }
    return undefined;
  }

  #judge(piece: Piece, bytes: Uint8Array, generation: number): void {
    this.#requireSame(generation);
    const isSound = this.sums.check(piece, bytes);
    this.#context.buffers.give(bytes);
    if (isSound) {
      if (piece.sum === undefined) this.#context.index.changed(this);
      return;
    }
    const { index, log, space } = this.#context;
    log.warn(
      { file: this.version.label, offset: piece.start, bytes: bytes.length },
      'cached bytes are not what was written to the disk: they are fetched again',
    );
    const before = this.bytes;
    this.sums.drop(piece);
    this.#stored.remove(piece.start, piece.end);
    this.#arrived.remove(piece.start, piece.end);
    space.grew(this.bytes - before);
    index.changed(this);
    throw new Damaged();
  }

  /** A read-only descriptor of the complete content, valid until `closeFd`. */
  fd(): number {
    if (!this.whole) throw new Failure('internal', {}, new Error('a descriptor of a blob that is not whole'));
    if (this.#file === undefined) this.#context.index.changed(this);
    this.#shared ??= this.#context.files.openForReading(this.#makeFile());
    return this.#shared;
  }

  closeFd(): void {
    if (this.#shared !== undefined) this.#context.files.closeShared(this.#shared);
    this.#shared = undefined;
    this.sums.trim();
  }

  inlet(): Inlet {
    return { block: undefined, generation: this.#generation };
  }

  /** Adds a copy of `bytes`. `end` is where the download will end. `store`: the bytes may be written to disk. */
  append(inlet: Inlet, offset: number, bytes: Uint8Array, end: number, store: boolean): void {
    if (inlet.generation !== this.#generation) {
      inlet.generation = this.#generation;
      inlet.block = undefined;
    }
    if (this.#stored.has(offset, offset + bytes.length)) return;
    if (this.#arrived.bytes === 0) this.#etag = inlet.etag;
    else this.#etag ??= inlet.etag;
    for (let at = 0; at < bytes.length; ) {
      let block = inlet.block;
      if (block && block.offset + block.length !== offset + at) this.finish(inlet);
      block = inlet.block ??= this.#newBlock(offset + at, end, store);
      const part = bytes.subarray(at, at + block.bytes.length - block.length);
      block.bytes.set(part, block.length);
      block.length += part.length;
      at += part.length;
      if (block.length === block.bytes.length) this.finish(inlet);
    }
    this.#arrived.add(offset, offset + bytes.length);
    if (offset + bytes.length >= end) this.finish(inlet);
  }

  /** The download has ended or continues at another offset: its current block may be written. */
  finish(inlet: Inlet): void {
    const { block } = inlet;
    inlet.block = undefined;
    if (!block || inlet.generation !== this.#generation) return;
    block.full = true;
    if (block.unstored) this.#keepInMemory(block);
    else {
      this.#context.memory.leaving(block.bytes);
      this.#writing ??= this.#write();
    }
  }

  /**
   * Removes all content from the accounts and from memory, but not the row in the index. Returns the file, which the
   * caller now owns.
   */
  forget(): number | undefined {
    const file = this.#file;
    const { space, memory, ring } = this.#context;
    space.grew(-this.bytes);
    ring.forget(this);
    for (const block of this.#blocks)
      if (block !== this.#inFlight) memory.give(block.bytes, block.full && !block.unstored);
    this.#generation++;
    this.#file = undefined;
    this.#stored.clear();
    this.#arrived.clear();
    this.sums.clear();
    this.#blocks = [];
    return file;
  }

  /** Discards all content, including row and file. */
  discard(): void {
    const { index, files, log } = this.#context;
    const file = this.forget();
    try {
      index.remove([this.version.id]);
    } catch (error) {
      log.warn({ error }, 'the index of the content cache cannot be written');
    }
    if (file === undefined) return;
    files.remove(file).catch((error) => log.warn({ error }, 'a cached file cannot be removed'));
  }

  /**
   * Handles a failed read from disk. Returns true if the content is missing, short or damaged and is now discarded;
   * false if it exists but cannot be read at the moment.
   */
  giveUp(error: unknown): boolean {
    const { log, hindered } = this.#context;
    const { label } = this.version;
    if (error instanceof Damaged || error instanceof Gone) return true;
    if (!isLost(error)) {
      hindered(error, label);
      return false;
    }
    log.warn({ error, file: label }, 'a cached copy cannot be read: it is fetched again');
    this.discard();
    return true;
  }

  /** Discards blocks that are kept only in memory. */
  forgetUnstored(): void {
    this.#context.ring.forget(this);
  }

  /** A block that was only in memory was dropped. */
  dropped(block: Block): void {
    this.#context.memory.recycle(block.bytes);
    const at = this.#blocks.indexOf(block);
    if (at < 0) return;
    this.#blocks.splice(at, 1);
    const end = block.offset + block.length;
    this.#arrived.remove(block.offset, end);
    for (const part of this.partsOnDisk(block.offset, end)) this.#arrived.add(part.start, part.end);
  }

  #newBlock(offset: number, end: number, store: boolean): Block {
    const bytes = this.#context.memory.take(end - offset);
    const block: Block = { offset, bytes, length: 0, full: false, unstored: !store };
    this.#blocks.push(block);
    return block;
  }

  #keepInMemory(block: Block): void {
    this.#context.memory.release(block.bytes, !block.unstored);
    block.unstored = true;
    this.#context.ring.keep(this, block);
  }

  /** Writes full blocks until none is left. Never rejects: if the disk fails, readers are served from memory. */
  async #write(): Promise<void> {
    const { files, space } = this.#context;
    for (let block = this.#nextToWrite(); block; block = this.#nextToWrite()) {
      const generation = this.#generation;
      const file = this.#file;
      this.#inFlight = block;
      let written = false;
      try {
        const bytes = block.bytes.subarray(0, block.length);
        await files.write(this.#makeFile(), bytes, block.offset);
        if (generation === this.#generation) this.sums.wrote(block.offset, bytes);
        written = true;
      } catch (error) {
        if (errnoOf(error) === 'ENOENT' && file !== undefined) this.giveUp(error);
        else space.writeFailed(error);
      }
      this.#inFlight = undefined;
      if (generation !== this.#generation) this.#context.memory.give(block.bytes, true);
      else if (written) this.#keepOnDisk(block);
      else this.#keepInMemory(block);
    }
    this.#writing = undefined;
  }

  #nextToWrite(): Block | undefined {
    return this.#blocks.find((block) => block.full && !block.unstored);
  }

  #keepOnDisk(block: Block): void {
    const { memory, space, index } = this.#context;
    const before = this.bytes;
    this.#blocks.splice(this.#blocks.indexOf(block), 1);
    memory.give(block.bytes, true);
    this.#stored.add(block.offset, block.offset + block.length);
    space.grew(this.bytes - before);
    index.changed(this);
  }

  #makeFile(): number {
    if (this.#file !== undefined) return this.#file;
    const file = this.#context.files.next();
    this.#context.files.create(file);
    this.#file = file;
    return file;
  }
}
