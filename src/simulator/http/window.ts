export type WindowKind = 'fixed' | 'clock-aligned' | 'sliding';

export interface ServerWindow {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds since the epoch, server time: when calls come back. */
  readonly reset: number;
}

export interface WindowUse {
  readonly used: number;
  readonly limit: number;
}

/** Calls of a sliding window that are remembered beyond the limit, in case it is raised. */
const SPARE = 10_000;

/** One rate window of one client. Times are milliseconds since the epoch, server time. */
export class RateWindow {
  limit: number;
  kind: WindowKind;
  readonly #length: number;
  #start = Number.NEGATIVE_INFINITY;
  #used = 0;
  /** Times of the last calls, for the sliding kind. */
  #calls: number[] = [];
  #past: WindowUse[] = [];

  constructor(kind: WindowKind, limit: number, lengthMs: number) {
    this.kind = kind;
    this.limit = limit;
    this.#length = lengthMs;
  }

  /** Counts a call; false if the limit was reached before it. */
  take(now: number, calls = 1): boolean {
    this.#advance(now);
    if (this.kind === 'fixed' && this.#used === 0) this.#start = now;
    const allowed = this.#counted(now) + calls <= this.limit;
    this.#used += calls;
    for (let i = 0; i < calls; i++) this.#calls.push(now);
    if (this.#calls.length > this.limit + 2 * SPARE) this.#calls = this.#calls.slice(-this.limit - SPARE);
    return allowed;
  }

  state(now: number): ServerWindow {
    this.#advance(now);
    const remaining = Math.max(0, this.limit - this.#counted(now));
    return { limit: this.limit, remaining, reset: Math.ceil(this.#reset(now, remaining) / 1000) };
  }

  /** The windows since the last `forget`, the current one last. */
  uses(now: number): WindowUse[] {
    this.#advance(now);
    return [...this.#past, { used: this.#used, limit: this.limit }];
  }

  forgetUses(): void {
    this.#past = [];
  }

  #advance(now: number): void {
    if (now >= this.#start && now < this.#start + this.#length) return;
    if (this.#used > 0) this.#past.push({ used: this.#used, limit: this.limit });
    this.#used = 0;
    this.#start = this.kind === 'clock-aligned' ? Math.floor(now / this.#length) * this.#length : now;
  }

  #counted(now: number): number {
    if (this.kind !== 'sliding') return this.#used;
    let dropped = 0;
    while (dropped < this.#calls.length && this.#calls[dropped]! <= now - this.#length) dropped++;
    if (dropped > 0) this.#calls.splice(0, dropped);
    return this.#calls.length;
  }

  #reset(now: number, remaining: number): number {
    if (this.kind !== 'sliding') return this.#start + this.#length;
    const freed = remaining > 0 ? this.#calls[0] : this.#calls[this.#calls.length - this.limit];
    return (freed ?? now) + this.#length;
  }
}
