import type { RemoteId } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';
import { bit, type Selection, Table } from '../../database/table.js';
import { DELETED, HIDDEN } from './flags.js';
import { type Item, itemColumns } from './item-columns.js';

const IS_RECYCLED = `flags & ${HIDDEN} = ${DELETED}`;

/** An item, and the values that only serve to select it. */
interface Recycled {
  readonly item: Item;
  readonly seenAt: number;
  /** The item was deleted together with its folder. */
  readonly isNested: boolean;
}

const recycledTable = new Table<Recycled>('items', {
  item: itemColumns,
  seenAt: 'seen_at',
  isNested: bit(
    `EXISTS (SELECT 1 FROM items AS folder WHERE folder.remote_id = items.parent_id AND folder.${IS_RECYCLED})`,
  ),
});

/** Rows read per page: each call stays short however full the bin is. */
const SCAN = 32;
const TWINS = 256;

export interface RecycledPage {
  readonly items: readonly Item[];
  /** The inode to continue after; undefined at the end. A page may be empty without being the last. */
  readonly next: number | undefined;
}

export interface RecycledTwins {
  readonly items: readonly Item[];
  /** There may be more items. */
  readonly isCut: boolean;
}

/** Reads the mirror's copy of the recycle bin: no API call. */
export class RecycledView {
  readonly #top: Selection<[number, number], Recycled>;
  readonly #below: Selection<[number, number, number], Recycled>;
  readonly #named: Selection<[string, number], Recycled>;
  readonly #namedIn: Selection<[string, number, number], Recycled>;
  readonly #isRecycled: Statement<[number], number>;
  readonly #inodesNamed: Statement<[string], number>;
  /** Items not seen since this server time (seconds) are not in the bin any more. */
  readonly #since: () => number;

  constructor(db: Database, since: () => number) {
    this.#since = since;
    const recycled = IS_RECYCLED;
    const name = 'coalesce(remote_name, name)';
    const rows = <P extends unknown[]>(rest: string) => recycledTable.select<P>(db, rest);
    this.#top = rows(`INDEXED BY recycled_by_inode WHERE inode > ? AND ${recycled} ORDER BY inode LIMIT ?`);
    this.#below = rows(
      `INDEXED BY recycled_by_parent WHERE parent_id = ? AND inode > ? AND ${recycled} ORDER BY inode LIMIT ?`,
    );
    this.#named = rows(`INDEXED BY recycled_by_name WHERE ${name} = ? AND ${recycled} LIMIT ?`);
    this.#namedIn = rows(`INDEXED BY recycled_by_name WHERE ${name} = ? AND parent_id = ? AND ${recycled} LIMIT ?`);
    this.#inodesNamed = db
      .prepare<[string], number>(
        `SELECT inode FROM items INDEXED BY recycled_by_name WHERE ${name} = ? AND ${recycled} LIMIT 2`,
      )
      .pluck();
    this.#isRecycled = db.prepare<[number], number>(`SELECT 1 FROM items WHERE remote_id = ? AND ${recycled}`).pluck();
  }

  /** Items that were deleted themselves, not together with a folder, in order of inodes. */
  top(after: number): RecycledPage {
    const rows = this.#top.all(after, SCAN);
    return {
      items: this.#there(rows)
        .filter(({ isNested }) => !isNested)
        .map(({ item }) => item),
      next: rows.length < SCAN ? undefined : rows.at(-1)!.item.inode,
    };
  }

  /** The folder's deleted children with a greater inode, in order of inodes. */
  below(folder: RemoteId, after: number, limit: number): Item[] {
    return this.#there(this.#below.all(folder, after, limit)).map(({ item }) => item);
  }

  /** Items that were deleted themselves and have this name at the server. */
  named(remoteName: string): RecycledTwins {
    const rows = this.#named.all(remoteName, TWINS);
    const items = this.#there(rows).filter(({ isNested }) => !isNested);
    return { items: items.map(({ item }) => item), isCut: rows.length === TWINS };
  }

  /** The folder's deleted children that have this name at the server. */
  namedIn(folder: RemoteId, remoteName: string): RecycledTwins {
    const rows = this.#namedIn.all(remoteName, folder, TWINS);
    return { items: this.#there(rows).map(({ item }) => item), isCut: rows.length === TWINS };
  }

  /** Whether any other item in the bin may have this name at the server: answered from an index alone. */
  isNamedBeside(item: Item, remoteName: string): boolean {
    return this.#inodesNamed.all(remoteName).some((inode) => inode !== item.inode);
  }

  /** Whether the item is in the bin, by itself or with its folder. */
  isRecycled(id: RemoteId): boolean {
    return this.#isRecycled.get(id) !== undefined;
  }

  #there(rows: readonly Recycled[]): Recycled[] {
    const since = this.#since();
    return rows.filter(({ seenAt }) => seenAt >= since);
  }
}
