const HOUR = 3_600_000;
const SLICE = 60_000;

/** Limits the bytes spent within the last hour. They are counted per minute. */
export class PreviewBudget {
  readonly limit: number;
  readonly #now: () => number;
  readonly #slices: { readonly at: number; bytes: number }[] = [];
  #spent = 0;

  /** @param monotonic milliseconds */
  constructor(limit: number, monotonic: () => number) {
    this.limit = limit;
    this.#now = monotonic;
  }

  get spent(): number {
    this.#forget();
    return this.#spent;
  }

  /** Spends bytes. Returns false, and spends nothing, if that would exceed the limit. */
  spend(bytes: number): boolean {
    this.#forget();
    if (this.#spent + bytes > this.limit) return false;
    const at = Math.floor(this.#now() / SLICE) * SLICE;
    const last = this.#slices.at(-1);
    if (last?.at === at) last.bytes += bytes;
    else this.#slices.push({ at, bytes });
    this.#spent += bytes;
    return true;
  }

  #forget(): void {
    const until = this.#now() - HOUR - SLICE;
    while (this.#slices.length > 0 && this.#slices[0]!.at <= until) this.#spent -= this.#slices.shift()!.bytes;
  }
}
