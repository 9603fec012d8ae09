import type { Inode } from '../../base/ids.js';

interface Entry {
  readonly inode: Inode;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly since: number;
}

type Before = (a: Entry, b: Entry) => boolean;

const sooner: Before = (a, b) => a.at < b.at;
const older: Before = (a, b) => a.since < b.since || (a.since === b.since && a.inode < b.inode);

/**
 * Chooses the intent to send next: the oldest of those that are due. Each step costs the logarithm of the number of
 * waiting intents, so that each of ten thousand changes costs little more than each of ten.
 */
export class ReadyQueue {
  readonly #entries = new Map<Inode, Entry>();
  /** Replaced and removed entries stay in a heap until they come up. */
  readonly #waiting = new Heap(sooner);
  readonly #ready = new Heap(older);
  readonly #blocked = new Map<Inode, Set<Inode>>();

  /** @param at when it may be sent; undefined removes it */
  set(inode: Inode, since: number, at: number | undefined): void {
    if (at === undefined) {
      this.#entries.delete(inode);
      return;
    }
    const known = this.#entries.get(inode);
    if (known?.at === at && known.since === since) return;
    const entry = { inode, at, since };
    this.#entries.set(inode, entry);
    this.#waiting.push(entry);
  }

  /** Removes the oldest intent that is due. */
  take(now: number): Inode | undefined {
    for (let first = this.#first(this.#waiting); first && first.at <= now; first = this.#first(this.#waiting)) {
      this.#waiting.pop();
      this.#ready.push(first);
    }
    const entry = this.#first(this.#ready);
    if (!entry) return undefined;
    this.#ready.pop();
    this.#entries.delete(entry.inode);
    return entry.inode;
  }

  /** `other` blocks `inode`, which is examined again when something happens to `other`. */
  waitFor(other: Inode | undefined, inode: Inode): void {
    if (other === undefined) return;
    const waiting = this.#blocked.get(other);
    if (waiting) waiting.add(inode);
    else this.#blocked.set(other, new Set([inode]));
  }

  /** The intents that waited for this one; they wait no longer. */
  freedBy(inode: Inode): Iterable<Inode> {
    const waiting = this.#blocked.get(inode) ?? [];
    this.#blocked.delete(inode);
    return waiting;
  }

  /** When the first of the intents that are not due yet will be due, milliseconds since the epoch. */
  get nextAt(): number {
    return this.#first(this.#waiting)?.at ?? Number.POSITIVE_INFINITY;
  }

  #first(heap: Heap): Entry | undefined {
    for (let first = heap.first; first; first = heap.first) {
      if (this.#entries.get(first.inode) === first) return first;
      heap.pop();
    }
    return undefined;
  }
}

/** A binary heap. */
class Heap {
  readonly #before: Before;
  readonly #entries: Entry[] = [];

  constructor(before: Before) {
    this.#before = before;
  }

  get first(): Entry | undefined {
    return this.#entries[0];
  }

  push(entry: Entry): void {
    const entries = this.#entries;
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(entry, entries[parent]!)) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  pop(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (!last || entries.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && this.#before(entries[child + 1]!, entries[child]!)) child++;
      if (!this.#before(entries[child]!, last)) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = last;
  }
}
