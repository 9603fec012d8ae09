import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { BandwidthLimiter } from '../base/bandwidth.js';
import { type Clock, every, systemClock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import type { RemoteId, VersionId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import { Blob, type BlobContext } from './blob.js';
import { Buffers } from './buffers.js';
import type { CacheLimit, Sharer } from './cache-limit.js';
import type { DownloadCounters } from './downloads.js';
import { bootId, syncFileSystem } from './durable.js';
import { BlobFiles } from './files.js';
import { hinderedReads } from './hindered.js';
import { BlobIndex, type OldBlob } from './index-db.js';
import { KnownBlobs } from './known-blobs.js';
import { Memory } from './memory.js';
import { BlobHandle, type OpenBlob } from './open-blob.js';
import { EAGER, Reader, type Reading } from './reader.js';
import { Ring } from './ring.js';
import { Siblings } from './siblings.js';
import { Slots } from './slots.js';
import type { ContentSource, ContentVersion } from './source.js';
import { Space } from './space.js';
import type { ContentStatistics } from './statistics.js';
import { BlobStore } from './store.js';

export interface ContentCacheOptions {
  /** Used by this cache only, and by one process at a time. */
  readonly folder: string;
  /** Bytes that the cached content may occupy, including that of other caches that share the limit. */
  readonly limit: number;
  readonly shared?: CacheLimit | undefined;
  /** Bytes that must stay free on the file system of `folder`. */
  readonly reserve: number;
  readonly source: ContentSource;
  readonly log: Log;
  readonly clock?: Clock;
  /** Bandwidth for downloads; unlimited by default. */
  readonly bandwidth?: BandwidthLimiter | undefined;
  /** Concurrent requests to the storage; default 32. An eighth is reserved for requests other than prefetch. */
  readonly connections?: number;
  /** Approximate bytes in memory between sockets and disk; default 16 MiB, at least 256 KiB per connection. */
  readonly memory?: number;
  /** Descriptors kept open for reading and writing; default 256. */
  readonly descriptors?: number;
  /** Identifies the machine's boot; default: the kernel's boot id. */
  readonly boot?: string;
  /** Called when the storage has other bytes of a version than those that were cached and may have been handed out. */
  readonly replaced?: (version: ContentVersion) => void;
}

/** Milliseconds between syncs of downloaded content and checks of the free space. */
const HOUSEKEEPING_MS = 300_000;
const EVICT_PAGE = 64;
/** For checks of cached content: nothing is read ahead. */
const UNREAD: Reading = { ahead: 'never' };
/** For content that is fetched without a reader waiting for it. */
const UPKEEP: Reading = { ahead: 'eager', isUpkeep: true };

/**
 * The content cache: bytes of versions on disk, fetched on demand and ahead of sequential reads and directory walks.
 */
export class ContentCache implements Sharer {
  readonly #options: ContentCacheOptions;
  readonly #files: BlobFiles;
  readonly #index: BlobIndex;
  readonly #space: Space;
  readonly #slots: Slots;
  readonly #memory: Memory;
  readonly #buffers = new Buffers();
  readonly #ring: Ring;
  readonly #siblings: Siblings;
  readonly #context: BlobContext;
  readonly #count: DownloadCounters = { hits: 0, misses: 0, fetchedBytes: 0, requests: 0 };
  readonly #blobs = new KnownBlobs();
  readonly #endHousekeeping: () => void;
  readonly #leave: (() => void) | undefined;
  #isKept: (remote: RemoteId, version: VersionId) => boolean = () => false;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  /** @throws Failure `database-damaged`, `database-newer`, `state-unwritable` */
  static open(options: ContentCacheOptions): ContentCache {
    return new ContentCache(options);
  }

  private constructor(options: ContentCacheOptions) {
    const { folder, log, source, clock = systemClock } = options;
    this.#options = options;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.#files = new BlobFiles(join(folder, 'blobs'), options.descriptors ?? 256);
    } catch (error) {
      throw new Failure('state-unwritable', { path: folder }, error);
    }
    this.#index = new BlobIndex(join(folder, 'cache.db'), options.boot ?? bootId(), log, clock);
    const { limit, reserve, shared } = options;
    const evict = (bytes: number): Promise<number> => shared?.evict(bytes) ?? this.evict(bytes);
    const others = (): number => (shared ? shared.occupied - this.occupied : 0);
    this.#space = new Space({ folder, limit, others, reserve, clock, log, evict }, this.#index.totals().bytes);
    this.#leave = shared?.join(this);
    const connections = options.connections ?? 32;
    const memory = Math.max(options.memory ?? 16 * 2 ** 20, Memory.least(connections));
    this.#slots = new Slots(connections);
    this.#memory = new Memory(memory);
    this.#ring = new Ring(memory);
    this.#context = {
      source,
      slots: this.#slots,
      memory: this.#memory,
      buffers: this.#buffers,
      bandwidth: options.bandwidth,
      clock,
      log,
      files: this.#files,
      index: this.#index,
      space: this.#space,
      ring: this.#ring,
      hindered: hinderedReads(log, clock),
      count: this.#count,
      settled: (blob) => this.#blobs.settled(blob),
      replaced: (version) => options.replaced?.(version),
    };
    this.#siblings = new Siblings(
      source,
      (version) => this.#prefetch(version),
      () => clock.monotonic(),
    );
    this.#endHousekeeping = every(clock, HOUSEKEEPING_MS, () => this.#later(() => this.#keepHouse()));
    if (!this.#index.wasClean) this.#later(() => this.#removeLeftovers());
  }

  /** @throws Failure `interrupted` after the cache is closed */
  open(version: ContentVersion, reading = EAGER): OpenBlob {
    const blob = this.#opened(version);
    if (reading.ahead === 'eager' && !reading.isUpkeep) this.#siblings.used(version, blob.store.whole);
    return new BlobHandle(blob, reading);
  }

  stats(): ContentStatistics {
    return {
      bytes: this.#space.used,
      limit: this.#space.limit,
      blobs: this.#index.totals().blobs,
      ...this.#count,
      downloading: this.#slots.used,
      queued: this.#slots.queued,
      memory: this.#memory.used + this.#ring.bytes,
      open: this.#blobs.inUse.filter(({ opens }) => opens > 0).length,
    };
  }

  /** Evicts at once whatever exceeds the new limit. */
  async setLimit(bytes: number): Promise<void> {
    this.#space.limit = bytes;
    await this.#space.trim();
  }

  /**
   * Adopts the file at `path` by rename as the complete content of `version`. The file must be on the same file system
   * and must not be written to any more. Returns false and leaves the file in place if its size differs or the version
   * is in use.
   */
  adopt(path: string, version: ContentVersion): boolean {
    const known = this.#blob(version);
    if (known.busy || statSync(path).size !== version.size) return false;
    this.#blobs.forget(version.id);
    known.store.discard();
    const file = this.#files.next();
    try {
      this.#files.moveIn(path, file);
    } catch (error) {
      this.#options.log.info({ error, file: version.label }, 'an upload cannot be kept in the content cache');
      return false;
    }
    const store = BlobStore.adopted(version, file, this.#context);
    const blob = new Blob(store, this.#context);
    this.#blobs.keep(blob);
    this.#space.grew(store.bytes);
    this.#index.changed(store);
    // Computed now, the sums still describe the bytes that were uploaded.
    this.#later(async () => void (await blob.check()));
    this.#later(() => this.#space.trim());
    return true;
  }

  /**
   * Checks the cached bytes of a version that were not checked since the process started. Damaged parts are discarded.
   */
  async check(version: ContentVersion): Promise<void> {
    const open = this.open(version, UNREAD);
    try {
      await open.check();
    } finally {
      open.close();
    }
  }

  /** The complete version is on disk. */
  has(version: ContentVersion): boolean {
    const { id, size } = version;
    const known = this.#blobs.peek(id);
    if (known) return known.version.size === size && known.store.whole;
    const pending = this.#index.pending(id);
    if (pending instanceof BlobStore) return pending.version.size === size && pending.whole;
    return this.#index.isWhole(id, size);
  }

  /**
   * Fetches the complete version with the lowest priority. Returns false if there is no room. Rejects as a read does.
   */
  async fetch(version: ContentVersion, signal: AbortSignal): Promise<boolean> {
    if (!(await this.#space.makeRoom(version.size))) return false;
    const blob = this.#opened(version);
    try {
      await blob.fetch(new Reader(UPKEEP), signal);
      return blob.store.whole;
    } finally {
      blob.released();
    }
  }

  /** Content for which `isKept` returns true is not evicted. */
  protect(isKept: (remote: RemoteId, version: VersionId) => boolean): void {
    this.#isKept = isKept;
  }

  /**
   * Moves the complete content of `version` out of the cache to `toPath` (same file system). Open handles keep reading
   * the same file through their descriptor. Returns false if the version is not completely cached.
   */
  take(version: ContentVersion, toPath: string): boolean {
    const blob = this.#blob(version);
    const { whole, file } = blob.store;
    if (!whole || file === undefined) return false;
    // The row is removed first, and durably: the file is going to change.
    try {
      this.#index.remove([version.id], true);
    } catch (error) {
      this.#options.log.info({ error, file: version.label }, 'the index of the content cache cannot be written');
      return false;
    }
    this.#blobs.forget(version.id);
    blob.store.forget();
    try {
      this.#files.moveOut(file, toPath);
    } catch (error) {
      this.#later(() => this.#files.remove(file));
      throw error;
    }
    return true;
  }

  /** Interrupts readers, stops downloads, and records and syncs all content. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#leave?.();
    this.#endHousekeeping();
    await Promise.all(this.#blobs.inUse.map((blob) => blob.shut()));
    await this.#work;
    await this.#sync();
    await this.#index.close();
    this.#files.close();
  }

  /** The shared blob of a version; it stays in use until `released`. */
  #opened(version: ContentVersion): Blob {
    if (this.#closed) throw new Failure('interrupted');
    const blob = this.#blob(version);
    this.#blobs.use(blob);
    blob.opened();
    if (blob.store.file !== undefined) this.#index.touched(version.id);
    return blob;
  }

  #blob(version: ContentVersion): Blob {
    const { id } = version;
    const known = this.#blobs.find(id);
    if (known?.version.size === version.size) return known;
    return new Blob(this.#store(version), this.#context);
  }

  #store(version: ContentVersion): BlobStore {
    const { id, size } = version;
    const pending = this.#index.pending(id);
    if (pending instanceof BlobStore && pending.version.size === size) return pending;
    const row = this.#index.find(id);
    if (!row) return new BlobStore(version, this.#context);
    const store = BlobStore.fromRow(version, row, this.#context);
    if (store) return store;
    this.#options.log.info({ file: version.label }, 'a cached copy does not fit its record: it is fetched again');
    this.#drop(id, row.file, row.bytes);
    return new BlobStore(version, this.#context);
  }

  #prefetch(version: ContentVersion): void {
    if (this.#closed) return;
    const blob = this.#blob(version);
    if (blob.store.whole) return;
    this.#blobs.use(blob);
    blob.prefetch();
  }

  #drop(version: VersionId, file: number, bytes: number): void {
    try {
      this.#index.remove([version]);
    } catch (error) {
      // A later write for this version replaces the row.
      this.#options.log.debug({ error }, 'the index of the content cache cannot be written');
    }
    this.#space.grew(-bytes);
    this.#later(() => this.#files.remove(file));
  }

  get occupied(): number {
    return this.#space.used;
  }

  async oldestUse(): Promise<number | undefined> {
    await this.#index.flushAll();
    return this.#index.oldest(undefined, 1)[0]?.used;
  }

  async evict(bytes: number): Promise<number> {
    await this.#index.flushAll();
    let freed = 0;
    let last: OldBlob | undefined;
    const latest = this.#index.lastUse;
    while (freed < bytes) {
      const page = this.#index.oldest(last, EVICT_PAGE);
      // Protected blobs are marked as used now and so come up again in this order.
      if (page.length === 0 || page[0]!.used > latest) break;
      last = page.at(-1);
      const gone: OldBlob[] = [];
      for (const old of page) {
        if (freed >= bytes) break;
        if (this.#blobs.peek(old.version)?.busy) continue;
        if (this.#isKept(old.remote, old.version)) {
          this.#index.touched(old.version);
          continue;
        }
        gone.push(old);
        freed += old.bytes;
      }
      await this.#removeBlobs(gone);
      if (gone.length === 0) await turn();
    }
    return freed;
  }

  async #removeBlobs(blobs: readonly OldBlob[]): Promise<void> {
    const versions = blobs.map(({ version }) => version);
    let areRecorded = true;
    try {
      this.#index.remove(versions);
      areRecorded = false;
    } catch (error) {
      // On a full disk even this may fail until files are removed. A row without a file does no harm.
      this.#options.log.debug({ error }, 'the index of the content cache cannot be written; files are removed first');
    }
    for (const { version, bytes } of blobs) {
      const known = this.#blobs.peek(version);
      this.#blobs.forget(version);
      // A blob in memory accounts for its own bytes, so they are subtracted only once.
      if (known) known.store.forget();
      else this.#space.grew(-bytes);
    }
    for (const { file } of blobs) await this.#files.remove(file);
    if (areRecorded) this.#index.remove(versions);
  }

  async #keepHouse(): Promise<void> {
    this.#memory.trim();
    this.#buffers.trim();
    await this.#space.trim();
    if (this.#index.hasUnsynced) await this.#sync();
  }

  async #sync(): Promise<void> {
    try {
      await this.#index.synced(() => syncFileSystem(this.#options.folder));
    } catch (error) {
      this.#options.log.warn({ error }, 'the content cache could not be synced: after a power cut it is fetched again');
    }
  }

  /**
   * Removes files that no row refers to: the process was killed between creating a file and recording it, or during
   * eviction.
   */
  async #removeLeftovers(): Promise<void> {
    for await (const files of this.#files.leftovers()) {
      for (const file of files) {
        if (this.#closed) return;
        if (!this.#index.knowsFile(file)) await this.#files.remove(file);
      }
      await turn();
    }
  }

  /** Runs background jobs one after the other; `close` waits for them. */
  #later(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((error) => {
      this.#options.log.warn({ error }, 'housekeeping of the content cache failed');
    });
  }
}
