import type { RemoteId } from '../base/ids.js';
import type { RemoteItem } from '../procore/items.js';
import { DELETED } from './flags.js';
import type { Row } from './item-rows.js';

/** Key in `meta`: when it was last found that polls do not show every change. Server time, seconds. */
export const POLLS_MISS = 'polls.miss';

/** Seconds after which a poll would have shown what a listing did not have. */
const PATIENCE = 60;
/** Time stamps are whole seconds: two changes of one second are not told apart. */
const SAME_MOMENT = 2;
const MOST = 1000;

/**
 * Finds out whether polls show all: a poll asks for what was updated, and whether a deletion, a move or a rename counts
 * as an update is not documented. What listings show and polls do not is the proof that it does not.
 */
export class Silence {
  readonly #missed: (serverTime: number) => void;
  /** When a listing first lacked an item, server time. */
  readonly #vanished = new Map<RemoteId, number>();

  constructor(missed: (serverTime: number) => void) {
    this.#missed = missed;
  }

  /** A reply shows an item that is known here. */
  saw(item: RemoteItem, row: Row, flags: number, serverTime: number): void {
    this.#vanished.delete(item.id);
    const isSame =
      (item.parentId ?? 0) === row.parent_id &&
      item.name === (row.remote_name ?? row.name) &&
      (flags & DELETED) === (row.flags & DELETED);
    if (!isSame && item.updatedAt === row.updated_at && item.updatedAt < serverTime - SAME_MOMENT)
      this.#missed(serverTime);
  }

  /** The listing of its folder does not have an item any more. */
  vanished(id: RemoteId, serverTime: number): void {
    if (this.#vanished.size < MOST) this.#vanished.set(id, serverTime);
  }

  /** A poll was taken in. */
  polled(serverTime: number): void {
    for (const [id, at] of this.#vanished) {
      if (serverTime - at < PATIENCE) return;
      this.#vanished.delete(id);
      this.#missed(serverTime);
    }
  }
}
