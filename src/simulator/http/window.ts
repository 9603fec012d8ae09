export type WindowKind = 'fixed' | 'clock-aligned' | 'sliding';

export interface ServerWindow {
  readonly limit: number;
  readonly remaining: number;
  /** Time at which calls become available again, in seconds since the epoch, server time. */
  readonly reset: number;
}

export interface WindowUse {
  readonly used: number;
  readonly limit: number;
}

/** Number of calls that a sliding window stores beyond its limit, in case the limit is raised. */
const SPARE = 10_000;

/** One rate window of one client. Times are milliseconds since the epoch, server time. */
export class RateWindow {
  limit: number;
  kind: WindowKind;
  readonly #length: number;
  #start = Number.NEGATIVE_INFINITY;
  #used = 0;
  /** Times of the last calls, for a sliding window. */
  #calls: number[] = [];
  #past: WindowUse[] = [];

  constructor(kind: WindowKind, limit: number, lengthMs: number) {
    this.kind = kind;
    this.limit = limit;
    this.#length = lengthMs;
  }

  /** Counts calls; returns false if the limit was already reached. */
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

  /** The windows since the last `forgetUses`, the current one last. */
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
