import { LRUCache } from 'lru-cache';
import type { VersionId } from '../base/ids.js';
import type { Blob } from './blob.js';

/** Records of closed blobs kept in memory, and what they may weigh together (one per range). */
const RECENT = 4096;
const RECENT_WEIGHT = 500_000;

/** The blobs in memory: of each version the one that everybody shares. */
export class KnownBlobs {
  readonly #busy = new Map<VersionId, Blob>();
  /** In use, of versions that have come with another size since. */
  readonly #superseded = new Set<Blob>();
  readonly #recent = new LRUCache<VersionId, Blob>({
    max: RECENT,
    maxSize: RECENT_WEIGHT,
    sizeCalculation: (blob) => blob.store.weight,
  });

  /** Those in use. */
  get inUse(): readonly Blob[] {
    return [...this.#busy.values(), ...this.#superseded];
  }

  find(id: VersionId): Blob | undefined {
    return this.#busy.get(id) ?? this.#recent.get(id);
  }

  /** As `find`, and counts as no use. */
  peek(id: VersionId): Blob | undefined {
    return this.#busy.get(id) ?? this.#recent.peek(id);
  }

  /** Somebody uses it, until it has `settled`. */
  use(blob: Blob): void {
    const { id } = blob.version;
    const before = this.#busy.get(id);
    if (before !== undefined && before !== blob) this.#superseded.add(before);
    this.#busy.set(id, blob);
  }

  /** It may not be in use any more. */
  settled(blob: Blob): void {
    if (blob.busy || this.#superseded.delete(blob)) return;
    const { id } = blob.version;
    if (this.#busy.get(id) !== blob) return;
    this.#busy.delete(id);
    if (blob.store.file !== undefined) this.keep(blob);
  }

  /** Nobody uses it, and it is of use. */
  keep(blob: Blob): void {
    this.#recent.set(blob.version.id, blob);
  }

  /** Unless somebody uses it. */
  forget(id: VersionId): void {
    this.#recent.delete(id);
  }
}
