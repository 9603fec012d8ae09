const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * Bytes by which a read may lie before or behind the expected offset and still belong to the same sequence: the
 * kernel's own read-ahead sends several reads at once, in any order.
 */
const SLACK = MIB;
const SMALLEST = 256 * KIB;
/** Largest read-ahead request, bytes. */
const READ_AHEAD_BYTES = 16 * MIB;
/**
 * Concurrent read-ahead requests of one reader: at first, and at most, if each delivers less than the reader consumes.
 */
const FIRST_REQUESTS = 2;
const MOST_REQUESTS = 5;
/**
 * If more than this share of the reads since the last read-ahead request had to wait, the connection is slower than the
 * reader.
 */
const SLOW_SHARE = 0.1;
/** First read-ahead (bytes) for a reader that starts at the first byte: it probably wants the rest. */
const FROM_START = MIB;
/** Programs that read only the beginnings of files do not read beyond this offset (bytes). */
const BEYOND_HEAD = 256 * KIB;

/**
 * How an open file is fetched. `eager`: completely if it is small, with read-ahead, and with the files that follow in
 * its folder; `late`: only what is read until the reader is beyond the first 256 KiB; `never`: no read-ahead.
 */
export interface Reading {
  readonly ahead: 'eager' | 'late' | 'never';
  /** No reader waits for the bytes: other requests go first. */
  readonly isUpkeep?: true;
  /**
   * Called with the number of bytes before they are fetched for a read; throws a Failure if they may not be fetched.
   */
  spend?(bytes: number): void;
}

export const EAGER: Reading = { ahead: 'eager' };

/**
 * Tracks how one open handle reads and derives the read-ahead from it: none for random reads, and for a sequence three
 * quarters of what was read so far, so that a reader that stops has never cost much more than it read.
 */
export class Reader {
  readonly reading: Reading;
  #start = 0;
  #end = 0;
  #reads = 0;
  /** Reads since the last read-ahead request, and those of them that had to wait. */
  #lately = 0;
  #waited = 0;
  /** Read-ahead requests since a read last had to wait. */
  #calm = 0;
  #width = FIRST_REQUESTS;

  constructor(reading: Reading = EAGER) {
    this.reading = reading;
  }

  /** The end of the current sequence of reads. */
  get position(): number {
    return this.#end;
  }

  note(start: number, end: number): void {
    const near = start >= this.#end - SLACK && start <= this.#end + SLACK;
    if (near && (this.#reads > 0 || start === 0)) {
      this.#reads++;
      this.#end = Math.max(this.#end, end);
      return;
    }
    this.#reads = 1;
    this.#start = start;
    this.#end = end;
  }

  /** To be called for each read. `isHere`: its bytes were cached. */
  found(isHere: boolean): void {
    this.#lately++;
    if (!isHere) this.#waited++;
  }

  /** Concurrent read-ahead requests. */
  get width(): number {
    return this.#width;
  }

  /** To be called after a read-ahead request: adapts `width`. */
  adapt(): void {
    this.#calm = this.#waited > 0 ? 0 : this.#calm + 1;
    if (this.#waited > this.#lately * SLOW_SHARE) this.#width = Math.min(MOST_REQUESTS, this.#width + 1);
    // Requests that arrive together leave no read waiting until the next ones, so one calm request proves nothing.
    else if (this.#calm > 2 * MOST_REQUESTS) this.#width = Math.max(FIRST_REQUESTS, this.#width - 1);
    this.#lately = 0;
    this.#waited = 0;
  }

  /** Whether bytes around a read are worth fetching with it. */
  get isWide(): boolean {
    const { ahead } = this.reading;
    return ahead === 'eager' || (ahead === 'late' && this.#end > BEYOND_HEAD);
  }

  /** Bytes to fetch ahead of `position`; 0: none. */
  get window(): number {
    if (!this.isWide) return 0;
    const read = this.#end - this.#start;
    const largest = READ_AHEAD_BYTES * (this.#width - 1);
    if (this.#start === 0) return Math.min(largest, Math.max(FROM_START, read));
    if (this.#reads < 2) return 0;
    return Math.min(largest, Math.max(SMALLEST, Math.floor(read * 0.75)));
  }

  /** Largest size of the next read-ahead request, bytes. */
  get requestBytes(): number {
    return Math.min(READ_AHEAD_BYTES, this.window);
  }
}
