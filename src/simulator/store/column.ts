type Numbers = Int32Array | Uint32Array | Uint16Array | Uint8Array | Float64Array;

/** A typed array that grows; absent cells read as 0. */
export class Column<T extends Numbers> {
  /** Valid until the next `set`, which may replace it. */
  data: T;
  readonly #make: (length: number) => T;

  constructor(make: (length: number) => T, capacity: number) {
    this.#make = make;
    this.data = make(Math.max(16, capacity));
  }

  get(row: number): number {
    return this.data[row] ?? 0;
  }

  set(row: number, value: number): void {
    if (row >= this.data.length) this.#grow(row + 1);
    this.data[row] = value;
  }

  add(row: number, value: number): void {
    this.set(row, this.get(row) + value);
  }

  #grow(least: number): void {
    const larger = this.#make(Math.max(least, Math.ceil(this.data.length * 1.5)));
    larger.set(this.data);
    this.data = larger;
  }
}

export const int32 = (capacity: number) => new Column((n) => new Int32Array(n), capacity);
export const uint32 = (capacity: number) => new Column((n) => new Uint32Array(n), capacity);
export const uint16 = (capacity: number) => new Column((n) => new Uint16Array(n), capacity);
export const uint8 = (capacity: number) => new Column((n) => new Uint8Array(n), capacity);
export const float64 = (capacity: number) => new Column((n) => new Float64Array(n), capacity);
