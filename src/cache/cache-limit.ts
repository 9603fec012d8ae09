/** A cache that shares a limit with others. */
export interface Sharer {
  /** Bytes that it occupies. */
  readonly occupied: number;
  /** When that was used which was not used for longest: seconds since the epoch; undefined where there is nothing. */
  oldestUse(): Promise<number | undefined>;
  /** Removes about so many bytes, those that were not used for longest; gives how many came free. */
  evict(bytes: number): Promise<number>;
}

/** Bytes that one cache gives up before it is asked again who has what is older. */
const EVICTION_BYTES = 32 * 2 ** 20;

/** One limit for several caches, of which some may be closed: what was not used for longest goes first. */
export class CacheLimit {
  readonly #sharers = new Set<Sharer>();

  /** The cache counts until what this gives is called. */
  join(sharer: Sharer): () => void {
    this.#sharers.add(sharer);
    return () => this.#sharers.delete(sharer);
  }

  /** Bytes that the caches occupy together. */
  get occupied(): number {
    let sum = 0;
    for (const { occupied } of this.#sharers) sum += occupied;
    return sum;
  }

  /** Makes room; gives how many bytes came free, which are fewer where all else is in use. */
  async evict(bytes: number): Promise<number> {
    let freed = 0;
    for (const asked = new Set<Sharer>(); freed < bytes; ) {
      const oldest = await this.#oldest(asked);
      if (!oldest) break;
      const step = await oldest.evict(Math.min(bytes - freed, EVICTION_BYTES));
      if (step === 0) asked.add(oldest);
      freed += step;
    }
    return freed;
  }

  async #oldest(without: ReadonlySet<Sharer>): Promise<Sharer | undefined> {
    let found: Sharer | undefined;
    let since = Number.POSITIVE_INFINITY;
    for (const sharer of this.#sharers) {
      const use = without.has(sharer) ? undefined : await sharer.oldestUse();
      if (use === undefined || use >= since) continue;
      found = sharer;
      since = use;
    }
    return found;
  }
}
