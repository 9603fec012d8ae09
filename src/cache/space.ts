import { statfsSync } from 'node:fs';
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { OncePer } from '../base/once-per.js';

export interface SpaceOptions {
  readonly folder: string;
  /** Bytes the cache may occupy. */
  readonly limit: number;
  /** Bytes that other caches occupy of the same limit. */
  readonly others: () => number;
  /** Bytes that must stay free on the file system. */
  readonly reserve: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Removes the least recently used blobs until `bytes` are freed; resolves to the bytes freed. */
  readonly evict: (bytes: number) => Promise<number>;
}

/** Milliseconds for which the free space reported by the file system is reused. */
const FREE_IS_GOOD_MS = 1000;
/** Milliseconds for which nothing is stored after eviction freed too little, or a write failed. */
const FULL_PAUSE_MS = 3000;
const BLOCK_BYTES = 4096;

/** Bytes on disk that content of this length occupies. */
export const occupied = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;

/** Decides what may be stored: stays within the limit and keeps the reserve free. */
export class Space {
  readonly #options: SpaceOptions;
  readonly #logged: OncePer;
  limit: number;
  /** Bytes occupied by the blobs. */
  used: number;
  /** Bytes that downloads in progress may still add. */
  #promised = 0;
  #free = 0;
  #freeAt = Number.NEGATIVE_INFINITY;
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #evicting: Promise<number> | undefined;

  constructor(options: SpaceOptions, used: number) {
    this.#options = options;
    this.#logged = new OncePer(options.clock);
    this.limit = options.limit;
    this.used = used;
  }

  /** Records that the occupied bytes grew, or shrank if negative. */
  grew(bytes: number): void {
    this.used += bytes;
    this.#free -= bytes;
  }

  /** Reserves room for `bytes`, by eviction if necessary; false: continue without storing. Balance with `settle`. */
  async promise(bytes: number): Promise<boolean> {
    if (this.paused) return false;
    const missing = this.#missing(bytes);
    if (missing > 0) {
      this.#evicting ??= this.#evict(missing);
      await this.#evicting;
      if (this.#missing(bytes) > 0) {
        this.#pause('the content cache is full and everything in it is in use: reading without storing');
        return false;
      }
    }
    this.#promised += bytes;
    return true;
  }

  /** Whether there is room for `bytes` more, after eviction if necessary. */
  async makeRoom(bytes: number): Promise<boolean> {
    if (!(await this.promise(bytes))) return false;
    this.settle(bytes);
    return true;
  }

  /** As `promise`, for a download that turns out longer than expected, without eviction. */
  promiseMore(bytes: number): boolean {
    if (this.paused || this.#missing(bytes) > 0) return false;
    this.#promised += bytes;
    return true;
  }

  /** Nothing is stored at the moment. */
  get paused(): boolean {
    return this.#now() < this.#pausedUntil;
  }

  settle(bytes: number): void {
    this.#promised -= bytes;
  }

  /** To be called when a write failed: nothing is stored for a while. */
  writeFailed(error: unknown): void {
    this.#freeAt = Number.NEGATIVE_INFINITY;
    this.#pause('the content cache cannot be written: reading without storing', error);
  }

  /** Evicts down to the limit and the reserve. */
  async trim(): Promise<void> {
    const missing = this.#missing(0);
    if (missing <= 0) return;
    this.#evicting ??= this.#evict(missing);
    await this.#evicting;
  }

  async #evict(missing: number): Promise<number> {
    try {
      // Evict a little more than needed, so that not every download must evict.
      const freed = await this.#options.evict(missing + Math.min(64 * 2 ** 20, Math.floor(this.limit / 32)));
      this.#freeAt = Number.NEGATIVE_INFINITY;
      return freed;
    } catch (error) {
      this.#options.log.warn({ error }, 'the content cache cannot evict');
      return 0;
    } finally {
      this.#evicting = undefined;
    }
  }

  #missing(bytes: number): number {
    const overLimit = this.used + this.#options.others() + this.#promised + bytes - this.limit;
    const underReserve = this.#options.reserve - (this.#freeBytes() - this.#promised - bytes);
    return Math.max(overLimit, underReserve);
  }

  #freeBytes(): number {
    const now = this.#now();
    if (now - this.#freeAt > FREE_IS_GOOD_MS) {
      const { bavail, bsize } = statfsSync(this.#options.folder);
      this.#free = bavail * bsize;
      this.#freeAt = now;
    }
    return this.#free;
  }

  #pause(message: string, error?: unknown): void {
    this.#pausedUntil = this.#now() + FULL_PAUSE_MS;
    const { limit, used } = this;
    const { log, reserve } = this.#options;
    this.#logged.run('full', () => log.warn({ limit, used, reserve, error }, message));
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }
}
