import type { CallClass, CallOptions } from './calls.js';

export interface Waiter<T> {
  readonly options: CallOptions;
  readonly label: string;
  /** Ms, monotonic. */
  readonly since: number;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

const ORDER: readonly CallClass[] = ['interactive', 'background', 'job'];

/** Waiting calls: interactive first, then upkeep, then jobs, which take turns. Otherwise in order of arrival. */
export class CallQueue<T> {
  /** For each class, a queue for each job; the job whose turn it is comes first. */
  readonly #lines: Record<CallClass, Map<string, Set<Waiter<T>>>> = {
    interactive: new Map(),
    background: new Map(),
    job: new Map(),
  };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(waiter: Waiter<T>): void {
    const lines = this.#lines[waiter.options.class];
    const key = keyOf(waiter);
    const line = lines.get(key) ?? new Set();
    lines.set(key, line.add(waiter));
    this.#size++;
  }

  /** False if it was no longer waiting. */
  remove(waiter: Waiter<T>): boolean {
    const lines = this.#lines[waiter.options.class];
    const line = lines.get(keyOf(waiter));
    if (!line?.delete(waiter)) return false;
    if (line.size === 0) lines.delete(keyOf(waiter));
    this.#size--;
    return true;
  }

  /** The classes with waiting calls, most urgent first. */
  classes(): CallClass[] {
    return ORDER.filter((callClass) => this.#lines[callClass].size > 0);
  }

  /** The waiter whose turn it is in a class. */
  first(callClass: CallClass): Waiter<T> | undefined {
    for (const line of this.#lines[callClass].values()) for (const waiter of line) return waiter;
    return undefined;
  }

  /** Removes and returns the next waiter of a class. */
  next(callClass: CallClass): Waiter<T> | undefined {
    const waiter = this.first(callClass);
    if (!waiter) return undefined;
    const lines = this.#lines[callClass];
    const key = keyOf(waiter);
    const line = lines.get(key)!;
    this.remove(waiter);
    // Its job goes to the end of the round.
    if (lines.delete(key) && line.size > 0) lines.set(key, line);
    return waiter;
  }

  *[Symbol.iterator](): Generator<Waiter<T>> {
    for (const callClass of ORDER) for (const line of this.#lines[callClass].values()) yield* line;
  }
}

const keyOf = (waiter: { readonly options: CallOptions }): string => waiter.options.job ?? '';
