import type { Inode, RemoteId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';
import { foldCase } from '../../names/fold.js';
import type { Change, Place } from './changes.js';
import { GONE, HIDDEN } from './flags.js';

/** What the writer compares a reply with. */
export interface MirrorRow {
  readonly inode: Inode;
  readonly remote_id: RemoteId;
  readonly parent_id: RemoteId;
  readonly name: string;
  readonly remote_name: string | null;
  readonly flags: number;
  readonly updated_at: number;
  readonly created_at: number;
  readonly seen_at: number;
  readonly version_id: number;
  readonly version_number: number;
  readonly node_sequence: number;
}

export const COLUMNS =
  'inode, remote_id, parent_id, name, remote_name, flags, created_at, updated_at, seen_at, version_id, version_number, node_sequence';

/** The `parent_id` of the root. */
export const NO_PARENT = 0 as RemoteId;

/** The rows of `items`, as all parts of the writer find and hide them. */
export class ItemRows {
  readonly find: Statement<[number], MirrorRow>;
  readonly ofInode: Statement<[number], MirrorRow>;
  readonly children: Statement<[number], MirrorRow>;
  /** Whether names are unique, and found, without regard to case. */
  ignoresCase = false;
  readonly hide: Statement;
  readonly #holder: Statement<[number, string], RemoteId>;
  readonly #holderOfFold: Statement<[number, string], RemoteId>;
  readonly #rename: Statement;
  readonly #inodeOf: Statement<[number], Inode>;

  constructor(db: Database) {
    this.find = db.prepare(`SELECT ${COLUMNS} FROM items WHERE remote_id = ?`);
    this.ofInode = db.prepare(`SELECT ${COLUMNS} FROM items WHERE inode = ?`);
    const holder = (column: string): Statement<[number, string], RemoteId> =>
      db
        .prepare<[number, string], RemoteId>(
          `SELECT remote_id FROM items WHERE parent_id = ? AND ${column} = ? AND flags & ${HIDDEN} = 0`,
        )
        .pluck();
    this.#holder = holder('name');
    this.#holderOfFold = holder('fold');
    this.children = db.prepare(`SELECT ${COLUMNS} FROM items WHERE parent_id = ? AND flags & ${HIDDEN} = 0`);
    this.#rename = db.prepare('UPDATE items SET name = ?, remote_name = ?, fold = ? WHERE inode = ?');
    this.hide = db.prepare('UPDATE items SET flags = flags | ?, seen_at = ? WHERE inode = ?');
    this.#inodeOf = db.prepare<[number], Inode>('SELECT inode FROM items WHERE remote_id = ?').pluck();
  }

  /** Who has a name in a folder, in this case or, where case is ignored, in another one. */
  holder(parentId: RemoteId, name: string): RemoteId | undefined {
    const holder = this.#holder.get(parentId, name);
    return holder === undefined && this.ignoresCase ? this.holderOfCase(parentId, name) : holder;
  }

  /** Who has a name in any case, of those whose name is kept without it. */
  holderOfCase(parentId: RemoteId, name: string): RemoteId | undefined {
    return this.#holderOfFold.get(parentId, foldCase(name));
  }

  /** What is kept beside a name. */
  foldOf(name: string): string | null {
    return this.ignoresCase ? foldCase(name) : null;
  }

  rename(inode: Inode, name: string, remoteName: string): void {
    this.#rename.run(name, name === remoteName ? null : remoteName, this.foldOf(name), inode);
  }

  place(parentId: RemoteId, name: string): Place | undefined {
    const parent = this.#inodeOf.get(parentId);
    return parent === undefined ? undefined : { parent, name };
  }

  placeOf(row: MirrorRow): Place | undefined {
    return this.place(row.parent_id, row.name);
  }

  /** Undefined where it is hidden. */
  shownPlaceOf(row: MirrorRow): Place | undefined {
    return (row.flags & HIDDEN) === 0 ? this.placeOf(row) : undefined;
  }

  /** It cannot be seen any more. */
  takeAway(row: MirrorRow, serverTime: number): Change {
    this.hide.run(GONE, serverTime, row.inode);
    return { inode: row.inode, before: this.placeOf(row), after: undefined, replacedSequence: undefined };
  }

  /** Whether it could be seen where it was; what is above it counts where it comes to another parent. */
  wasShown(row: MirrorRow, parent: RemoteId): boolean {
    return (row.flags & HIDDEN) === 0 && (row.parent_id === parent || !this.isBelowHidden(row));
  }

  isBelowHidden(row: MirrorRow): boolean {
    for (const folder of this.above(row.parent_id)) if (!folder || (folder.flags & HIDDEN) !== 0) return true;
    return false;
  }

  /** A folder and all above it, up to the root; undefined, as the last, where one is not known. */
  *above(folder: number): Generator<MirrorRow | undefined> {
    // Moves of folders at the server can never make a cycle, but a damaged mirror must not hang the thread.
    for (let id = folder, depth = 0; id !== NO_PARENT && depth < 1000; depth++) {
      const row = this.find.get(id);
      yield row;
      if (!row) return;
      id = row.parent_id;
    }
  }
}
