/** File types that are counted separately: arbitrary extensions must not fill the memory. */
const MOST_TYPES = 2000;
const YEAR = 365.25 * 86_400;

export interface Counted {
  readonly files: number;
  readonly bytes: number;
}

/** Counts of files and bytes by key. */
export class Tally {
  readonly #counts = new Map<string, { files: number; bytes: number }>();

  add(word: string, bytes: number): void {
    const key = this.#counts.has(word) || this.#counts.size < MOST_TYPES ? word : 'other';
    const count = this.#counts.get(key) ?? { files: 0, bytes: 0 };
    count.files++;
    count.bytes += bytes;
    this.#counts.set(key, count);
  }

  get(word: string): Counted {
    return this.#counts.get(word) ?? { files: 0, bytes: 0 };
  }

  /** Entries with the most bytes first; those beyond the limit are summed up as `other`. */
  most(limit: number): ({ readonly word: string } & Counted)[] {
    const all = [...this.#counts].map(([word, count]) => ({ word, ...count }));
    all.sort((a, b) => b.bytes - a.bytes || b.files - a.files || (a.word < b.word ? -1 : 1));
    const rest = all.splice(limit);
    if (rest.length === 0) return all;
    const sum = (of: (one: Counted) => number): number => rest.reduce((total, one) => total + of(one), 0);
    return [...all, { word: 'other', files: sum(({ files }) => files), bytes: sum(({ bytes }) => bytes) }];
  }
}

/** Upper limits of age in seconds, ascending. */
const AGES: readonly (readonly [number, string])[] = [
  [30 * 86_400, 'last 30 days'],
  [YEAR, '30 days to 1 year'],
  [3 * YEAR, '1 to 3 years'],
  [7 * YEAR, '3 to 7 years'],
  [Number.POSITIVE_INFINITY, 'over 7 years'],
];
const UNKNOWN_AGE = 'unknown';
export const ageWords = [...AGES.map(([, word]) => word), UNKNOWN_AGE];

/** @param mtime seconds since the epoch, like `now` */
export const ageOf = (mtime: number | undefined, now: number): string =>
  mtime === undefined ? UNKNOWN_AGE : AGES.find(([age]) => now - mtime < age)![1];

/** Keeps the largest items, in descending order. */
export class Largest<T> {
  readonly #limit: number;
  readonly #sizeOf: (one: T) => number;
  #kept: T[] = [];

  constructor(limit: number, sizeOf: (one: T) => number) {
    this.#limit = limit;
    this.#sizeOf = sizeOf;
  }

  add(one: T): void {
    const last = this.#kept.at(-1);
    if (this.#kept.length >= this.#limit && (!last || this.#sizeOf(one) <= this.#sizeOf(last))) return;
    const at = this.#kept.findIndex((other) => this.#sizeOf(other) < this.#sizeOf(one));
    this.#kept.splice(at < 0 ? this.#kept.length : at, 0, one);
    this.#kept = this.#kept.slice(0, this.#limit);
  }

  get all(): readonly T[] {
    return this.#kept;
  }
}

/** The extension with its dot, in lower case; `.bashrc` has none. */
export function extensionOf(name: string): string {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? name.slice(dot).toLowerCase() : '';
}
