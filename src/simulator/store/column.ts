type Numbers = Int32Array | Uint32Array | Uint16Array | Uint8Array | Float64Array;

/** A typed array that grows; absent cells read as 0. */
export interface Column<T extends Numbers> {
  /** Valid until the next `set`, which may replace it. */
  readonly data: T;
  get(row: number): number;
  set(row: number, value: number): void;
  add(row: number, value: number): void;
}

/** One class for each kind of array: an engine cannot specialise shared code, which is several times slower. */
function columnOf<T extends Numbers>(make: (length: number) => T): (capacity: number) => Column<T> {
  class TypedColumn implements Column<T> {
    data: T;

    constructor(capacity: number) {
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
      const larger = make(Math.max(least, Math.ceil(this.data.length * 1.5)));
      larger.set(this.data);
      this.data = larger;
    }
  }
  return (capacity) => new TypedColumn(capacity);
}

export const int32 = columnOf((n) => new Int32Array(n));
export const uint32 = columnOf((n) => new Uint32Array(n));
export const uint16 = columnOf((n) => new Uint16Array(n));
export const uint8 = columnOf((n) => new Uint8Array(n));
export const float64 = columnOf((n) => new Float64Array(n));
