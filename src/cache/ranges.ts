export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** A set of byte offsets, kept as sorted ranges that neither touch nor overlap. */
export class RangeSet {
  /** start, end, start, end, … strictly increasing. */
  #edges: number[] = [];
  #bytes = 0;

  static of(start: number, end: number): RangeSet {
    const set = new RangeSet();
    set.add(start, end);
    return set;
  }

  /** Bytes in the set. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Number of separate ranges. */
  get count(): number {
    return this.#edges.length / 2;
  }

  /** The end of the last range; 0 when empty. */
  get end(): number {
    return this.#edges.at(-1) ?? 0;
  }

  clear(): void {
    this.#edges = [];
    this.#bytes = 0;
  }

  add(start: number, end: number): void {
    this.#replace(start, end, true);
  }

  remove(start: number, end: number): void {
    this.#replace(start, end, false);
  }

  has(start: number, end: number): boolean {
    if (start >= end) return true;
    const at = this.#edgesUpTo(start);
    return at % 2 === 1 && this.#edges[at]! >= end;
  }

  /** The first part of [from, to) that is not in the set. */
  gap(from: number, to: number): ByteRange | undefined {
    const at = this.#edgesUpTo(from);
    const inside = at % 2 === 1;
    const start = inside ? this.#edges[at]! : from;
    if (start >= to) return undefined;
    return { start, end: Math.min(to, this.#edges[inside ? at + 1 : at] ?? to) };
  }

  /** The parts of [from, to) that are in the set, in order. */
  *within(from: number, to: number): Generator<ByteRange> {
    for (let at = this.#edgesUpTo(from) & ~1; at < this.#edges.length && this.#edges[at]! < to; at += 2) {
      const start = Math.max(from, this.#edges[at]!);
      const end = Math.min(to, this.#edges[at + 1]!);
      if (start < end) yield { start, end };
    }
  }

  /** 16 bytes per range: start and end as little-endian doubles. */
  encode(): Buffer {
    const buffer = Buffer.allocUnsafe(this.#edges.length * 8);
    this.#edges.forEach((edge, at) => {
      buffer.writeDoubleLE(edge, at * 8);
    });
    return buffer;
  }

  /** Undefined if the bytes are not what `encode` makes of a set within [0, size). */
  static decode(bytes: Uint8Array, size: number): RangeSet | undefined {
    if (bytes.length % 16 !== 0) return undefined;
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const set = new RangeSet();
    let last = -1;
    for (let at = 0; at < bytes.length; at += 8) {
      const edge = view.readDoubleLE(at);
      if (!Number.isSafeInteger(edge) || edge <= last || edge > size) return undefined;
      set.#edges.push(edge);
      if (at % 16 === 8) set.#bytes += edge - last;
      last = edge;
    }
    return set;
  }

  /** How many edges are ≤ `offset`; odd when `offset` is in the set. */
  #edgesUpTo(offset: number): number {
    let low = 0;
    let high = this.#edges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#edges[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #replace(start: number, end: number, present: boolean): void {
    if (start >= end) return;
    // An edge at `start` itself is replaced too, so that adjacent ranges merge.
    const first = this.#edgesUpTo(start - 1);
    const last = this.#edgesUpTo(end);
    const leading = first % 2 === 1;
    const trailing = last % 2 === 1;
    const edges: number[] = [];
    if (leading !== present) edges.push(start);
    if (trailing !== present) edges.push(end);
    let had = 0;
    for (const range of this.within(start, end)) had += range.end - range.start;
    this.#bytes += present ? end - start - had : -had;
    this.#edges.splice(first, last - first, ...edges);
  }
}
