/** A cache that shares a limit with others. */
export interface Sharer {
  /** Bytes that the cache occupies. */
  readonly occupied: number;
  /** Last use of the least recently used blob, seconds since the epoch; undefined if the cache is empty. */
  oldestUse(): Promise<number | undefined>;
  /** Removes about so many bytes, least recently used first; resolves to the bytes freed. */
  evict(bytes: number): Promise<number>;
}

/** Bytes that one cache evicts before the caches are compared again. */
const EVICTION_BYTES = 32 * 2 ** 20;

/** One limit for several caches, some of which may be closed: the least recently used content is evicted first. */
export class CacheLimit {
  readonly #sharers = new Set<Sharer>();

  /** Adds the cache. The returned function removes it. */
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

  /** Evicts content; resolves to the bytes freed, which are fewer if everything else is in use. */
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
