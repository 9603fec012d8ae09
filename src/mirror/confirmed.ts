import type { RemoteId } from '../base/ids.js';
import type { Database, Statement } from '../database/open.js';

/** Seconds for which a listing may lag behind our own calls. */
export const STALE_LISTING = 120;
const MOST = 20_000;

/**
 * Items that our own calls changed lately. The server's listings lag behind what it has answered to us: what they say of
 * these items may be older, also after a new start.
 */
export class Confirmed {
  /** Server time of the reply, in the order in which they came. */
  readonly #times = new Map<RemoteId, number>();
  readonly #restored = new Set<RemoteId>();
  readonly #put: Statement<[number, number]>;
  readonly #forget: Statement<[number]>;

  constructor(db: Database) {
    this.#put = db.prepare('INSERT OR REPLACE INTO confirmed (remote_id, at) VALUES (?, ?)');
    this.#forget = db.prepare('DELETE FROM confirmed WHERE remote_id = ?');
    db.prepare('DELETE FROM confirmed WHERE at < (SELECT max(at) FROM confirmed) - ?').run(STALE_LISTING);
    const kept = db.prepare<[], { remote_id: RemoteId; at: number }>('SELECT * FROM confirmed ORDER BY at');
    for (const { remote_id, at } of kept.iterate()) this.#times.set(remote_id, at);
  }

  /** To be called within the transaction that takes the reply in. `restored`: it was taken out of the recycle bin. */
  add(id: RemoteId, serverTime: number, restored = false): void {
    if (restored) this.#restored.add(id);
    this.#times.delete(id);
    this.#times.set(id, serverTime);
    this.#put.run(id, serverTime);
    if (this.#times.size > MOST) {
      const oldest = this.#times.keys().next().value!;
      this.#times.delete(oldest);
      this.#forget.run(oldest);
    }
  }

  /** One of our own calls took it out of the recycle bin, since the start. */
  isRestored(id: RemoteId): boolean {
    return this.#restored.has(id);
  }

  /** Whether a listing of this server time may be older than what we did to the item. */
  isNewerThan(id: RemoteId, serverTime: number): boolean {
    const confirmed = this.#times.get(id);
    return confirmed !== undefined && serverTime < confirmed + STALE_LISTING;
  }
}
