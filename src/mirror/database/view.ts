import { LRUCache } from 'lru-cache';
import { type Inode, type RemoteId, ROOT_INODE } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';
import type { Selection } from '../../database/table.js';
import { foldCase } from '../../names/fold.js';
import type { Change } from './changes.js';
import { FILE, HIDDEN } from './flags.js';
import { type Item, itemTable, type ListedItem, listedTable } from './item-columns.js';
import { FOLDED } from './shown-names.js';

export type { Item, ListedItem } from './item-columns.js';

/** Attributes of an item that are read only on request. */
export interface ItemPeople {
  readonly createdBy: string | undefined;
  readonly checkedOutBy: string | undefined;
  readonly checkedOutUntil: number | undefined;
}

/** The URL of a version's bytes, as given in a reply. */
export interface KnownUrl {
  /** Signed: a secret. */
  readonly url: string;
  /** Server time, seconds. */
  readonly fetchedAt: number;
  readonly versionId: number;
}

const VISIBLE = `flags & ${HIDDEN} = 0`;
/** Items cached in front of SQLite: about 300 bytes each. */
const CACHED_ITEMS = 20_000;

/** Reads the mirror: a few microseconds per item, no API call. Safe while the writer thread writes (WAL). */
export class View {
  readonly #byInode: Selection<[number], Item>;
  readonly #byRemoteId: Selection<[number], Item>;
  readonly #seenAt: Statement<[number], number>;
  readonly #byName: Selection<[number, string], Item>;
  readonly #byFold: Selection<[number, string], Item>;
  readonly #byRemoteName: Selection<[number, string], Item>;
  readonly #children: Selection<[number, number, number], Item>;
  readonly #listing: Selection<[number, number, number], ListedItem>;
  readonly #people: Statement<[number], { created: string | null; holder: string | null; until: number | null }>;
  readonly #meta: Statement<[string], string | number>;
  readonly #listed: Statement<[number], number>;
  readonly #unlisted: Statement<[number], number>;
  readonly #someUnlisted: Statement<[], RemoteId>;
  readonly #neverListed: Statement<[number, number], { readonly inode: Inode; readonly remoteId: RemoteId }>;
  readonly #count: Statement<[], number>;
  readonly #last: Statement<[number], number | null>;
  readonly #url: Statement<[number], KnownUrl>;
  readonly #cache = new LRUCache<Inode, Item>({ max: CACHED_ITEMS });
  readonly #names = new LRUCache<string, Inode>({ max: CACHED_ITEMS });
  #hits = 0;
  #misses = 0;

  constructor(db: Database) {
    const pluck = <P extends unknown[], R>(sql: string): Statement<P, R> => db.prepare<P, R>(sql).pluck();
    this.#byInode = itemTable.select(db, 'WHERE inode = ?');
    this.#byRemoteId = itemTable.select(db, 'WHERE remote_id = ?');
    this.#seenAt = pluck('SELECT seen_at FROM items WHERE remote_id = ?');
    this.#byName = itemTable.select(db, `WHERE parent_id = ? AND name = ? AND ${VISIBLE}`);
    this.#byFold = itemTable.select(db, `WHERE parent_id = ? AND fold = ? AND ${VISIBLE}`);
    this.#byRemoteName = itemTable.select(
      db,
      `INDEXED BY items_by_remote_name WHERE parent_id = ? AND remote_name = ? AND ${VISIBLE}`,
    );
    const listing = `INDEXED BY items_by_parent WHERE parent_id = ? AND inode > ? AND ${VISIBLE} ORDER BY inode LIMIT ?`;
    this.#children = itemTable.select(db, listing);
    this.#listing = listedTable.select(db, listing);
    this.#people = db.prepare(`
      SELECT c.name AS created, h.name AS holder, i.checked_out_until AS until FROM items i
      LEFT JOIN people c ON c.person = i.created_by LEFT JOIN people h ON h.person = i.checked_out_by
      WHERE i.inode = ?`);
    this.#meta = pluck('SELECT value FROM meta WHERE key = ?');
    this.#listed = pluck('SELECT 1 FROM listed WHERE remote_id = ?');
    this.#unlisted = pluck('SELECT 1 FROM unlisted WHERE remote_id = ?');
    this.#someUnlisted = db
      .prepare<[], RemoteId>(`
        SELECT unlisted.remote_id FROM unlisted CROSS JOIN items USING (remote_id)
        WHERE ${VISIBLE} AND parent_id NOT IN (SELECT remote_id FROM unlisted)`)
      .pluck();
    this.#neverListed = db.prepare(`
      SELECT inode, remote_id AS remoteId FROM items
      WHERE inode > ? AND flags & ${HIDDEN | FILE} = 0 AND remote_id NOT IN (SELECT remote_id FROM listed)
      ORDER BY inode LIMIT ?`);
    this.#url = db.prepare('SELECT url, fetched_at AS fetchedAt, version_id AS versionId FROM urls WHERE inode = ?');
    this.#count = pluck('SELECT count(*) FROM items');
    this.#last = pluck('SELECT max(inode) FROM items WHERE inode < ?');
    this.caseChanged();
  }

  item(inode: Inode): Item | undefined {
    const cached = this.#cache.get(inode);
    if (cached) {
      this.#hits++;
      return cached;
    }
    this.#misses++;
    const item = this.#byInode.get(inode);
    return item && this.#keep(item);
  }

  byRemoteId(id: RemoteId): Item | undefined {
    return this.#byRemoteId.get(id);
  }

  /**
   * Server time (seconds) of the reply that last showed the item, or showed that it is gone; 0 if the item is unknown.
   */
  seenAt(id: RemoteId): number {
    return this.#seenAt.get(id) ?? 0;
  }

  /** Whether names that differ only in case are the same name. */
  get ignoresCase(): boolean {
    return this.#ignoresCase;
  }
  #ignoresCase = false;

  /** To be called when `ignoresCase` may have changed. */
  caseChanged(): void {
    this.#ignoresCase = this.number(FOLDED) !== undefined;
    this.#names.clear();
  }

  /** The visible child of this name, or undefined. If case is ignored, the child's name may differ in case. */
  child(parent: Item, name: string): Item | undefined {
    const key = this.#key(parent.inode, name);
    const inode = this.#names.get(key);
    if (inode !== undefined) {
      const item = this.item(inode);
      if (item) return item;
    }
    this.#misses++;
    const item =
      this.#byName.get(parent.remoteId, name) ??
      (this.#ignoresCase ? this.#byFold.get(parent.remoteId, foldCase(name)) : undefined);
    if (!item) return undefined;
    this.#names.set(key, item.inode);
    return this.#keep(item);
  }

  /** Visible children that have this name at the server but are shown under another one. */
  shownOtherwise(parent: RemoteId, remoteName: string): Item[] {
    return this.#byRemoteName.all(parent, remoteName);
  }

  /** Visible children with a greater inode, in order of their inodes. */
  children(parent: RemoteId, after: number, limit: number): Item[] {
    return this.#children.all(parent, after, limit);
  }

  /** As `children`, but several times faster, with only the columns that a directory listing needs. */
  listing(parent: RemoteId, after: number, limit: number): ListedItem[] {
    return this.#listing.all(parent, after, limit);
  }

  /** The item's folder; undefined for the root, or while the crawl has not reached the folder. */
  parent(item: Item): Item | undefined {
    return item.inode === ROOT_INODE ? undefined : this.byRemoteId(item.parentId);
  }

  /** Path of shown names from the project's root; undefined if a folder above is unknown or hidden. */
  path(item: Item): string | undefined {
    const names: string[] = [];
    for (let at: Item | undefined = item; at?.inode !== ROOT_INODE; at = this.parent(at)) {
      // Moves of folders at the server can never make a cycle, but a damaged mirror must not hang the daemon.
      if (!at || (at.flags & HIDDEN) !== 0 || names.length > 1000) return undefined;
      names.unshift(at.name);
    }
    return names.join('/');
  }

  /**
   * Up to `limit` files after this one in the order in which a program walks the tree: the rest of its folder with
   * subfolders in place, then what follows its folder.
   */
  following(item: Item, limit: number): Item[] {
    const found: Item[] = [];
    let steps = 0;
    const walk = (folder: RemoteId, after: number): void => {
      const step = Math.min(256, 2 * limit);
      for (let last = after; found.length < limit && steps++ < 4 * limit; ) {
        const items = this.children(folder, last, step);
        for (const child of items) {
          if (found.length >= limit || steps > 4 * limit) return;
          if (child.isFile) found.push(child);
          else walk(child.remoteId, 0);
        }
        if (items.length < step) return;
        last = items.at(-1)!.inode;
      }
    };
    for (let at: Item | undefined = item; at && at.inode !== ROOT_INODE && found.length < limit; at = this.parent(at))
      walk(at.parentId, at.inode);
    return found;
  }

  /** The URL from the last reply about the item. It may be expired or belong to an older version. */
  url(inode: Inode): KnownUrl | undefined {
    return this.#url.get(inode);
  }

  people(inode: Inode): ItemPeople {
    const row = this.#people.get(inode);
    return {
      createdBy: row?.created ?? undefined,
      checkedOutBy: row?.holder ?? undefined,
      checkedOutUntil: row?.until ?? undefined,
    };
  }

  /** Whether every child of the folder is in the mirror. */
  isListed(folder: RemoteId): boolean {
    if (this.crawlDone) return this.#unlisted.get(folder) === undefined;
    return this.#listed.get(folder) !== undefined;
  }

  /** A folder whose children are unknown although the crawl is done, and whose parent is not such a folder. */
  someUnlisted(isLeftOut: (id: RemoteId) => boolean = () => false): Item | undefined {
    for (const id of this.#someUnlisted.iterate()) if (!isLeftOut(id)) return this.byRemoteId(id);
    return undefined;
  }

  /** During the crawl: visible folders with a greater inode that were not listed yet, in order of their inodes. */
  neverListed(after: number, limit: number): { readonly inode: Inode; readonly remoteId: RemoteId }[] {
    return this.#neverListed.all(after, limit);
  }

  get crawlDone(): boolean {
    if (!this.#crawlDone) this.#crawlDone = this.number('crawl.done') === 1;
    return this.#crawlDone;
  }
  #crawlDone = false;

  number(key: string): number | undefined {
    const value = this.#meta.get(key);
    return typeof value === 'number' ? value : undefined;
  }

  /** The greatest inode of an item below this one. */
  lastInode(below: number): number {
    return this.#last.get(below) ?? 0;
  }

  countItems(): number {
    return this.#count.get() ?? 0;
  }

  /** Removes cache entries that the changes made stale. */
  forget(changes: readonly Change[]): void {
    for (const { inode, before, after } of changes) {
      this.#cache.delete(inode);
      for (const place of [before, after]) if (place) this.#names.delete(this.#key(place.parent, place.name));
    }
  }

  statistics(): { readonly entries: number; readonly limit: number; readonly hits: number; readonly misses: number } {
    return { entries: this.#cache.size, limit: CACHED_ITEMS, hits: this.#hits, misses: this.#misses };
  }

  #key(parent: Inode, name: string): string {
    return `${parent}/${this.#ignoresCase ? foldCase(name) : name}`;
  }

  #keep(item: Item): Item {
    this.#cache.set(item.inode, item);
    return item;
  }
}
