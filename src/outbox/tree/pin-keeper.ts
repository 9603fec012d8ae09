import { setImmediate as turn } from 'node:timers/promises';
import { Pauses } from '../../base/backoff.js';
import { Failure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { ContentCache } from '../../cache/cache.js';
import type { ContentVersion } from '../../cache/source.js';
import type { MirrorStore } from '../../mirror/database/store.js';
import type { Outbox } from '../outbox.js';
import type { Pins } from './pins.js';
import { type LocalItem, versionOf } from './tree.js';

export interface PinKeeperOptions {
  readonly pins: Pins;
  readonly outbox: Outbox;
  readonly content: ContentCache;
  readonly store: MirrorStore;
  readonly log: Log;
}

export interface PinStatistics {
  /** Files and folders that people have pinned. */
  readonly items: number;
  /** Files that the pins keep on disk, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Bytes that are not downloaded yet. */
  readonly missing: number;
}

interface Totals {
  files: number;
  bytes: number;
  missing: number;
}

/** Items examined per turn of the event loop. */
const PAGE_ITEMS = 128;
/** Files that are downloaded at a time. */
const PARALLEL = 4;
/** Versions to download that one scan collects; the next scan finds the others. */
const BATCH_VERSIONS = 2000;
/**
 * Milliseconds from a change to the scan that it causes, and the pause between scans as a multiple of a scan's
 * duration.
 */
const CHECK_DELAY_MS = 500;
const PAUSE_FACTOR = 20;
/** Milliseconds after which a change causes a new scan although not all missing versions are downloaded. */
const LONGEST_DELAY_MS = 60_000;
/** Milliseconds until a failed download is tried again. */
const RETRY = { first: 15_000, longest: 600_000 };

/**
 * Downloads pinned content that is missing, in the background, and again after each change. Costs no call except for
 * expired URLs, of which one call brings 2,000.
 */
export class PinKeeper {
  readonly #options: PinKeeperOptions;
  readonly #stop = new AbortController();
  readonly #retries = new Pauses(RETRY);
  readonly #onChange = (): void => this.#soon(CHECK_DELAY_MS);
  #totals: Totals = { files: 0, bytes: 0, missing: 0 };
  #cancelLook: (() => void) | undefined;
  #cancelRetry: (() => void) | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #work: Promise<void> | undefined;
  #again = false;
  #tookMs = 0;
  #saidFull = false;

  constructor(options: PinKeeperOptions) {
    this.#options = options;
    options.content.protect((remote, version) => options.pins.keeps(remote, version));
  }

  start(): void {
    this.#options.store.events.on('changed', this.#onChange);
    this.#options.outbox.events.on('changed', this.#onChange);
    this.#soon(0);
  }

  statistics(): PinStatistics {
    return { items: this.#options.pins.size, ...this.#totals };
  }

  /**
   * Pins an item. Resolves with the totals before its content is downloaded.
   * @throws Failure `pins-too-large` where the cache cannot hold it
   */
  async pin(item: LocalItem, signal: AbortSignal): Promise<PinStatistics> {
    const { pins, content } = this.#options;
    const others = pins.items().filter((other) => !pins.isWithin(other, item));
    const kept = pins.holder(item) ? others : [...others, item];
    const all = (await this.#measure(kept, signal)).bytes;
    const { limit } = content.stats();
    if (all > limit)
      throw new Failure('pins-too-large', { path: item.name || '/', bytes: mib(all), limit: mib(limit) });
    pins.pin(item);
    this.#totals = await this.#measure(pins.items(), signal);
    this.#soon(0);
    return this.statistics();
  }

  /** @throws Failure `pinned-above` */
  async unpin(item: LocalItem, signal: AbortSignal): Promise<PinStatistics> {
    this.#options.pins.unpin(item);
    this.#totals = await this.#measure(this.#options.pins.items(), signal);
    return this.statistics();
  }

  async close(): Promise<void> {
    this.#options.store.events.off('changed', this.#onChange);
    this.#options.outbox.events.off('changed', this.#onChange);
    this.#stop.abort(new Failure('interrupted'));
    this.#cancelLook?.();
    this.#cancelRetry?.();
    await this.#work;
  }

  #soon(delay: number): void {
    if (this.#options.pins.size === 0 || this.#stop.signal.aborted) return;
    if (this.#work) {
      this.#again = true;
      return;
    }
    const due = this.#options.outbox.clock.monotonic() + delay;
    if (due >= this.#dueAt) return;
    this.#cancelLook?.();
    this.#dueAt = due;
    this.#cancelLook = this.#options.outbox.clock.after(delay, () => {
      this.#dueAt = Number.POSITIVE_INFINITY;
      this.#work = this.#run().finally(() => {
        this.#work = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.#soon(Math.max(CHECK_DELAY_MS, PAUSE_FACTOR * this.#tookMs));
      });
    });
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      const wanted: ContentVersion[] = [];
      this.#totals = await this.#measure(this.#options.pins.items(), signal, wanted);
      const isDone = await this.#fetchAll(wanted, signal);
      if (isDone) this.#retries.reset();
      else this.#later();
      // More versions may be missing than fit into one batch.
      if (isDone && wanted.length === BATCH_VERSIONS) this.#again = true;
    } catch (error) {
      if (signal.aborted) return;
      this.#options.log.warn({ error }, 'what is pinned cannot be looked at; it is tried again');
      this.#later();
    }
  }

  #later(): void {
    this.#cancelRetry = this.#options.outbox.clock.after(this.#retries.next(), () => this.#soon(0));
  }

  /**
   * Counts files and bytes of the items and all below them, each once. Adds missing versions to `wanted`, up to a
   * batch.
   */
  async #measure(items: readonly LocalItem[], signal: AbortSignal, wanted: ContentVersion[] = []): Promise<Totals> {
    const { pins, outbox, content } = this.#options;
    const totals: Totals = { files: 0, bytes: 0, missing: 0 };
    let worked = 0;
    const add = (file: LocalItem): void => {
      totals.files++;
      totals.bytes += file.size;
      if (file.size === 0 || file.intent?.content.staged) return;
      const version = versionOf(file);
      if (content.has(version)) return;
      totals.missing += file.size;
      if (wanted.length < BATCH_VERSIONS) wanted.push(version);
    };
    const folders: { readonly folder: LocalItem; after: number }[] = [];
    for (const item of items) {
      const above = outbox.tree.parent(item);
      if (above && pins.holder(above)) continue;
      if (item.isFile) add(item);
      else folders.push({ folder: item, after: 0 });
    }
    for (let at = folders.pop(); at; at = folders.pop()) {
      signal.throwIfAborted();
      const began = this.#options.outbox.clock.monotonic();
      const children = outbox.tree.children(at.folder, at.after, PAGE_ITEMS);
      if (children.length >= PAGE_ITEMS) folders.push({ folder: at.folder, after: children.at(-1)!.inode });
      for (const child of children) {
        if (child.isFile) add(child);
        else folders.push({ folder: child, after: 0 });
      }
      worked += this.#options.outbox.clock.monotonic() - began;
      await turn();
    }
    this.#tookMs = worked;
    return totals;
  }

  /** False if something must be tried again later. */
  async #fetchAll(wanted: readonly ContentVersion[], signal: AbortSignal): Promise<boolean> {
    let next = 0;
    let failed = 0;
    let isFull = false;
    const began = this.#options.outbox.clock.monotonic();
    // A new change does not wait until all that was missing before is downloaded.
    const isOver = (): boolean => this.#again && this.#options.outbox.clock.monotonic() - began > LONGEST_DELAY_MS;
    const worker = async (): Promise<void> => {
      while (next < wanted.length && !isFull && !isOver() && !signal.aborted) {
        const version = wanted[next++]!;
        try {
          if (await this.#options.content.fetch(version, signal)) this.#totals.missing -= version.size;
          else isFull = true;
        } catch (error) {
          if (signal.aborted) return;
          failed++;
          this.#options.log.info({ error, file: version.label }, 'a pinned file cannot be fetched; it is tried again');
        }
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    if (isFull && !this.#saidFull) {
      const { bytes, missing } = this.#totals;
      this.#options.log.warn(
        { bytes, missing },
        'not all that is pinned fits: raise cache, make room, or unpin something',
      );
    }
    this.#saidFull = isFull;
    return failed === 0 && !isFull && !signal.aborted;
  }
}

const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
