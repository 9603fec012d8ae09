import type { RemoteId } from '../../base/ids.js';
import type { RemoteItem } from '../../procore/items.js';
import { DELETED } from './flags.js';
import { type MirrorRow, NO_PARENT } from './item-rows.js';

/** Key in `meta`: when it was last found that polls do not show every change. Server time, seconds. */
export const POLLS_MISS = 'polls.miss';

/** Seconds after which a poll would have shown what a listing did not have. */
const POLL_DELAY_S = 60;
/** Time stamps are whole seconds: two changes of one second are not told apart. */
const SAME_MOMENT = 2;
const MOST_ITEMS = 1000;

type FolderRow = Pick<MirrorRow, 'parent_id' | 'flags' | 'updated_at' | 'created_at'>;

interface Rows {
  /** A folder and those above it as they are now, up to the root; undefined last where one is not known. */
  above(folder: number): Iterable<FolderRow | undefined>;
}

/** Something that was deleted or not, seen by `seenAt`, and now is the other, at `serverTime`. */
interface UnexplainedChange {
  readonly parent: number;
  readonly isGone: boolean;
  /** That it does not count as updated proves something. */
  readonly isProof: boolean;
  readonly seenAt: number;
  readonly serverTime: number;
}

/**
 * Finds out whether polls show all: a poll asks for what was updated, and whether a deletion, a move or a rename counts
 * as an update is not documented. What listings show and polls do not is the proof that it does not.
 */
export class MissedChanges {
  readonly #missed: (serverTime: number) => void;
  readonly #doubts: (folder: number) => void;
  readonly #rows: Rows;
  /** When a listing first lacked an item, server time. */
  readonly #vanished = new Map<RemoteId, number>();
  /** What went or came back and counts as not updated. */
  readonly #doubtful: UnexplainedChange[] = [];
  /** Of these, what went without a reason that is known so far. */
  readonly #pending: UnexplainedChange[] = [];

  /**
   * @param doubts told a folder whose listing must show what is in it
   */
  constructor(missed: (serverTime: number) => void, rows: Rows, doubts: (folder: number) => void) {
    this.#missed = missed;
    this.#rows = rows;
    this.#doubts = doubts;
  }

  /** A reply shows an item that is known here. */
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
   * A reply was taken in. What goes or comes back with a folder does not count as updated itself: the folder does. Where it
   * went with a folder that is there again, the reply is from between the two, and no later one shows that it is back.
   */
  taken(): void {
    for (const doubt of this.#doubtful.splice(0)) if (!this.#isExplained(doubt)) this.#unexplained(doubt);
  }

  #unexplained(doubt: UnexplainedChange): void {
    // What explains that it went may come a reply later.
    if (!doubt.isGone) this.#missed(doubt.serverTime);
    else if (this.#pending.length < MOST_ITEMS) this.#pending.push(doubt);
  }

  /** Whether a folder above says why. Where not every folder is known, nothing is proved. */
  #isExplained(doubt: UnexplainedChange): boolean {
    for (const folder of this.#rows.above(doubt.parent)) {
      if (!folder) return true;
      // The root neither goes nor comes back.
      if (folder.parent_id === NO_PARENT) return false;
      if (doubt.isGone && isBackAtOnce(folder, doubt)) {
        this.#doubts(doubt.parent);
        return true;
      }
      if (explains(folder, doubt)) return true;
    }
    return true;
  }

  /** The listing of its folder does not have an item any more. */
  vanished(id: RemoteId, serverTime: number): void {
    if (this.#vanished.size < MOST_ITEMS) this.#vanished.set(id, serverTime);
  }

  /** A poll was taken in. */
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

/** One that was only made a moment ago has not come back. */
function isBackAtOnce({ flags, updated_at, created_at }: FolderRow, { serverTime }: UnexplainedChange): boolean {
  return (flags & DELETED) === 0 && updated_at > created_at && updated_at >= serverTime - SAME_MOMENT;
}
