import { LRUCache } from 'lru-cache';
import type { VersionId } from '../base/ids.js';
import type { Blob } from './blob.js';

/** Closed blobs kept in memory, and their greatest total weight (about one unit per range). */
const RECENT = 4096;
const RECENT_WEIGHT = 500_000;

/** The blobs in memory: one per version, shared by all its users. */
export class KnownBlobs {
  readonly #busy = new Map<VersionId, Blob>();
  /** Blobs in use whose version has since come with another size. */
  readonly #superseded = new Set<Blob>();
  readonly #recent = new LRUCache<VersionId, Blob>({
    max: RECENT,
    maxSize: RECENT_WEIGHT,
    sizeCalculation: (blob) => blob.store.weight,
  });

  /** Blobs in use. */
  get inUse(): readonly Blob[] {
    return [...this.#busy.values(), ...this.#superseded];
  }

  find(id: VersionId): Blob | undefined {
    return this.#busy.get(id) ?? this.#recent.get(id);
  }

  /** As `find`, without counting as a use. */
  peek(id: VersionId): Blob | undefined {
    return this.#busy.get(id) ?? this.#recent.peek(id);
  }

  /** Marks the blob as in use, until it has `settled`. */
  use(blob: Blob): void {
    const { id } = blob.version;
    const before = this.#busy.get(id);
    if (before !== undefined && before !== blob) this.#superseded.add(before);
    this.#busy.set(id, blob);
  }

  /** To be called when the blob may no longer be in use. */
  settled(blob: Blob): void {
    if (blob.busy || this.#superseded.delete(blob)) return;
    const { id } = blob.version;
    if (this.#busy.get(id) !== blob) return;
    this.#busy.delete(id);
    if (blob.store.file !== undefined) this.keep(blob);
  }

  /** Keeps a blob that is not in use. */
  keep(blob: Blob): void {
    this.#recent.set(blob.version.id, blob);
  }

  /** Drops the blob, unless it is in use. */
  forget(id: VersionId): void {
    this.#recent.delete(id);
  }
}
