import type { Failure } from '../base/errors.js';
import type { ByteRange } from './ranges.js';
import type { Reader } from './reader.js';
import { Priority } from './slots.js';
import type { ContentVersion } from './source.js';
import type { BlobStore, Inlet, StoreContext } from './store.js';
import { RangeDownload, type TransferContext } from './transfer.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Ranges start and end at multiples of this many bytes, unless cached bytes or other downloads bound them. */
const ALIGN = 128 * KIB;
/** The same alignment for readers that get no more than they read. */
const NARROW_ALIGN = 4 * KIB;
/** Versions up to this size (bytes) are fetched completely. */
const WHOLE = 512 * KIB;
/** If a download is further than this many bytes from the wanted ones, another download starts there. */
const SECOND_DOWNLOAD_BYTES = 2 * MIB;
/** When the blob is no longer open, downloads with more than this many bytes left are stopped. */
const FINISH = MIB;
/** Bytes of read-ahead while nothing can be stored: they must stay in memory until they are read. */
const UNSTORED_WINDOW_BYTES = 2 * MIB;

export interface DownloadCounters {
  hits: number;
  misses: number;
  fetchedBytes: number;
  requests: number;
}

export interface DownloadContext extends StoreContext, TransferContext {
  readonly count: DownloadCounters;
}

/** Callbacks from the downloads of a blob. */
export interface Audience {
  /** A reader waits for bytes of this blob. */
  readonly waiting: boolean;
  arrived(offset: number, bytes: Uint8Array): void;
  failed(transfer: RangeDownload, failure: Failure): void;
  /** A download has ended and its bytes are written or queued for writing. */
  ended(): void;
  stored(): void;
}

/** The downloads of one blob. Tracks the ranges in progress, so that none is fetched twice. */
export class Downloads {
  readonly #version: ContentVersion;
  readonly #store: BlobStore;
  readonly #audience: Audience;
  readonly #context: DownloadContext;
  readonly #transfers = new Map<RangeDownload, Inlet>();
  readonly #receiving = new Set<Promise<void>>();
  /** Whether the last download found room on disk. */
  #storing = true;
  #closed = false;

  constructor(store: BlobStore, audience: Audience, context: DownloadContext) {
    this.#version = store.version;
    this.#store = store;
    this.#audience = audience;
    this.#context = context;
  }

  get active(): boolean {
    return this.#transfers.size > 0;
  }

  /** Ensures that [start, end) is being fetched, with read-ahead for sequential reads. */
  demand(start: number, end: number, reader: Reader): void {
    const range = this.rangeFor(start, end, reader);
    this.#cover(
      range,
      Math.max(range.start, alignedDown(start, ALIGN)),
      this.#window(reader),
      priorityOf(reader, Priority.reader),
    );
  }

  /** The range to fetch for a read of [start, end). */
  rangeFor(start: number, end: number, reader: Reader): ByteRange {
    const { size } = this.#version;
    if (reader.isWide && size <= WHOLE) return { start: 0, end: size };
    const align = reader.isWide ? ALIGN : NARROW_ALIGN;
    return { start: alignedDown(start, align), end: Math.min(size, alignedDown(end + align - 1, align)) };
  }

  /** Fetches the complete version for a reader that is expected soon. */
  prefetch(): void {
    const { size } = this.#version;
    this.#cover({ start: 0, end: size }, 0, size, Priority.siblings);
  }

  /** Keeps downloads far enough ahead of sequential reads. */
  runAhead(reader: Reader): void {
    const { size } = this.#version;
    const { position } = reader;
    const window = this.#window(reader);
    if (window === 0 || position >= size) return;
    const start = this.#uncovered(position, Math.min(size, position + window));
    const length = Math.min(window, reader.requestBytes);
    if (start === undefined || start - position > window - length / 2) return;
    let ahead = 0;
    for (const transfer of this.#transfers.keys()) if (transfer.end > position && !transfer.stopped) ahead++;
    if (ahead >= reader.width) return;
    const end = this.#untilCovered(start, Math.min(size, start + length));
    this.#start(start, end, priorityOf(reader, Priority.ahead));
    reader.adapt();
  }

  /** Stops long downloads. To be called when the blob is no longer open. */
  stopLong(): void {
    for (const transfer of this.#transfers.keys()) if (transfer.end - transfer.position > FINISH) transfer.stop();
  }

  stopAll(): void {
    for (const transfer of this.#transfers.keys()) transfer.stop();
  }

  /** Stops all downloads permanently. The received bytes are written when this resolves. */
  async close(): Promise<void> {
    this.#closed = true;
    this.stopAll();
    for (const inlet of this.#transfers.values()) this.#store.finish(inlet);
    await Promise.all(this.#receiving);
  }

  #window(reader: Reader): number {
    return this.#storing ? reader.window : Math.min(reader.window, UNSTORED_WINDOW_BYTES);
  }

  /** @param wanted offset of the first byte that a reader waits for */
  #cover({ start, end: to }: ByteRange, wanted: number, window: number, priority: Priority): void {
    const { size } = this.#version;
    let from = start;
    while (from < to) {
      const gap = this.#store.gap(from, to);
      if (!gap) return;
      const transfer = this.#transferAt(gap.start);
      if (!transfer) {
        const reach = Math.min(size, Math.max(gap.end, gap.start + window));
        from = this.#start(gap.start, this.#untilCovered(gap.start, reach), priority);
      } else from = this.#joinAt(transfer, Math.max(gap.start, wanted), priority);
    }
  }

  /** Joins a download in progress, or starts another one for its rest from `wanted` on if it is far from there. */
  #joinAt(transfer: RangeDownload, wanted: number, priority: Priority): number {
    const { end } = transfer;
    if (priority !== Priority.reader) return end;
    transfer.promote(priority);
    if (wanted >= end || wanted - transfer.position <= SECOND_DOWNLOAD_BYTES) return end;
    transfer.shorten(wanted);
    return this.#start(wanted, end, priority);
  }

  #transferAt(offset: number): RangeDownload | undefined {
    for (const transfer of this.#transfers.keys())
      if (!transfer.stopped && transfer.position <= offset && offset < transfer.end) return transfer;
    return undefined;
  }

  /** The first offset from `start` on that is cached or being fetched; at most `end`. */
  #untilCovered(start: number, end: number): number {
    let to = this.#store.gap(start, end)?.end ?? start;
    for (const transfer of this.#transfers.keys())
      if (!transfer.stopped && transfer.end > transfer.position && transfer.position > start)
        to = Math.min(to, transfer.position);
    return to;
  }

  /** The first byte of [from, to) that is neither cached nor being fetched. */
  #uncovered(from: number, to: number): number | undefined {
    for (let at = from; ; ) {
      const gap = this.#store.gap(at, to);
      if (!gap) return undefined;
      const transfer = this.#transferAt(gap.start);
      if (!transfer) return gap.start;
      at = transfer.end;
    }
  }

  #start(start: number, end: number, priority: Priority): number {
    if (this.#closed) return end;
    const transfer = new RangeDownload(this.#version, start, end, priority, this.#context);
    const inlet = this.#store.inlet();
    this.#transfers.set(transfer, inlet);
    const receiving = this.#receive(transfer, inlet, priority).finally(() => this.#receiving.delete(receiving));
    this.#receiving.add(receiving);
    return end;
  }

  /** Never rejects. */
  async #receive(transfer: RangeDownload, inlet: Inlet, priority: Priority): Promise<void> {
    const { space, index, count } = this.#context;
    const store = this.#store;
    let promised = 0;
    let held = 0;
    let storing = false;
    const admitted = async (): Promise<boolean> => {
      const bytes = transfer.end - transfer.position;
      storing = !index.failing && (await space.promise(bytes));
      this.#storing = storing;
      if (storing) promised = bytes;
      count.requests++;
      // No reader waits for prefetched siblings: without room on disk they are useless.
      return storing || priority < Priority.siblings || this.#audience.waiting;
    };
    const hold = async (bytes: number): Promise<boolean> => {
      const hasRoom = await space.promise(bytes);
      if (hasRoom) held += bytes;
      return hasRoom;
    };
    const arrived = (offset: number, bytes: Uint8Array, etag: string | undefined): void => {
      count.fetchedBytes += bytes.length;
      inlet.etag = etag;
      this.#audience.arrived(offset, bytes);
      store.append(inlet, offset, bytes, transfer.end, storing && !space.paused);
    };
    const moved = (): void => {
      const more = transfer.end - transfer.position - promised;
      if (storing && more > 0) storing = space.promiseMore(more);
      if (storing && more > 0) promised += more;
      // The other downloads would bring the same bytes.
      for (const other of this.#transfers.keys()) if (other !== transfer) other.stop();
    };
    const stuck = (): void => store.finish(inlet);
    const outcome = await transfer.run({
      get etag() {
        return store.etag;
      },
      ...{ admitted, hold, arrived, moved, stuck },
    });
    store.finish(inlet);
    this.#transfers.delete(transfer);
    if (outcome.kind === 'failed') this.#audience.failed(transfer, outcome.failure);
    else this.#audience.ended();
    await store.drained();
    space.settle(promised + held);
    this.#audience.stored();
  }
}

const alignedDown = (offset: number, align: number): number => Math.floor(offset / align) * align;

const priorityOf = ({ reading }: Reader, priority: Priority): Priority =>
  reading.isUpkeep ? Priority.upkeep : priority;
