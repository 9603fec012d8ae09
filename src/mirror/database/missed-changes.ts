import type { RemoteId } from '../../base/ids.js';
import type { RemoteItem } from '../../procore/items.js';
import { DELETED } from './flags.js';
import { type MirrorRow, NO_PARENT } from './item-rows.js';

/** Key in `meta`: server time of the last finding that polls do not show every change. */
export const POLLS_MISS = 'polls.miss';

/** Seconds within which a poll would have shown what a listing lacked. */
const POLL_DELAY_S = 60;
/** Seconds. Timestamps are whole seconds: two changes within one second cannot be told apart. */
const SAME_MOMENT = 2;
const MOST_ITEMS = 1000;

type FolderRow = Pick<MirrorRow, 'parent_id' | 'flags' | 'updated_at' | 'created_at'>;

interface Rows {
  /** A folder and its ancestors as they are now, up to the root; the last is undefined if a folder is unknown. */
  above(folder: number): Iterable<FolderRow | undefined>;
}

/** An item that was deleted or restored between `seenAt` and `serverTime` without a new `updated_at`. */
interface UnexplainedChange {
  readonly parent: number;
  readonly isGone: boolean;
  /** The unchanged `updated_at` proves that the change does not count as an update. */
  readonly isProof: boolean;
  readonly seenAt: number;
  readonly serverTime: number;
}

/**
 * Finds out whether polls show all changes. A poll asks for updated items; whether a deletion, a move or a rename
 * counts as an update is not documented. A change that a listing shows and a poll does not is the proof that it does
 * not.
 */
export class MissedChanges {
  readonly #missed: (serverTime: number) => void;
  readonly #doubts: (folder: number) => void;
  readonly #rows: Rows;
  /** Server time at which a listing first lacked an item. */
  readonly #vanished = new Map<RemoteId, number>();
  /** Items that were deleted or restored and do not count as updated. */
  readonly #doubtful: UnexplainedChange[] = [];
  /** Those of them that were deleted and whose deletion no reply has explained yet. */
  readonly #pending: UnexplainedChange[] = [];

  /** @param doubts called with a folder that must be listed again to know its content */
  constructor(missed: (serverTime: number) => void, rows: Rows, doubts: (folder: number) => void) {
    this.#missed = missed;
    this.#rows = rows;
    this.#doubts = doubts;
  }

  /** To be called when a reply shows an item that the mirror has. */
  saw(item: RemoteItem, row: MirrorRow, flags: number, serverTime: number): void {
    this.#vanished.delete(item.id);
    const isWhere = (item.parentId ?? 0) === row.parent_id && item.name === (row.remote_name ?? row.name);
    const isThere = (flags & DELETED) === (row.flags & DELETED);
    if (isWhere && isThere) return;
    if (item.updatedAt !== row.updated_at) return;
    const isProof = row.updated_at < row.seen_at - SAME_MOMENT;
    const isGone = (flags & DELETED) !== 0;
    if (isWhere && (isProof || isGone))
      this.#doubtful.push({ parent: row.parent_id, isGone, isProof, seenAt: row.seen_at, serverTime });
    else if (isProof) this.#missed(serverTime);
  }

  /**
   * To be called after a reply was stored. An item that is deleted or restored with a folder does not count as updated
   * itself: the folder does. If the item was deleted with a folder that exists again, the reply was made between the
   * two, and no later reply shows that the item is back.
   */
  taken(): void {
    for (const doubt of this.#doubtful.splice(0)) if (!this.#isExplained(doubt)) this.#unexplained(doubt);
  }

  #unexplained(doubt: UnexplainedChange): void {
    // A later reply may explain the deletion.
    if (!doubt.isGone) this.#missed(doubt.serverTime);
    else if (this.#pending.length < MOST_ITEMS) this.#pending.push(doubt);
  }

  /** Whether a folder above explains the change. If a folder is unknown, nothing is proved. */
  #isExplained(doubt: UnexplainedChange): boolean {
    for (const folder of this.#rows.above(doubt.parent)) {
      if (!folder) return true;
      // The root is never deleted or restored.
      if (folder.parent_id === NO_PARENT) return false;
      if (doubt.isGone && isBackAtOnce(folder, doubt)) {
        this.#doubts(doubt.parent);
        return true;
      }
      if (explains(folder, doubt)) return true;
    }
    return true;
  }

  /** To be called when the listing of its folder no longer has an item. */
  vanished(id: RemoteId, serverTime: number): void {
    if (this.#vanished.size < MOST_ITEMS) this.#vanished.set(id, serverTime);
  }

  /** To be called after a poll was stored. */
  polled(serverTime: number): void {
    for (const doubt of this.#pending.splice(0))
      if (!this.#isExplained(doubt) && doubt.isProof) this.#missed(serverTime);
    for (const [id, at] of this.#vanished) {
      if (serverTime - at < POLL_DELAY_S) return;
      this.#vanished.delete(id);
      this.#missed(serverTime);
    }
  }
}

function explains({ flags, updated_at }: FolderRow, { isGone, seenAt }: UnexplainedChange): boolean {
  return isGone ? (flags & DELETED) !== 0 : updated_at >= seenAt - SAME_MOMENT;
}

/** Whether the folder was just restored. A folder that was just created does not count. */
function isBackAtOnce({ flags, updated_at, created_at }: FolderRow, { serverTime }: UnexplainedChange): boolean {
  return (flags & DELETED) === 0 && updated_at > created_at && updated_at >= serverTime - SAME_MOMENT;
}
