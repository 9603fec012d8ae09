import type { Clock } from '../base/clock.js';
import { errnoOf, Failure } from '../base/errors.js';
import type { BlobFiles } from './files.js';
import type { BlobIndex, BlobRow, Changed } from './index-db.js';
import { type Range, RangeSet } from './ranges.js';
import type { Reader } from './reader.js';
import type { Ring } from './ring.js';
import { Priority } from './slots.js';
import type { ContentVersion } from './source.js';
import { occupied, type Space } from './space.js';
import { Transfer, type TransferContext } from './transfer.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Ranges begin and end at multiples of this many bytes where nothing else stops them. */
const ALIGN = 128 * KIB;
/** Versions up to this size are fetched whole. */
const WHOLE = 512 * KIB;
/** A download that has further to go to the bytes wanted (bytes) gets company by one that starts there. */
const PATIENCE = 2 * MIB;
/** When nobody has the blob open, a download with more than this left is stopped. */
const FINISH = MIB;
/** Downloads ahead of one reader. */
const AHEAD = 2;
/** Bytes fetched ahead of a reader while nothing can be stored: they must stay in memory until read. */
const UNSTORED_WINDOW = 2 * MIB;
/** Bytes that one write call may take. */
const WRITE = MIB;
const MOST_BUFFERS = 256;

export interface BlobContext extends TransferContext {
  readonly files: BlobFiles;
  readonly index: BlobIndex;
  readonly space: Space;
  readonly ring: Ring;
  readonly clock: Clock;
  readonly count: Counters;
  /** The blob has changed between in use and idle. */
  settled(blob: Blob): void;
}

export interface Counters {
  hits: number;
  misses: number;
  fetchedBytes: number;
  requests: number;
}

/** Bytes that arrived and are not on disk. */
export interface Chunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Not to be written: there was no room on disk. */
  readonly unstored: boolean;
}

interface Waiter {
  readonly start: number;
  readonly end: number;
  readonly target: Buffer;
  /** What of [start, end) is in `target` already. */
  readonly got: RangeSet;
  resolve(bytes: Uint8Array): void;
  reject(reason: unknown): void;
}

/** The cached content of one version: what is on disk, what is on its way, who waits for it. */
export class Blob implements Changed {
  readonly version: ContentVersion;
  readonly #context: BlobContext;
  /** The name of its file; undefined until there is one. */
  #file: number | undefined;
  /** On disk. */
  readonly #stored: RangeSet;
  /** On disk or in memory. */
  readonly #arrived = new RangeSet();
  #chunks: Chunk[] = [];
  readonly #transfers = new Set<Transfer>();
  readonly #waiters = new Set<Waiter>();
  #writing: Promise<void> | undefined;
  /** Handles. */
  #opens = 0;
  #shared: { fd: number } | undefined;
  #closed = false;
  /** Whether the last download found room on disk. */
  #storing = true;

  constructor(version: ContentVersion, context: BlobContext, file?: number, stored?: RangeSet) {
    this.version = version;
    this.#context = context;
    this.#file = file;
    this.#stored = stored ?? new RangeSet();
    for (const { start, end } of this.#stored.within(0, version.size)) this.#arrived.add(start, end);
  }

  /** The blob that the row describes; undefined if row, file and version do not fit together. */
  static fromRow(version: ContentVersion, row: BlobRow, context: BlobContext): Blob | undefined {
    if (row.size !== version.size) return undefined;
    const whole = new RangeSet();
    whole.add(0, row.size);
    const stored = row.ranges ? RangeSet.decode(row.ranges, row.size) : whole;
    const size = context.files.size(row.file);
    if (!stored || size === undefined || size < stored.end || size > row.size) return undefined;
    return new Blob(version, context, row.file, stored);
  }

  /** The blob whose whole content is the file `file`. */
  static adopted(version: ContentVersion, file: number, context: BlobContext): Blob {
    const whole = new RangeSet();
    whole.add(0, version.size);
    return new Blob(version, context, file, whole);
  }

  row(): BlobRow | undefined {
    const { id, remoteId, size } = this.version;
    if (this.#file === undefined) return undefined;
    const ranges = this.whole ? null : this.#stored.encode();
    return { version: id, remote: remoteId, file: this.#file, size, bytes: this.bytes, ranges };
  }

  /** Wholly on disk. */
  get whole(): boolean {
    return this.#stored.bytes === this.version.size;
  }

  /** Bytes occupied on disk. */
  get bytes(): number {
    return occupied(this.#stored.bytes);
  }

  /** Ranges kept in memory: what the record weighs. */
  get weight(): number {
    return this.#stored.count + 8;
  }

  /** Open, being fetched or being written: not to be evicted. */
  get busy(): boolean {
    return this.#opens > 0 || this.#transfers.size > 0 || this.#writing !== undefined || this.#waiters.size > 0;
  }

  get opens(): number {
    return this.#opens;
  }

  get file(): number | undefined {
    return this.#file;
  }

  opened(): void {
    this.#opens++;
  }

  released(): void {
    this.#opens--;
    if (this.#opens > 0) return;
    if (this.#shared) this.#context.files.closeShared(this.#shared.fd);
    this.#shared = undefined;
    this.#stopUnneeded();
    this.#context.ring.forget(this);
    this.#context.settled(this);
  }

  /** A descriptor for reading, good until the last handle is closed. */
  fd(): number {
    if (!this.whole) throw new Failure('internal', {}, new Error('a descriptor of a blob that is not whole'));
    if (this.version.size === 0) this.#makeFile();
    this.#shared ??= { fd: this.#context.files.openForReading(this.#file!) };
    return this.#shared.fd;
  }

  read(start: number, size: number, reader: Reader, signal: AbortSignal): Promise<Uint8Array> | Uint8Array {
    const end = Math.min(start + size, this.version.size);
    if (start >= end) return Buffer.alloc(0);
    reader.note(start, end);
    if (!this.#arrived.has(start, end)) {
      this.#context.count.misses++;
      return this.#wait(start, end, reader, signal);
    }
    this.#context.count.hits++;
    this.#runAhead(reader);
    if (!this.#stored.has(start, end)) return this.#wait(start, end, reader, signal);
    return this.#fromDisk(start, end, reader, signal);
  }

  /** Fetches the whole, for somebody who will come soon. */
  prefetch(): void {
    this.#cover(0, this.version.size, this.version.size, Priority.siblings);
  }

  /** Stops everything; waiting readers are interrupted. Resolves when nothing is written any more. */
  async shut(): Promise<void> {
    this.#closed = true;
    for (const transfer of this.#transfers) transfer.stop();
    this.#rejectAll(new Failure('interrupted'));
    await this.#writing;
    if (this.#shared) this.#context.files.closeShared(this.#shared.fd);
    this.#shared = undefined;
  }

  /** Its bytes leave the cache. Whoever has it open fetches them again. The row is the caller's. */
  forget(): number | undefined {
    const file = this.#file;
    this.#context.space.grew(-this.bytes);
    this.#file = undefined;
    this.#stored.clear();
    this.#arrived.clear();
    for (const chunk of this.#chunks) if (!chunk.unstored) this.#context.memory.give(chunk.bytes.length);
    this.#chunks = [];
    this.#context.ring.forget(this);
    return file;
  }

  /** A chunk that was only in memory has gone. */
  dropChunk(chunk: Chunk): void {
    const at = this.#chunks.indexOf(chunk);
    if (at < 0) return;
    this.#chunks.splice(at, 1);
    const end = chunk.offset + chunk.bytes.length;
    this.#arrived.remove(chunk.offset, end);
    for (const { start, end: to } of [...this.#stored.within(chunk.offset, end)]) this.#arrived.add(start, to);
  }

  #fromDisk(start: number, end: number, reader: Reader, signal: AbortSignal): Promise<Uint8Array> | Uint8Array {
    const target = Buffer.allocUnsafe(end - start);
    try {
      const later = this.#context.files.read(this.#file!, target, start);
      if (!later) return target;
      return later.then(
        () => target,
        (error: unknown) => this.#reread(error, start, end, reader, signal),
      );
    } catch (error) {
      return this.#reread(error, start, end, reader, signal);
    }
  }

  /** The cache's own disk failed: its copy is given up and the bytes are fetched. */
  #reread(error: unknown, start: number, end: number, reader: Reader, signal: AbortSignal): Promise<Uint8Array> {
    this.#giveUp(error);
    return this.#wait(start, end, reader, signal);
  }

  #giveUp(error: unknown): void {
    this.#context.log.warn({ error, file: this.version.label }, 'a cached copy cannot be read: it is fetched again');
    this.discard();
  }

  /** Forgets all content, with row and file. */
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

  #wait(start: number, end: number, reader: Reader, signal: AbortSignal): Promise<Uint8Array> {
    if (signal.aborted || this.#closed) return Promise.reject(new Failure('interrupted', {}, signal.reason));
    return new Promise<Uint8Array>((resolve, reject) => {
      const settle = (): void => {
        signal.removeEventListener('abort', interrupt);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        start,
        end,
        target: Buffer.allocUnsafe(end - start),
        got: new RangeSet(),
        resolve: (bytes) => {
          settle();
          resolve(bytes);
        },
        reject: (reason) => {
          settle();
          reject(reason);
        },
      };
      const interrupt = (): void => {
        waiter.reject(new Failure('interrupted', {}, signal.reason));
        this.#stopUnneeded();
      };
      signal.addEventListener('abort', interrupt, { once: true });
      this.#waiters.add(waiter);
      for (const chunk of this.#chunks) this.#serve(waiter, chunk.offset, chunk.bytes);
      if (!this.#waiters.has(waiter)) return;
      for (const part of [...this.#stored.within(start, end)]) void this.#fill(waiter, part);
      if (!this.#waiters.has(waiter)) return;
      this.#cover(start, end, this.#window(reader), Priority.reader);
      this.#runAhead(reader);
    });
  }

  /** Part of what a waiter wants is on disk. */
  async #fill(waiter: Waiter, { start, end }: Range): Promise<void> {
    try {
      await this.#context.files.read(
        this.#file!,
        waiter.target.subarray(start - waiter.start, end - waiter.start),
        start,
      );
      waiter.got.add(start, end);
      this.#complete(waiter);
    } catch (error) {
      if (!this.#waiters.has(waiter)) return;
      this.#giveUp(error);
      this.#cover(waiter.start, waiter.end, 0, Priority.reader);
    }
  }

  #serve(waiter: Waiter, offset: number, bytes: Uint8Array): void {
    const start = Math.max(waiter.start, offset);
    const end = Math.min(waiter.end, offset + bytes.length);
    if (start >= end) return;
    waiter.target.set(bytes.subarray(start - offset, end - offset), start - waiter.start);
    waiter.got.add(start, end);
    this.#complete(waiter);
  }

  #complete(waiter: Waiter): void {
    if (this.#waiters.has(waiter) && waiter.got.has(waiter.start, waiter.end)) waiter.resolve(waiter.target);
  }

  /** Sees to it that [start, end) is on its way, and `window` bytes from the first missing one on. */
  #cover(start: number, end: number, window: number, priority: Priority): void {
    const { size } = this.version;
    const whole = size <= WHOLE;
    const to = whole ? size : Math.min(size, Math.ceil(end / ALIGN) * ALIGN);
    let from = whole ? 0 : Math.floor(start / ALIGN) * ALIGN;
    while (from < to) {
      const gap = this.#arrived.gap(from, to);
      if (!gap) return;
      const transfer = this.#transferAt(gap.start);
      if (!transfer) {
        const reach = Math.min(size, Math.max(gap.end, gap.start + window));
        from = this.#start(gap.start, this.#untilCovered(gap.start, reach), priority);
        continue;
      }
      if (priority === Priority.reader) transfer.promote(priority);
      const wanted = Math.max(gap.start, Math.floor(start / ALIGN) * ALIGN);
      if (priority === Priority.reader && wanted < transfer.end && wanted - transfer.position > PATIENCE) {
        const tail = transfer.end;
        transfer.shorten(wanted);
        from = this.#start(wanted, tail, priority);
      } else from = transfer.end;
    }
  }

  #transferAt(offset: number): Transfer | undefined {
    for (const transfer of this.#transfers)
      if (!transfer.stopped && transfer.position <= offset && offset < transfer.end) return transfer;
    return undefined;
  }

  /** Where from `start` on something begins that is here or on its way; at most `end`. */
  #untilCovered(start: number, end: number): number {
    let to = this.#arrived.gap(start, end)?.end ?? start;
    for (const transfer of this.#transfers)
      if (!transfer.stopped && transfer.end > transfer.position && transfer.position > start)
        to = Math.min(to, transfer.position);
    return to;
  }

  /** The first byte from `from` on that is neither here nor on its way; undefined if there is none before `to`. */
  #uncovered(from: number, to: number): number | undefined {
    for (let at = from; ; ) {
      const gap = this.#arrived.gap(at, to);
      if (!gap) return undefined;
      const transfer = this.#transferAt(gap.start);
      if (!transfer) return gap.start;
      at = transfer.end;
    }
  }

  #runAhead(reader: Reader): void {
    const { position } = reader;
    const window = this.#window(reader);
    if (window === 0 || position >= this.version.size || this.#closed) return;
    const start = this.#uncovered(position, Math.min(this.version.size, position + window));
    if (start === undefined || start - position > window / 2) return;
    let ahead = 0;
    for (const transfer of this.#transfers) if (transfer.end > position && !transfer.stopped) ahead++;
    if (ahead >= AHEAD) return;
    this.#start(start, this.#untilCovered(start, Math.min(this.version.size, start + window)), Priority.ahead);
  }

  #window(reader: Reader): number {
    return this.#storing ? reader.window : Math.min(reader.window, UNSTORED_WINDOW);
  }

  #start(start: number, end: number, priority: Priority): number {
    const transfer = new Transfer(this.version, start, end, priority, this.#context);
    this.#transfers.add(transfer);
    void this.#receive(transfer, priority);
    return end;
  }

  async #receive(transfer: Transfer, priority: Priority): Promise<void> {
    const { space, index, count } = this.#context;
    let promised = 0;
    let store = false;
    const admitted = async (): Promise<boolean> => {
      const bytes = transfer.end - transfer.position;
      store = !index.failing && (await space.promise(bytes));
      this.#storing = store;
      if (store) promised = bytes;
      count.requests++;
      // Nobody waits for siblings: without room they are of no use.
      return store || priority !== Priority.siblings || this.#waiters.size > 0;
    };
    const arrive = (offset: number, bytes: Uint8Array): void => {
      count.fetchedBytes += bytes.length;
      this.#arrive({ offset, bytes, unstored: !store || space.paused });
    };
    const outcome = await transfer.run(admitted, arrive, () => {
      const more = transfer.end - transfer.position - promised;
      if (store && more > 0 && (store = space.promiseMore(more))) promised += more;
      // The others would bring the same.
      for (const other of this.#transfers) if (other !== transfer) other.stop();
    });
    this.#transfers.delete(transfer);
    if (outcome.kind === 'failed') this.#failed(transfer, outcome.failure);
    else if (this.#opens > 0 || this.#waiters.size > 0) this.#coverWaiters();
    await this.#writing;
    space.settle(promised);
    this.#context.settled(this);
  }

  #coverWaiters(): void {
    if (this.#closed) return;
    for (const waiter of this.#waiters) this.#cover(waiter.start, waiter.end, 0, Priority.reader);
  }

  #failed(transfer: Transfer, failure: Failure): void {
    if (failure.code === 'wrong-size') {
      for (const other of this.#transfers) other.stop();
      this.discard();
      this.#rejectAll(failure);
    } else {
      for (const waiter of this.#waiters) {
        const missing = waiter.got.gap(Math.max(waiter.start, transfer.position), Math.min(waiter.end, transfer.end));
        if (missing && waiter.start < transfer.end && waiter.end > transfer.position) waiter.reject(failure);
      }
      this.#coverWaiters();
    }
    this.#context.log[failure.level]({ error: failure, file: this.version.label }, 'a download failed');
  }

  #rejectAll(reason: Failure): void {
    for (const waiter of this.#waiters) waiter.reject(reason);
  }

  /** Nobody has it open any more: long downloads end. */
  #stopUnneeded(): void {
    if (this.#opens > 0 || this.#waiters.size > 0) return;
    for (const transfer of this.#transfers) if (transfer.end - transfer.position > FINISH) transfer.stop();
  }

  #arrive(chunk: Chunk): void {
    const { offset, bytes, unstored } = chunk;
    for (const waiter of this.#waiters) this.#serve(waiter, offset, bytes);
    const end = offset + bytes.length;
    if (this.#stored.has(offset, end)) return;
    this.#arrived.add(offset, end);
    this.#chunks.push(chunk);
    if (unstored) this.#context.ring.keep(this, chunk);
    else {
      this.#context.memory.take(bytes.length);
      this.#writing ??= this.#write();
    }
  }

  /** Writes what has arrived until nothing is left. Never rejects: without a disk, readers are served from memory. */
  async #write(): Promise<void> {
    await Promise.resolve();
    for (let run = this.#nextRun(); run.length > 0; run = this.#nextRun()) {
      const file = this.#file;
      let written = 0;
      try {
        written = await this.#context.files.write(this.#makeFile(), buffersOf(run), run[0]!.offset);
      } catch (error) {
        if (errnoOf(error) === 'ENOENT' && file !== undefined) this.#giveUp(error);
        else this.#context.space.writeFailed(error);
      }
      this.#stow(run, written);
    }
    this.#writing = undefined;
  }

  #makeFile(): number {
    if (this.#file === undefined) {
      const file = this.#context.files.next();
      this.#context.files.create(file);
      this.#file = file;
    }
    return this.#file;
  }

  /** Chunks that follow one another, to be written in one go. */
  #nextRun(): Chunk[] {
    const run: Chunk[] = [];
    let bytes = 0;
    let next: number | undefined;
    for (const chunk of this.#chunks) {
      if (chunk.unstored) continue;
      if (next !== undefined && chunk.offset !== next) continue;
      if (bytes >= WRITE || run.length >= MOST_BUFFERS) break;
      run.push(chunk);
      bytes += chunk.bytes.length;
      next = chunk.offset + chunk.bytes.length;
    }
    return run;
  }

  /** `written` bytes of the run are on disk; what is not stays in memory only. */
  #stow(run: readonly Chunk[], written: number): void {
    const { memory, space, index, ring } = this.#context;
    const before = this.bytes;
    const gone = new Set(run);
    let left = written;
    const kept = this.#chunks.length;
    this.#chunks = this.#chunks.filter((chunk) => !gone.has(chunk));
    // Forgotten meanwhile (a wrong size, say): what was written belongs to nothing.
    if (this.#chunks.length === kept || this.#file === undefined) return;
    for (const chunk of run) {
      const size = chunk.bytes.length;
      memory.give(size);
      if (left >= size) this.#stored.add(chunk.offset, chunk.offset + size);
      else {
        const unstored: Chunk = { ...chunk, unstored: true };
        this.#chunks.push(unstored);
        ring.keep(this, unstored);
      }
      left -= size;
    }
    space.grew(this.bytes - before);
    if (written > 0) index.changed(this);
  }
}

const buffersOf = (run: readonly Chunk[]): Uint8Array[] => run.map((chunk) => chunk.bytes);
