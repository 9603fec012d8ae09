import type { Clock } from '#src/base/clock.js';
import type { BootClock } from '#src/budget/server-clock.js';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

const realImmediate = setImmediate;
const realNow = Date.now;
const realSetTimeout = globalThis.setTimeout;
const realClearTimeout = globalThis.clearTimeout;

/**
 * Time that passes only when nothing is left to do: hours in a blink, the same in each run. While installed, `Date.now`
 * and `setTimeout` follow it as well, for the libraries that know no clock. For code without real input or output.
 */
export class VirtualTime {
  /** Ms since the epoch, true time: the server's. */
  now: number;
  #heap: Timer[] = [];
  #order = 0;

  constructor(start: number) {
    this.now = start;
  }

  /** This machine's clock; `skew` ms wrong. */
  clock(skew = 0): Clock {
    return {
      now: () => this.now + skew,
      monotonic: () => this.now - 1_000_000,
      sleep: (ms, signal) => this.sleep(ms, signal),
      after: (ms, work) => this.after(ms, work),
    };
  }

  readonly boot: BootClock = { id: 'virtual', now: () => this.now - 1_000_000_000 };

  install(t: { teardown(cleanup: () => unknown): unknown }): void {
    Date.now = () => this.now;
    globalThis.setTimeout = ((work: () => void, ms = 0) => this.#add(ms, work)) as unknown as typeof setTimeout;
    globalThis.clearTimeout = ((timer: Timer | undefined) => timer && this.#cancel(timer)) as typeof clearTimeout;
    t.teardown(() => {
      Date.now = realNow;
      globalThis.setTimeout = realSetTimeout;
      globalThis.clearTimeout = realClearTimeout;
    });
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const stop = (): void => {
        this.#cancel(timer);
        reject(signal?.reason);
      };
      const timer = this.#add(ms, () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      });
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  after(ms: number, work: () => void): () => void {
    const timer = this.#add(ms, work);
    return () => this.#cancel(timer);
  }

  /** Lets `ms` pass; what is due happens in order. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await new Promise<void>((resolve) => realImmediate(resolve));
      const next = this.#pop(end);
      if (!next) break;
      this.now = Math.max(this.now, next.at);
      next.fire();
    }
    this.now = end;
  }

  #add(ms: number, fire: () => void): Timer {
    const timer = { at: this.now + Math.max(0, ms), order: this.#order++, fire };
    let i = this.#heap.push(timer) - 1;
    for (; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (before(this.#heap[parent]!, timer)) break;
      this.#heap[i] = this.#heap[parent]!;
      i = parent;
    }
    this.#heap[i] = timer;
    return timer;
  }

  #cancel(timer: Timer): void {
    this.#cancelled.add(timer);
  }
  readonly #cancelled = new WeakSet<Timer>();

  #pop(end: number): Timer | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (!top || top.at > end) return undefined;
      const last = this.#heap.pop()!;
      if (last !== top) this.#sink(last);
      if (!this.#cancelled.has(top)) return top;
    }
  }

  #sink(timer: Timer): void {
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && before(this.#heap[child + 1]!, this.#heap[child]!)) child++;
      if (before(timer, this.#heap[child]!)) break;
      this.#heap[i] = this.#heap[child]!;
      i = child;
    }
    this.#heap[i] = timer;
  }
}

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
