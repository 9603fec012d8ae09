/** Keeps rows sorted by a key while they are added, changed and removed. Equal keys are sorted by row, so by id. */
export class Order {
  #rows: Int32Array;
  #length: number;
  readonly #compareKeys: (a: number, b: number) => number;

  /** Takes ownership of `sorted`; does not copy it. */
  constructor(sorted: Int32Array, compareKeys: (a: number, b: number) => number) {
    this.#rows = sorted;
    this.#length = sorted.length;
    this.#compareKeys = compareKeys;
  }

  /** The rows in ascending order; valid until the next change. */
  get rows(): Int32Array {
    return this.#rows.subarray(0, this.#length);
  }

  insert(row: number): void {
    const at = this.#position(row);
    if (this.#length === this.#rows.length) {
      const larger = new Int32Array(Math.max(64, Math.ceil(this.#length * 1.5)));
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#rows.copyWithin(at + 1, at, this.#length);
    this.#rows[at] = row;
    this.#length++;
  }

  /** Must be called while the row still has the key with which it was inserted. */
  remove(row: number): void {
    const at = this.#position(row);
    if (this.#rows[at] !== row) return;
    this.#rows.copyWithin(at, at + 1, this.#length);
    this.#length--;
  }

  #position(row: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#rows[middle]!;
      if ((this.#compareKeys(other, row) || other - row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The first index of `rows` whose key is at least `key`; `rows` ascend by `keyOf`. */
export function lowerBound(rows: Int32Array, keyOf: (row: number) => number, key: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keyOf(rows[middle]!) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The rows sorted by a whole-number key (its spread times the highest row must stay below 2^53), then by row. */
export function sortedByNumber(rows: Int32Array, keyOf: (row: number) => number): Int32Array {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const row of rows) {
    least = Math.min(least, keyOf(row));
    most = Math.max(most, row);
  }
  const scale = most + 1;
  const keys = new Float64Array(rows.length);
  rows.forEach((row, i) => {
    keys[i] = (keyOf(row) - least) * scale + row;
  });
  keys.sort();
  const sorted = new Int32Array(rows.length);
  keys.forEach((key, i) => {
    sorted[i] = key % scale;
  });
  return sorted;
}
