import type { Inode, RemoteId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';
import { foldCase } from '../../names/fold.js';
import type { Change, Place } from './changes.js';
import { GONE, HIDDEN } from './flags.js';

/** The columns that the writer compares with a reply. */
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

/** Queries on the table `items`, shared by all parts of the writer. */
export class ItemRows {
  readonly find: Statement<[number], MirrorRow>;
  readonly ofInode: Statement<[number], MirrorRow>;
  readonly children: Statement<[number], MirrorRow>;
  /** Whether names are unique and looked up without regard to case. */
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

  /** The visible item with this name in a folder; if case is ignored, also in another case. */
  holder(parentId: RemoteId, name: string): RemoteId | undefined {
    const holder = this.#holder.get(parentId, name);
    return holder === undefined && this.ignoresCase ? this.holderOfCase(parentId, name) : holder;
  }

  /** The visible item with this name in any case, among rows with a `fold`. */
  holderOfCase(parentId: RemoteId, name: string): RemoteId | undefined {
    return this.#holderOfFold.get(parentId, foldCase(name));
  }

  /** The value of the column `fold` for a name. */
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

  /** Undefined if the item is hidden. */
  shownPlaceOf(row: MirrorRow): Place | undefined {
    return (row.flags & HIDDEN) === 0 ? this.placeOf(row) : undefined;
  }

  /** Marks an item as gone: it is not visible any more. */
  takeAway(row: MirrorRow, serverTime: number): Change {
    this.hide.run(GONE, serverTime, row.inode);
    return { inode: row.inode, before: this.placeOf(row), after: undefined, replacedSequence: undefined };
  }

  /**
   * Whether the item was visible in its previous place. The folders above it count only if it moves to another parent.
   */
  wasShown(row: MirrorRow, parent: RemoteId): boolean {
    return (row.flags & HIDDEN) === 0 && (row.parent_id === parent || !this.isBelowHidden(row));
  }

  isBelowHidden(row: MirrorRow): boolean {
    for (const folder of this.above(row.parent_id)) if (!folder || (folder.flags & HIDDEN) !== 0) return true;
    return false;
  }

  /** A folder and all folders above it, up to the root; the last is undefined if a folder is unknown. */
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
