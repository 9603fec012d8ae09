import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream';
import type { Clock } from './clock.js';
import { DAY_MS, type TimeOfDay, timeOfDayMs, zoneOf } from './zone.js';

/** Bytes per second (0: no limit), at all times or from given times of day. */
export interface Bandwidth {
  readonly bytes_per_second?: number | undefined;
  readonly window?: readonly { readonly time: TimeOfDay; readonly bytes_per_second: number }[] | undefined;
}

/** A rate, and how long it holds. */
interface Segment {
  readonly from: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
  /** Bytes per second; 0: no limit. */
  readonly rate: number;
}

interface Taker {
  readonly bytes: number;
  go(): void;
}

/** Bytes of the pieces that pass at once: a tenth of a second's bytes, within these limits, to save timers. */
const LARGEST_PIECE_BYTES = 64 * 1024;
const SMALLEST_PIECE = 1024;
const PIECES_PER_SECOND = 10;

/**
 * A rate limit by time of day, shared by all streams that take from it. Urgent requests come first; otherwise requests
 * are served in order. The rate of a window holds from its wall-clock time until the next window. `bytes_per_second`
 * holds if there are no windows, and from midnight until the first one; without it, the last window of the day holds
 * over midnight. A rate of 0 is no limit.
 */
export class BandwidthLimiter {
  readonly #windows: readonly { readonly time: number; readonly rate: number }[];
  readonly #zone;
  readonly #clock: Clock;
  #segment: Segment;
  /** Bytes that have passed in excess of the rate, and the time (ms) for which that was computed. */
  #ahead = 0;
  #reckoned: number;
  readonly #urgent = new Set<Taker>();
  readonly #others = new Set<Taker>();
  /** Ends the present pause. Defined while `#serve` runs. */
  #pausing: AbortController | undefined;

  /** @param timeZone of the windows; undefined: that of this machine */
  constructor(bandwidth: Bandwidth, clock: Clock, timeZone?: string) {
    const { bytes_per_second: given, window = [] } = bandwidth;
    const windows = window.map(({ time, bytes_per_second }) => ({ time: timeOfDayMs(time), rate: bytes_per_second }));
    // With windows, `bytes_per_second` is the rate from midnight until the first window.
    if (given !== undefined && windows.length > 0 && windows.every(({ time }) => time > 0))
      windows.push({ time: 0, rate: given });
    this.#windows = windows.sort((a, b) => a.time - b.time);
    this.#zone = zoneOf(timeZone);
    this.#clock = clock;
    this.#reckoned = clock.now();
    const always = { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY, rate: given ?? 0 };
    this.#segment = this.#windows.length > 0 ? this.#segmentAt(this.#reckoned) : always;
  }

  /** Bytes per second at a moment; 0: no limit. */
  rateAt(now: number): number {
    return this.#at(now).rate;
  }

  /** Resolves when these bytes may pass. The pause that they require follows them. */
  take(bytes: number, signal: AbortSignal, isUrgent = false): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const queue = isUrgent ? this.#urgent : this.#others;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        signal.removeEventListener('abort', abort);
        queue.delete(taker);
      };
      const abort = (): void => {
        leave();
        if (this.#urgent.size + this.#others.size === 0) this.#pausing?.abort();
        reject(signal.reason);
      };
      const taker = {
        bytes,
        go: () => {
          leave();
          resolve();
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      queue.add(taker);
      if (!this.#pausing) void this.#serve();
    });
  }

  /** Yields the same bytes, no faster than permitted. */
  async *pace(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks)
      for (const piece of this.pieces(chunk)) {
        await this.take(piece.length, signal);
        yield piece;
      }
  }

  /** Splits a chunk into pieces that pass at once. */
  *pieces<Chunk extends Uint8Array>(chunk: Chunk): Generator<Chunk> {
    for (let start = 0; start < chunk.length; ) {
      const piece = chunk.subarray(start, start + pieceOf(this.rateAt(this.#clock.now()))) as Chunk;
      yield piece;
      start += piece.length;
    }
  }

  /** The same bytes, no faster than permitted. Each stream is destroyed with the other; `signal` destroys both. */
  limit(source: Readable, signal: AbortSignal): Readable {
    return pipeline(source, new Limited(this, signal), () => {
      // The reader of the result gets its error.
    });
  }

  /** Serves the waiting requests, one after the other. Never rejects. */
  async #serve(): Promise<void> {
    this.#pausing = new AbortController();
    try {
      while (this.#urgent.size + this.#others.size > 0) {
        await this.#pause(this.#pausing.signal);
        const [next] = this.#urgent.size > 0 ? this.#urgent : this.#others;
        if (!next) continue;
        this.#ahead += next.bytes;
        next.go();
      }
    } catch {
      // All requests were aborted.
    } finally {
      this.#pausing = undefined;
      if (this.#urgent.size + this.#others.size > 0) void this.#serve();
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    for (;;) {
      const now = this.#clock.now();
      this.#reckon(now);
      const { rate, until } = this.#at(now);
      if (this.#ahead <= 0 || rate === 0) return;
      await this.#clock.sleep(Math.ceil(Math.min((this.#ahead / rate) * 1000, until - now)), signal);
    }
  }

  /** Subtracts what the elapsed time permitted, each segment at its own rate. */
  #reckon(now: number): void {
    // If the clock was set back, nothing is subtracted; this must not stop the stream either.
    let from = Math.min(this.#reckoned, now);
    while (this.#ahead > 0 && from < now) {
      const { rate, until } = this.#at(from);
      const to = Math.min(until, now);
      this.#ahead = rate === 0 ? 0 : Math.max(0, this.#ahead - (rate * (to - from)) / 1000);
      from = to;
    }
    this.#reckoned = now;
  }

  #at(instant: number): Segment {
    const { from, until } = this.#segment;
    if (instant < from || instant >= until) this.#segment = this.#segmentAt(instant);
    return this.#segment;
  }

  #segmentAt(instant: number): Segment {
    const today = Math.floor(this.#zone.local(instant) / DAY_MS) * DAY_MS;
    // Yesterday's last window may still hold; where the clock skips two windows, the later one counts.
    const starts = [-2, -1, 0, 1, 2].flatMap((day) =>
      this.#windows.map(({ time, rate }) => ({ from: this.#zone.instant(today + day * DAY_MS + time), rate })),
    );
    const current = starts.findLastIndex(({ from }) => from <= instant);
    return { ...starts[current]!, until: starts[current + 1]!.from };
  }
}

/** Passes a stream on in pieces, each as soon as the limiter permits it. */
class Limited extends Transform {
  readonly #limiter: BandwidthLimiter;
  readonly #signal: AbortSignal;
  readonly #abort = (): unknown => this.destroy(this.#signal.reason);
  /** Ends the wait for the limiter. */
  readonly #end = new AbortController();

  constructor(limiter: BandwidthLimiter, signal: AbortSignal) {
    super();
    this.#limiter = limiter;
    this.#signal = signal;
    if (signal.aborted) this.#abort();
    else signal.addEventListener('abort', this.#abort, { once: true });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#pass(chunk).then(
      () => done(),
      (error: Error) => done(error),
    );
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#signal.removeEventListener('abort', this.#abort);
    this.#end.abort(error ?? undefined);
    done(error);
  }

  async #pass(chunk: Buffer): Promise<void> {
    for (const piece of this.#limiter.pieces(chunk)) {
      await this.#limiter.take(piece.length, this.#end.signal);
      this.push(piece);
    }
  }
}

const pieceOf = (rate: number): number =>
  rate === 0
    ? LARGEST_PIECE_BYTES
    : Math.min(LARGEST_PIECE_BYTES, Math.max(SMALLEST_PIECE, Math.floor(rate / PIECES_PER_SECOND)));
