import { setMaxListeners } from 'node:events';
import { Failure } from '../base/errors.js';
import { type DownloadContext, Downloads } from './downloads.js';
import { type ByteRange, RangeSet } from './ranges.js';
import type { Reader } from './reader.js';
import type { ContentVersion } from './source.js';
import type { BlobStore } from './store.js';
import type { RangeDownload } from './transfer.js';

export interface BlobContext extends DownloadContext {
  /** Called when the blob may no longer be in use. */
  settled(blob: Blob): void;
  /** Called when the storage has other bytes of the version and the cached ones were discarded. */
  replaced(version: ContentVersion): void;
}

/** Bytes that `fetch` reads at once. */
const FETCHED_AT_ONCE_BYTES = 2 ** 20;
/**
 * Attempts to read from a disk that fails at the moment, and milliseconds before the second attempt; doubles each time.
 */
const ATTEMPTS = 9;
const BACKOFF = 10;
/** Most times that a read is started while the storage's bytes change. */
const MOST_BEGUN = 2;

interface Waiter {
  readonly start: number;
  readonly end: number;
  target: Buffer;
  readonly reader: Reader;
  /** Ranges that are in `target` already. */
  readonly got: RangeSet;
  /** How often the read was started from its first byte. */
  begun: number;
  resolve(bytes: Uint8Array): void;
  reject(reason: unknown): void;
}

/** A version in use: its cached bytes, its downloads, and the reads that wait for them. */
export class Blob {
  readonly store: BlobStore;
  readonly #context: BlobContext;
  readonly #downloads: Downloads;
  readonly #waiters = new Set<Waiter>();
  /** Open handles. */
  #opens = 0;
  /** Checks in progress. */
  #checks = 0;
  readonly #shut = new AbortController();

  constructor(store: BlobStore, context: BlobContext) {
    this.store = store;
    this.#context = context;
    const blob = this;
    const audience = {
      get waiting() {
        return blob.#waiters.size > 0;
      },
      arrived: (offset: number, bytes: Uint8Array) => this.#arrived(offset, bytes),
      failed: (transfer: RangeDownload, failure: Failure) => this.#failed(transfer, failure),
      ended: () => this.#demandAgain(),
      stored: () => {
        if (this.#opens === 0) store.forgetUnstored();
        context.settled(this);
      },
    };
    this.#downloads = new Downloads(store, audience, context);
  }

  get version(): ContentVersion {
    return this.store.version;
  }

  /** Open, being checked, fetched or written: not to be evicted. */
  get busy(): boolean {
    return (
      this.#opens > 0 || this.#checks > 0 || this.#downloads.active || this.store.writing || this.#waiters.size > 0
    );
  }

  get opens(): number {
    return this.#opens;
  }

  opened(): void {
    this.#opens++;
  }

  released(): void {
    this.#opens--;
    if (this.#opens > 0) return;
    if (this.store.file !== undefined) this.#context.index.touched(this.version.id);
    this.store.closeFd();
    if (this.#waiters.size === 0) this.#downloads.stopLong();
    this.store.forgetUnstored();
    this.#context.settled(this);
  }

  read(start: number, size: number, reader: Reader, signal: AbortSignal): Promise<Uint8Array> | Uint8Array {
    const end = Math.min(start + size, this.version.size);
    if (start >= end) return Buffer.alloc(0);
    reader.note(start, end);
    const isHere = this.store.has(start, end);
    reader.found(isHere);
    if (!isHere) {
      this.#context.count.misses++;
      reader.reading.spend?.(this.#missing(this.#downloads.rangeFor(start, end, reader)));
      return this.#wait(start, end, reader, signal);
    }
    this.#context.count.hits++;
    if (!this.store.onDisk(start, end)) return this.#wait(start, end, reader, signal);
    this.#downloads.runAhead(reader);
    return this.#fromDisk(start, end, reader, signal);
  }

  #missing({ start, end }: ByteRange): number {
    let bytes = 0;
    for (let gap = this.store.gap(start, end); gap; gap = this.store.gap(gap.end, end)) bytes += gap.end - gap.start;
    return bytes;
  }

  /**
   * Checks all bytes on disk that were not checked since the process started. Returns true if the complete version is
   * on disk and undamaged.
   */
  async check(): Promise<boolean> {
    this.#checks++;
    try {
      await this.store.check(this.#shut.signal);
    } catch (error) {
      this.store.giveUp(error);
    } finally {
      this.#checks--;
      this.#context.settled(this);
    }
    return this.store.whole && this.store.isChecked;
  }

  /** Fetches the missing bytes into the cache, up to 1 MiB at a time. Rejects as `read` does. */
  async fetch(reader: Reader, signal: AbortSignal): Promise<void> {
    const { size } = this.version;
    let at = 0;
    for (let gap = this.store.gap(at, size); gap; gap = this.store.gap(at, size)) {
      at = Math.min(gap.end, gap.start + FETCHED_AT_ONCE_BYTES);
      this.#context.buffers.give(await this.read(gap.start, at - gap.start, reader, signal));
    }
    await this.store.drained();
  }

  /** Fetches the complete version for a reader that is expected soon. */
  prefetch(): void {
    this.#downloads.prefetch();
  }

  /** Stops downloads and interrupts waiting reads. Resolves when no write is in progress any more. */
  async shut(): Promise<void> {
    this.#shut.abort();
    const closed = this.#downloads.close();
    this.#rejectAll(new Failure('interrupted'));
    await closed;
    await this.store.drained();
    this.store.closeFd();
  }

  #fromDisk(start: number, end: number, reader: Reader, signal: AbortSignal): Promise<Uint8Array> | Uint8Array {
    const target = this.#context.buffers.take(end - start);
    const again = (error: unknown): Promise<Uint8Array> => {
      this.store.giveUp(error);
      return this.#wait(start, end, reader, signal);
    };
    try {
      const later = this.store.read(target, start);
      return later ? later.then(() => target, again) : target;
    } catch (error) {
      return again(error);
    }
  }

  #wait(start: number, end: number, reader: Reader, signal: AbortSignal): Promise<Uint8Array> {
    if (signal.aborted || this.#shut.signal.aborted)
      return Promise.reject(new Failure('interrupted', {}, signal.reason));
    return new Promise<Uint8Array>((resolve, reject) => {
      const leave = (): void => {
        signal.removeEventListener('abort', interrupt);
        this.#waiters.delete(waiter);
      };
      const onDisk = this.store.partsOnDisk(start, end);
      const waiter: Waiter = {
        start,
        end,
        reader,
        // With parts on disk the buffer is not recycled: a read from disk may still write to it after a download has
        // delivered the same bytes.
        target: onDisk.length > 0 ? Buffer.allocUnsafe(end - start) : this.#context.buffers.take(end - start),
        got: new RangeSet(),
        begun: 1,
        resolve: (bytes) => {
          leave();
          resolve(bytes);
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
      };
      const interrupt = (): void => {
        waiter.reject(new Failure('interrupted', {}, signal.reason));
        if (this.#opens === 0 && this.#waiters.size === 0) this.#downloads.stopLong();
      };
      // Many reads may share one signal.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', interrupt, { once: true });
      this.#waiters.add(waiter);
      for (const [offset, bytes] of this.store.inMemory()) this.#serve(waiter, offset, bytes);
      if (this.#waiters.has(waiter)) for (const part of onDisk) void this.#fill(waiter, part);
      if (this.#waiters.has(waiter)) this.#downloads.demand(start, end, reader);
      this.#downloads.runAhead(reader);
    });
  }

  /** Reads the part of a waiter's range that is on disk. */
  async #fill(waiter: Waiter, { start, end }: ByteRange): Promise<void> {
    const target = waiter.target.subarray(start - waiter.start, end - waiter.start);
    for (let attempt = 1; this.#waiters.has(waiter); attempt++) {
      try {
        await this.store.read(target, start);
        waiter.got.add(start, end);
        this.#complete(waiter);
        return;
      } catch (error) {
        if (!this.#waiters.has(waiter)) return;
        if (this.store.giveUp(error)) {
          this.#downloads.demand(waiter.start, waiter.end, waiter.reader);
          return;
        }
        if (attempt === ATTEMPTS) waiter.reject(new Failure('content-unreadable', { what: this.version.label }, error));
        else await this.#pause(BACKOFF * 2 ** (attempt - 1));
      }
    }
  }

  /** Ends early when the blob is shut. */
  async #pause(ms: number): Promise<void> {
    await this.#context.clock.sleep(ms, this.#shut.signal).catch(() => undefined);
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

  #arrived(offset: number, bytes: Uint8Array): void {
    for (const waiter of this.#waiters) this.#serve(waiter, offset, bytes);
  }

  /** Ensures that no waiter is left without a download when one has ended. */
  #demandAgain(): void {
    if (this.#shut.signal.aborted) return;
    for (const { start, end, reader } of this.#waiters) this.#downloads.demand(start, end, reader);
  }

  #failed(transfer: RangeDownload, failure: Failure): void {
    this.#context.log[failure.level]({ error: failure, file: this.version.label }, 'a download failed');
    const isOther = failure.code === 'version-changed';
    if (isOther) this.#beginAnew();
    for (const waiter of this.#waiters) {
      const start = Math.max(waiter.start, transfer.position);
      const end = Math.min(waiter.end, transfer.end);
      // A read is not started over again and again while the storage's bytes keep changing.
      const isOver = isOther ? ++waiter.begun > MOST_BEGUN : start < end && !waiter.got.has(start, end);
      if (isOver) waiter.reject(failure);
    }
    this.#demandAgain();
  }

  /** The storage has other bytes now: they must not be mixed with the old ones. */
  #beginAnew(): void {
    this.#downloads.stopAll();
    this.store.discard();
    for (const waiter of this.#waiters) {
      waiter.got.clear();
      // A read from disk may still write old bytes into the previous buffer.
      waiter.target = Buffer.allocUnsafe(waiter.target.length);
    }
    this.#context.replaced(this.version);
  }

  #rejectAll(reason: Failure): void {
    for (const waiter of this.#waiters) waiter.reject(reason);
  }
}
