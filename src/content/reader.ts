const KIB = 1024;
const MIB = 1024 * KIB;

/** A read may lie so far before or behind the one expected and still belong to the same sequence (the kernel's own read-ahead sends several at once, in any order). */
const SLACK = MIB;
const SMALLEST = 256 * KIB;
const LARGEST = 16 * MIB;
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

  /** Whether bytes around those that are read are worth fetching with them. */
  get isWide(): boolean {
    const { ahead } = this.reading;
    return ahead === 'eager' || (ahead === 'late' && this.#end > BEYOND_HEAD);
  }

  /** Bytes to be ahead of `position`; 0: none. */
  get window(): number {
    if (!this.isWide) return 0;
    const read = this.#end - this.#start;
    if (this.#start === 0) return Math.min(LARGEST, Math.max(FROM_START, read));
    if (this.#reads < 2) return 0;
    return Math.min(LARGEST, Math.max(SMALLEST, Math.floor(read * 0.75)));
  }
}
