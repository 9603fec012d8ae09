import type { RemoteId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';

/** Seconds for which a listing may lag behind our own calls. */
export const STALE_LISTING_S = 120;
const MOST_ITEMS = 20_000;

/**
 * Items that our own calls changed recently. The server's listings lag behind its replies to us, so that what they show
 * of these items may be outdated, also after a restart.
 */
export class Confirmed {
  /** Server time of the reply, in order of arrival. */
  readonly #times = new Map<RemoteId, number>();
  /** Latest possible deletion time of items that we restored from the recycle bin: seconds, by their own timestamps. */
  readonly #restored = new Map<RemoteId, number>();
  /** Items for which our last call was a deletion. */
  readonly #deleted = new Set<RemoteId>();
  readonly #put: Statement<[number, number, number]>;
  readonly #forget: Statement<[number]>;

  constructor(db: Database) {
    this.#put = db.prepare('INSERT OR REPLACE INTO confirmed (remote_id, at, deleted) VALUES (?, ?, ?)');
    this.#forget = db.prepare('DELETE FROM confirmed WHERE remote_id = ?');
    db.prepare('DELETE FROM confirmed WHERE at < (SELECT max(at) FROM confirmed) - ?').run(STALE_LISTING_S);
    const kept = db.prepare<[], { remote_id: RemoteId; at: number; deleted: number }>(
      'SELECT * FROM confirmed ORDER BY at',
    );
    for (const { remote_id, at, deleted } of kept.iterate()) {
      this.#times.set(remote_id, at);
      if (deleted) this.#deleted.add(remote_id);
    }
  }

  /**
   * To be called within the transaction that stores the reply. `deletedAt`: the call restored the item from the recycle
   * bin, and the item was deleted at this time at the latest.
   */
  add(id: RemoteId, serverTime: number, deletedAt?: number): void {
    if (deletedAt !== undefined) this.#restored.set(id, deletedAt);
    this.#deleted.delete(id);
    this.#note(id, serverTime);
  }

  /** As `add`, for a call that deleted the item. */
  addDeletion(id: RemoteId, serverTime: number): void {
    this.#restored.delete(id);
    this.#deleted.add(id);
    this.#note(id, serverTime);
  }

  /** Whether our last call for the item was a deletion. */
  isDeletion(id: RemoteId): boolean {
    return this.#deleted.has(id);
  }

  /** The latest possible deletion time of the item, if one of our own calls has restored it since the start. */
  restoredFrom(id: RemoteId): number | undefined {
    return this.#restored.get(id);
  }

  /** Whether a listing of this server time may be older than our last call for the item. */
  isNewerThan(id: RemoteId, serverTime: number): boolean {
    const confirmed = this.#times.get(id);
    return confirmed !== undefined && serverTime < confirmed + STALE_LISTING_S;
  }

  #note(id: RemoteId, serverTime: number): void {
    this.#times.delete(id);
    this.#times.set(id, serverTime);
    this.#put.run(id, serverTime, this.#deleted.has(id) ? 1 : 0);
    if (this.#times.size <= MOST_ITEMS) return;
    const oldest = this.#times.keys().next().value!;
    this.#times.delete(oldest);
    this.#restored.delete(oldest);
    this.#deleted.delete(oldest);
    this.#forget.run(oldest);
  }
}
