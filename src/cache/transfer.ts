import { pauseAfter } from '../base/backoff.js';
import type { BandwidthLimiter } from '../base/bandwidth.js';
import type { Clock } from '../base/clock.js';
import { Failure, type FailureCode, isFailure } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { CallClass } from '../budget/calls.js';
import type { BlobFiles } from './files.js';
import type { Memory } from './memory.js';
import { Priority, type Slot, type Slots } from './slots.js';
import type { AskedFor, ContentSource, ContentStream, ContentVersion } from './source.js';
import { Spool } from './spool.js';

/** Shared by all downloads. */
export interface TransferContext {
  readonly source: ContentSource;
  readonly slots: Slots;
  readonly memory: Memory;
  readonly files: BlobFiles;
  /** Bandwidth for downloads; undefined: unlimited. */
  readonly bandwidth: BandwidthLimiter | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Transient failures: the same request may succeed soon. Every other `Failure` is final. */
const PASSING: ReadonlySet<FailureCode> = new Set([
  'unreachable',
  'server-error',
  'bad-reply',
  'download-failed',
  'wrong-size',
  'content-encoded',
  'version-changed',
]);
/** The reply did not contain the version: it may be available at another URL. */
const DOUBTFUL: ReadonlySet<FailureCode> = new Set(['wrong-size', 'content-encoded', 'version-changed']);
/** Consecutive requests with almost no progress before the download fails. */
const ATTEMPTS = 4;
/** Milliseconds after the last progress until retries for a waiting reader stop. */
const RETRY_LIMIT_MS = 8000;
/** Bytes that count as progress. */
const PROGRESS_BYTES = 64 * 1024;
/** Pauses before the retries, milliseconds. */
const RETRY = { first: 100 };

const HURRIED = new Failure('interrupted');

export type RangeOutcome =
  | { readonly kind: 'done' | 'stopped' }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** Callbacks from a download to its owner. */
export interface Sink {
  /** A connection is free; false: cancel this download. */
  admitted(): Promise<boolean>;
  /** The entity tag of the cached bytes; undefined if nothing is cached or the bytes came without one. */
  readonly etag: string | undefined;
  /** Reserves room for bytes that cannot be passed on yet; false if there is none. */
  hold(bytes: number): Promise<boolean>;
  /** `bytes` are valid only during the call. */
  arrived(offset: number, bytes: Uint8Array, etag: string | undefined): void;
  /** The storage ignores the range: it sends from another offset, up to the end of the version. */
  moved(): void;
  /** No more bytes can be received until those received are written. */
  stuck(): void;
}

/** Downloads one range of a version: one request, resumed where it broke off. */
export class RangeDownload {
  readonly version: ContentVersion;
  /** The next byte to arrive. */
  position: number;
  #end: number;
  readonly #context: TransferContext;
  readonly #slot: Slot;
  readonly #abort = new AbortController();
  #priority: Priority;
  #callClass: CallClass;
  /** Aborts the unanswered request, so that it is sent again as `interactive` for a waiting reader. */
  #hurry: (() => void) | undefined;

  constructor(version: ContentVersion, start: number, end: number, priority: Priority, context: TransferContext) {
    this.version = version;
    this.position = start;
    this.#end = end;
    this.#context = context;
    this.#slot = context.slots.enter(priority);
    this.#priority = priority;
    this.#callClass = priority === Priority.upkeep ? 'background' : 'interactive';
  }

  /** Exclusive. */
  get end(): number {
    return this.#end;
  }

  /** Another download fetches the bytes from `end` on. */
  shorten(end: number): void {
    this.#end = Math.min(this.#end, end);
  }

  promote(priority: Priority): void {
    this.#slot.promote(priority);
    if (priority < this.#priority) this.#priority = priority;
    if (priority === Priority.upkeep || this.#callClass === 'interactive') return;
    this.#callClass = 'interactive';
    this.#hurry?.();
  }

  stop(): void {
    this.#slot.release();
    this.#abort.abort(new Failure('interrupted'));
  }

  get stopped(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Waits for a connection, then downloads. Never rejects. */
  async run(sink: Sink): Promise<RangeOutcome> {
    try {
      await this.#slot.granted;
      if (!(await sink.admitted())) return { kind: 'stopped' };
      await this.#repeat(sink);
      return { kind: 'done' };
    } catch (error) {
      if (this.stopped) return { kind: 'stopped' };
      return { kind: 'failed', failure: this.#failure(error) };
    } finally {
      this.#slot.release();
    }
  }

  #failure(error: unknown): Failure {
    return error instanceof Failure ? error : new Failure('download-failed', { path: this.version.label }, error);
  }

  async #repeat(sink: Sink): Promise<void> {
    const { clock, log } = this.#context;
    let attempt = 0;
    let since = clock.monotonic();
    /** The last reply did not contain the version. */
    let isDoubted = false;
    while (this.position < this.#end) {
      const before = this.position;
      let problem: unknown;
      const wasDoubted = isDoubted;
      try {
        await this.#request(sink, wasDoubted);
        if (this.position >= this.#end) return;
        problem = new Error(`the transfer ended ${this.#end - this.position} bytes early`);
      } catch (error) {
        if (error === HURRIED && !this.stopped) continue;
        if (this.stopped || (error instanceof Failure && !PASSING.has(error.code))) throw error;
        isDoubted = error instanceof Failure && DOUBTFUL.has(error.code);
        // The second time in a row, also from another URL: the cached bytes are the outdated ones.
        if (wasDoubted && isFailure(error, 'version-changed')) throw error;
        problem = error;
      }
      if (this.position - before >= PROGRESS_BYTES) {
        attempt = 0;
        since = clock.monotonic();
      }
      const isLate = this.#callClass === 'interactive' && clock.monotonic() - since > RETRY_LIMIT_MS;
      if (++attempt >= ATTEMPTS || isLate) throw problem;
      log.debug({ error: problem, file: this.version.label, position: this.position }, 'a download is repeated');
      await clock.sleep(pauseAfter(attempt, RETRY), this.#abort.signal);
    }
  }

  async #request(sink: Sink, isDoubted: boolean): Promise<void> {
    const stream = await this.#open(this.#abort.signal, { etag: sink.etag, isDoubted });
    try {
      await this.#receive(stream, sink);
    } finally {
      stream.close?.();
    }
  }

  async #receive({ total, from, etag, chunks }: ContentStream, sink: Sink): Promise<void> {
    const { version } = this;
    const signal = this.#abort.signal;
    if (total !== undefined && total !== version.size) throw this.#wrongSize(total);
    this.#requireSame(etag, sink);
    // Without a total length it is unknown before the end whether the body is the version.
    const isHeld = from !== undefined && total === undefined;
    const arriving = isHeld ? this.#held(chunks, sink) : chunks;
    let isMoved = from !== undefined && (isHeld || from < this.position);
    for await (const chunk of arriving) {
      const pause = isHeld ? undefined : this.#throttle(chunk);
      if (pause) await pause;
      if (signal.aborted) throw signal.reason;
      this.#requireSame(etag, sink);
      if (isMoved) {
        // The storage ignores ranges: accept everything, because another request would bring the same.
        isMoved = false;
        this.position = from!;
        this.#end = version.size;
        sink.moved();
      }
      const left = this.#end - this.position;
      if (chunk.length > left) {
        if (this.#end === version.size) throw this.#wrongSize(this.position + chunk.length);
        if (left > 0) this.#pass(chunk.subarray(0, left), sink, etag);
        return;
      }
      if (chunk.length > 0) this.#pass(chunk, sink, etag);
      const room = this.#context.memory.room(signal, () => sink.stuck());
      if (room) await room;
    }
  }

  /** Holds all bytes back until the body is complete and has exactly the size of the version. */
  async *#held(chunks: AsyncIterable<Uint8Array>, sink: Sink): AsyncGenerator<Uint8Array> {
    const { size, label } = this.version;
    const signal = this.#abort.signal;
    const spool = new Spool(() => this.#context.files.nameless());
    try {
      for await (const chunk of chunks) {
        await this.#throttle(chunk);
        if (signal.aborted) throw signal.reason;
        if (spool.length + chunk.length > size) throw this.#wrongSize(spool.length + chunk.length);
        if (!spool.fits(chunk) && !(await sink.hold(size)))
          throw new Failure('download-failed', {
            path: label,
            why: 'the storage does not say how long it is, and there is no room to keep it until all has come',
          });
        await spool.add(chunk);
      }
      if (spool.length !== size) throw this.#wrongSize(spool.length);
      yield* spool.chunks();
    } finally {
      spool.close();
    }
  }

  #throttle(chunk: Uint8Array): Promise<void> | undefined {
    return this.#context.bandwidth?.take(chunk.length, this.#abort.signal, this.#priority === Priority.reader);
  }

  #requireSame(etag: string | undefined, sink: Sink): void {
    const known = sink.etag;
    if (etag !== undefined && known !== undefined && etag !== known)
      throw new Failure('version-changed', { path: this.version.label, why: `it was ${known} and is ${etag}` });
  }

  async #open(signal: AbortSignal, askedFor: AskedFor): Promise<ContentStream> {
    const { source } = this.#context;
    const { version, position } = this;
    if (this.#callClass === 'interactive')
      return source.fetch(version, position, this.#end, signal, 'interactive', askedFor);
    const attempt = new AbortController();
    const stop = (): void => attempt.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    this.#hurry = () => attempt.abort(HURRIED);
    try {
      const stream = await source.fetch(version, position, this.#end, attempt.signal, this.#callClass, askedFor);
      return stream;
    } catch (error) {
      signal.removeEventListener('abort', stop);
      throw attempt.signal.aborted ? attempt.signal.reason : error;
    } finally {
      this.#hurry = undefined;
    }
  }

  #pass(chunk: Uint8Array, sink: Sink, etag: string | undefined): void {
    const offset = this.position;
    this.position += chunk.length;
    sink.arrived(offset, chunk, etag);
  }

  #wrongSize(actual: number): Failure {
    return new Failure('wrong-size', { path: this.version.label, expected: this.version.size, actual });
  }
}
