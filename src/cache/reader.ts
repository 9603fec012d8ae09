const KIB = 1024;
const MIB = 1024 * KIB;

/** A read may lie so far before or behind the one expected and still belong to the same sequence (the kernel's own read-ahead sends several at once, in any order). */
const SLACK = MIB;
const SMALLEST = 256 * KIB;
/** Bytes of one request ahead of a reader, at most. */
const READ_AHEAD_BYTES = 16 * MIB;
/** Requests at a time ahead of one reader: at first, and where each brings less than it reads. */
const FIRST_REQUESTS = 2;
const MOST_REQUESTS = 5;
/** Of the reads since the last request ahead, so many had to wait where the line is slower than the reader. */
const SLOW_SHARE = 0.1;
/** Whoever starts at the first byte probably wants the rest. */
const FROM_START = MIB;
/** Who only looks at the beginnings of files has gone on to the next one by then. */
const BEYOND_HEAD = 256 * KIB;

/**
 * How an open file may be fetched. `eager`: whole where it is small, ahead of whoever reads it, and with what follows
 * in its folder; `late`: nothing but what is read until the reader is beyond the first 256 KiB; `never`: nothing ahead.
 */
export interface Reading {
  readonly ahead: 'eager' | 'late' | 'never';
  /** Nobody waits: others go before. */
  readonly isUpkeep?: true;
  /** Told of bytes before they are fetched for a read; throws a Failure where they may not be. */
  spend?(bytes: number): void;
}

export const EAGER: Reading = { ahead: 'eager' };

/**
 * How one open handle reads, and so how far ahead of it to fetch: nothing for reads here and there, and for a sequence
 * three quarters of what it has read so far, so that a reader who stops has never cost much more than it took.
 */
export class Reader {
  readonly reading: Reading;
  #start = 0;
  #end = 0;
  #reads = 0;
  /** Reads since the last request ahead, and those that had to wait. */
  #lately = 0;
  #waited = 0;
  /** Requests ahead since a read had to wait. */
  #calm = 0;
  #width = FIRST_REQUESTS;

  constructor(reading: Reading = EAGER) {
    this.reading = reading;
  }

  /** Where the sequence has got to. */
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

  /** Whether a read found its bytes here. */
  found(isHere: boolean): void {
    this.#lately++;
    if (!isHere) this.#waited++;
  }

  /** Requests at a time ahead of it. */
  get width(): number {
    return this.#width;
  }

  /** A request was made ahead of it: the next time, there may be more of them, or fewer. */
  adapt(): void {
    this.#calm = this.#waited > 0 ? 0 : this.#calm + 1;
    if (this.#waited > this.#lately * SLOW_SHARE) this.#width = Math.min(MOST_REQUESTS, this.#width + 1);
    // Several requests that arrive together leave nothing to wait for until the next ones.
    else if (this.#calm > 2 * MOST_REQUESTS) this.#width = Math.max(FIRST_REQUESTS, this.#width - 1);
    this.#lately = 0;
    this.#waited = 0;
  }

  /** Whether bytes around those that are read are worth fetching with them. */
  get isWide(): boolean {
    const { ahead } = this.reading;
    return ahead === 'eager' || (ahead === 'late' && this.#end > BEYOND_HEAD);
  }

  /** Bytes to be ahead of `position`; 0: none. */
  get window(): number {
    if (!this.isWide) return 0;
    const read = this.#end - this.#start;
    const largest = READ_AHEAD_BYTES * (this.#width - 1);
    if (this.#start === 0) return Math.min(largest, Math.max(FROM_START, read));
    if (this.#reads < 2) return 0;
    return Math.min(largest, Math.max(SMALLEST, Math.floor(read * 0.75)));
  }

  /** Bytes of the next request ahead of it, at most. */
  get stretch(): number {
    return Math.min(READ_AHEAD_BYTES, this.window);
  }
}
