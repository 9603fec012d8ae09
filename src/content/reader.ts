const KIB = 1024;
const MIB = 1024 * KIB;

/** A read may lie so far before or behind the one expected and still belong to the same sequence (the kernel's own read-ahead sends several at once, in any order). */
const SLACK = MIB;
const SMALLEST = 256 * KIB;
const LARGEST = 16 * MIB;
/** Whoever starts at the first byte probably wants the rest. */
const FROM_START = MIB;

/**
 * How one open handle reads, and so how far ahead of it to fetch: nothing for reads here and there, and for a sequence
 * three quarters of what it has read so far, so that a reader who stops has never cost much more than it took.
 */
export class Reader {
  #start = 0;
  #end = 0;
  #reads = 0;

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

  /** Bytes to be ahead of `position`; 0: none. */
  get window(): number {
    const read = this.#end - this.#start;
    if (this.#start === 0) return Math.min(LARGEST, Math.max(FROM_START, read));
    if (this.#reads < 2) return 0;
    return Math.min(LARGEST, Math.max(SMALLEST, Math.floor(read * 0.75)));
  }
}
