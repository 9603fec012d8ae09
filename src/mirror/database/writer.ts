import { type Inode, type RemoteId, ROOT_INODE } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';
import { FOLD_VERSION } from '../../names/fold.js';
import type { RemoteItem } from '../../procore/items.js';
import type { Listing } from '../../procore/listing.js';
import { AbsentItems, type ListedSpan, type Missing, type Span } from './absence.js';
import { altered, type Change, moved, nextSequence } from './changes.js';
import { Confirmed } from './confirmed.js';
import { BIN, DELETED, FILE, HIDDEN, OWN } from './flags.js';
import { isLocalInode, mirrorInodeFrom } from './inode-ranges.js';
import { changed, deletedBy, flagsOf, isOlder, isOwnItem, undoesDeletion, undoesRestoring } from './item-facts.js';
import { COLUMNS, ItemRows, type MirrorRow, NO_PARENT } from './item-rows.js';
import { MissedChanges, POLLS_MISS } from './missed-changes.js';
import { type Binding, firstFreeInode, generationOf, type Numbers } from './numbers.js';
import { FOLDED, ShownNames } from './shown-names.js';

/** The local state of an item that one of our own calls changed. */
export interface Own {
  /** The name that the call sent; undefined if the call only restored the item. */
  readonly name?: string;
  /** The node sequence of the item. */
  readonly sequence: number;
  /** The previous node sequence, if the server's content differs from the content that was here. */
  readonly replaced?: number;
  readonly restored?: true;
}

export interface Ingested {
  readonly changes: readonly Change[];
  /** Items of this reply that were not in the mirror before. */
  readonly added: number;
}

const NOTHING: Ingested = { changes: [], added: 0 };

/** `children` is iterated only once. */
export interface ArrivedListing extends Pick<Listing, 'folder' | 'children'> {
  readonly serverTime: number;
}

/** Writes replies into the mirror, one transaction per reply. The only writer of `mirror.db`. */
export class Writer {
  readonly #db: Database;
  readonly #insert: Statement;
  readonly #update: Statement;
  readonly #putUrl: Statement;
  readonly #person: Statement<[string], number>;
  readonly #addPerson: Statement;
  readonly #setMeta: Statement;
  readonly #list: Statement;
  readonly #unlist: Statement;
  readonly #forgetUnlisted: Statement;
  readonly #forgetSubtree: Statement<[number]>;
  readonly #deleteUrl: Statement<[number]>;
  readonly #moveInode: Statement<[number, number]>;
  readonly #setSequence: Statement<[number, number]>;
  readonly #people = new Map<string, number>();
  readonly #confirmed: Confirmed;
  readonly #missedChanges: MissedChanges;
  #nextInode: number;
  readonly #generation: number;
  /** Inodes reserved for items that the mirror does not have yet. */
  readonly #reserved = new Map<RemoteId, Inode>();
  readonly #rows: ItemRows;
  readonly #names: ShownNames;
  readonly #absence: AbsentItems;

  constructor(db: Database) {
    this.#db = db;
    this.#rows = new ItemRows(db);
    this.#names = new ShownNames(this.#rows);
    this.#insert = db.prepare(`
      INSERT INTO items (inode, remote_id, parent_id, name, remote_name, flags, updated_at, created_at, seen_at, size,
        version_id, version_number, version_at, node_sequence, created_by, checked_out_by, checked_out_until, fold)
      VALUES (@inode, @id, @parent, @name, @remoteName, @flags, @updated, @created, @seen, @size,
        @version, @number, @versionAt, @sequence, @createdBy, @checkedOutBy, @checkedOutUntil, @fold)`);
    this.#update = db.prepare(`
      UPDATE items SET parent_id = @parent, name = @name, remote_name = @remoteName, flags = @flags,
        updated_at = @updated, created_at = @created, seen_at = @seen, size = @size, version_id = @version,
        version_number = @number, version_at = @versionAt, node_sequence = @sequence, created_by = @createdBy,
        checked_out_by = @checkedOutBy, checked_out_until = @checkedOutUntil, fold = @fold
      WHERE inode = @inode`);
    this.#putUrl = db.prepare(
      'INSERT OR REPLACE INTO urls (inode, version_id, url, fetched_at) VALUES (@inode, @version, @url, @seen)',
    );
    this.#person = db.prepare<[string], number>('SELECT person FROM people WHERE name = ?').pluck();
    this.#addPerson = db.prepare('INSERT INTO people (name) VALUES (?)');
    this.#setMeta = db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
    this.#list = db.prepare('INSERT OR REPLACE INTO listed (remote_id, listed_at) VALUES (?, ?)');
    this.#unlist = db.prepare('INSERT OR IGNORE INTO unlisted (remote_id) VALUES (?)');
    this.#forgetUnlisted = db.prepare('DELETE FROM unlisted WHERE remote_id = ?');
    this.#forgetSubtree = db.prepare(`
      WITH RECURSIVE below (id) AS (
        SELECT ? UNION ALL
        SELECT items.remote_id FROM below JOIN items ON items.parent_id = below.id
        WHERE items.flags & ${HIDDEN} = 0 AND items.flags & ${FILE} = 0)
      DELETE FROM unlisted WHERE remote_id IN (SELECT id FROM below)`);
    this.#deleteUrl = db.prepare('DELETE FROM urls WHERE inode = ?');
    this.#moveInode = db.prepare('UPDATE items SET inode = ? WHERE inode = ?');
    this.#setSequence = db.prepare('UPDATE items SET node_sequence = ? WHERE inode = ?');
    this.#confirmed = new Confirmed(db);
    const missed = (serverTime: number) => this.#setMeta.run(POLLS_MISS, serverTime);
    this.#missedChanges = new MissedChanges(missed, this.#rows, (folder) => this.#unlist.run(folder));
    this.#nextInode = firstFreeInode(db);
    this.#generation = generationOf(db);
    this.#absence = new AbsentItems(db, this.#rows, this.#confirmed);
  }

  /**
   * Stores rows of the flat index. `knownSince` (server time, seconds): a folder that is new to the mirror but was
   * created before this time became visible later (a permission, a restore), so its children are unknown. Undefined
   * while the crawl runs.
   */
  ingest(
    items: readonly RemoteItem[],
    serverTime: number,
    knownSince: number | undefined,
    meta: Readonly<Record<string, string | number>>,
  ): Ingested {
    return this.#transaction(() => {
      const changes: Change[] = [];
      let added = 0;
      for (const item of items) if (this.#put(item, serverTime, knownSince, changes)) added++;
      this.#names.giveFreed(changes);
      this.#missedChanges.taken();
      this.#putMeta(meta);
      return { changes, added };
    });
  }

  /** Stores the complete content of one folder. A child that the listing lacks is marked as gone. */
  ingestListing(listing: ArrivedListing, knownSince: number | undefined): Ingested {
    return this.#transaction(() => {
      const { folder, children, serverTime } = listing;
      const changes: Change[] = [];
      let added = 0;
      if (this.#put(folder, serverTime, undefined, changes)) added++;
      const present = new Set<number>();
      for (const child of children) {
        present.add(child.id);
        if (this.#put(child, serverTime, knownSince, changes)) added++;
      }
      for (const row of this.#rows.children.all(folder.id)) {
        if (present.has(row.remote_id) || row.seen_at > serverTime) continue;
        if (this.#confirmed.isNewerThan(row.remote_id, serverTime)) continue;
        this.#missedChanges.vanished(row.remote_id, serverTime);
        changes.push(this.#rows.takeAway(row, serverTime));
      }
      this.#names.giveFreed(changes);
      this.#missedChanges.taken();
      this.#list.run(folder.id, serverTime);
      this.#forgetUnlisted.run(folder.id);
      return { changes, added };
    });
  }

  /**
   * Stores the result of one of our own calls. The item keeps the inode and node sequence that it has here. A listing
   * that was made before the result was visible everywhere at the server does not hide the item again.
   */
  confirm(item: RemoteItem, serverTime: number, inode: Inode, own: Own): Ingested {
    return this.#transaction(() => {
      const changes: Change[] = [];
      const other = this.#rows.ofInode.get(inode);
      // The item that has this inode so far is deleted or about to be, and this item replaces it.
      if (other && other.remote_id !== item.id) this.#changeInode(other, this.#takeInode(), changes);
      const row = this.#rows.find.get(item.id);
      this.#confirmed.add(item.id, serverTime, own.restored && deletedBy(item, serverTime, row));
      const made = row?.inode !== inode && isLocalInode(inode);
      // A listing showed the item before the reply to our call arrived.
      if (row && row.inode !== inode) this.#changeInode(row, inode, changes);
      const added = this.#put(item, serverTime, undefined, changes, { inode, made, ...own });
      return { changes, added: added ? 1 : 0 };
    });
  }

  #changeInode(row: MirrorRow, inode: Inode, changes: Change[]): void {
    const place = this.#rows.shownPlaceOf(row);
    this.#deleteUrl.run(row.inode);
    this.#moveInode.run(inode, row.inode);
    this.#count();
    // The places of a folder's children refer to the folder's old inode.
    for (const child of this.#rows.children.all(row.remote_id))
      changes.push(moved({ ...child, parent: row.inode }, { ...child, parent: inode }));
    changes.push({ inode: row.inode, before: place, after: undefined, replacedSequence: undefined });
    changes.push({ inode, before: undefined, after: place, replacedSequence: undefined });
  }

  /**
   * Stores the result of one of our own calls that has no local counterpart. It is reported as a new change, like one
   * made by another client.
   */
  ingestOwn(item: RemoteItem, serverTime: number): Ingested {
    return this.#transaction(() => {
      const changes: Change[] = [];
      const added = this.#put(item, serverTime, undefined, changes);
      // Noted after `#put`: only later replies are compared with our call.
      this.#confirmed.add(item.id, serverTime);
      return { changes, added: added ? 1 : 0 };
    });
  }

  /** Records that one of our own calls deleted the item. `serverTime` 0: no reply to the deletion is known. */
  confirmDeletion(id: RemoteId, serverTime: number): Ingested {
    return this.#transaction(() => {
      const row = this.#rows.find.get(id);
      if (!row) return NOTHING;
      this.#confirmed.addDeletion(id, serverTime);
      const before = this.#rows.shownPlaceOf(row);
      this.#rows.hide.run(DELETED, Math.max(serverTime, row.seen_at), row.inode);
      // Without a reply it is unknown whether the item was deleted with a folder, which may be restored later.
      if (serverTime === 0 && before && !this.#rows.isBelowHidden(row)) this.#unlist.run(row.parent_id);
      const gone: Change = { inode: row.inode, before, after: undefined, replacedSequence: undefined };
      // Reported only once: a listener that handles the change may call this method again.
      return { changes: (row.flags & DELETED) === 0 ? [gone] : [], added: 0 };
    });
  }

  /** Gives the item a new node sequence, because a local process has other content open under the current one. */
  renew(inode: Inode): Ingested {
    return this.#transaction(() => {
      const row = this.#rows.ofInode.get(inode);
      if (!row || (row.flags & HIDDEN) !== 0) return NOTHING;
      this.#setSequence.run(nextSequence(row.node_sequence), inode);
      return { changes: [altered({ inode, ...this.#rows.placeOf(row)! }, row.node_sequence)], added: 0 };
    });
  }

  /** See `AbsentItems.missing`. */
  missing(span: Span, present: ReadonlySet<number>, serverTime: number): Missing {
    return this.#transaction(() => this.#absence.missing(span, present, serverTime));
  }

  /** See `AbsentItems.settle`. */
  settle(listed: ListedSpan): Pick<Missing, 'changes' | 'folders'> {
    return this.#transaction(() => this.#absence.settle(listed));
  }

  /** Whether the first crawl is still running. */
  set crawling(is: boolean) {
    this.#names.crawling = is;
  }

  /** Whether names are unique and looked up without regard to case, as set by `ignoreCase`. */
  set ignoresCase(is: boolean) {
    this.#rows.ignoresCase = is;
  }

  get numbers(): Numbers {
    return { generation: this.#generation, next: this.#nextInode };
  }

  /**
   * Assigns the inodes under which other local state refers to items: now, or when an item first appears. Any other
   * item that has one of these inodes gets a new one, and so does each item in `freed`. Inodes up to `above` are not
   * allocated any more.
   */
  bind(bindings: readonly Binding[], freed: readonly Binding[], above: number): Ingested {
    return this.#transaction(() => {
      const changes: Change[] = [];
      this.#nextInode = mirrorInodeFrom(Math.max(this.#nextInode, above));
      this.#takeInode();
      for (const { inode, remoteId } of freed) {
        const row = this.#rows.find.get(remoteId);
        if (row?.inode === inode) this.#changeInode(row, this.#takeInode(), changes);
      }
      for (const { inode, remoteId } of bindings) {
        const other = this.#rows.ofInode.get(inode);
        if (other?.remote_id === remoteId) continue;
        if (other) this.#changeInode(other, this.#takeInode(), changes);
        const row = this.#rows.find.get(remoteId);
        if (row) this.#changeInode(row, inode, changes);
        else this.#reserved.set(remoteId, inode);
      }
      return { changes, added: 0 };
    });
  }

  /** Makes names unique without regard to case, permanently. Items whose names differ only in case get suffixes. */
  ignoreCase(): Ingested {
    return this.#transaction(() => {
      const changes: Change[] = [];
      const next = this.#db.prepare<[number], MirrorRow>(
        `SELECT ${COLUMNS} FROM items WHERE remote_id > ? ORDER BY remote_id LIMIT 5000`,
      );
      this.#rows.ignoresCase = true;
      this.#db.exec('UPDATE items SET fold = NULL WHERE fold IS NOT NULL');
      for (let rows = next.all(0); rows.length > 0; rows = next.all(rows.at(-1)!.remote_id))
        for (const row of rows) this.#names.ignoreCase(row, changes);
      this.#setMeta.run(FOLDED, FOLD_VERSION);
      return { changes, added: 0 };
    });
  }

  /** Records that the mirror has everything below the folder. */
  subtreeListed(folder: RemoteId): void {
    this.#transaction(() => this.#forgetSubtree.run(folder));
  }

  /** To be called after a poll was stored. */
  polled(serverTime: number): void {
    this.#transaction(() => this.#missedChanges.polled(serverTime));
  }

  setMeta(values: Readonly<Record<string, string | number>>): void {
    this.#transaction(() => this.#putMeta(values));
  }

  /** Ends the crawl: the children of every folder are known, except for these and those in `unlisted` already. */
  finishCrawl(meta: Readonly<Record<string, string | number>>, unlisted: readonly number[]): void {
    this.#transaction(() => {
      this.#putMeta(meta);
      for (const folder of unlisted) this.#unlist.run(folder);
      this.#db.exec('DELETE FROM listed');
    });
  }

  #putMeta(values: Readonly<Record<string, string | number>>): void {
    for (const [key, value] of Object.entries(values)) this.#setMeta.run(key, value);
  }

  #transaction<T>(work: () => T): T {
    this.#names.begin();
    return this.#db.transaction(work).immediate();
  }

  /** Returns true if the item was not in the mirror before. */
  #put(
    item: RemoteItem,
    serverTime: number,
    knownSince: number | undefined,
    changes: Change[],
    own?: { readonly inode: Inode; readonly made: boolean } & Own,
  ): boolean {
    const row = this.#rows.find.get(item.id);
    const parent = this.#parentOf(item, row);
    if (row && (row.seen_at > serverTime || ((!own || row.seen_at === serverTime) && isOlder(item, row, serverTime))))
      return false;
    const flags = flagsOf(item) | (isOwnItem(item, row, parent, own) ? OWN : 0);
    if (row && !own) {
      const undoes = undoesDeletion(item, row, this.#confirmed) || undoesRestoring(item, row, parent, this.#confirmed);
      if (undoes && this.#confirmed.isNewerThan(item.id, serverTime)) return false;
      this.#missedChanges.saw(item, row, flags, serverTime);
    }
    const visible = (flags & HIDDEN) === 0;
    const before = row && this.#rows.shownPlaceOf(row);
    const name = this.#names.nameFor(item, parent, row, visible, changes, own?.name);
    const replaced = row !== undefined && item.version !== undefined && row.version_id !== item.version.id;
    // An older reply must not restore an older version.
    if (replaced && row.seen_at === serverTime && row.version_number > (item.version?.number ?? 0)) return false;
    const values = {
      inode: row?.inode ?? own?.inode ?? this.#numberOf(item),
      sequence: own?.sequence ?? 0,
      id: item.id,
      parent,
      name,
      fold: this.#rows.foldOf(name),
      remoteName: name === item.name ? null : item.name,
      flags,
      updated: item.updatedAt,
      created: item.createdAt,
      seen: serverTime,
      size: item.version?.size ?? 0,
      version: item.version?.id ?? 0,
      number: item.version?.number ?? 0,
      versionAt: item.version?.createdAt ?? 0,
      createdBy: this.#personOf(item.version?.createdBy),
      checkedOutBy: this.#personOf(item.checkedOutBy),
      checkedOutUntil: item.checkedOutUntil ?? null,
    };
    const { inode } = values;
    if (row) {
      const sequence = own?.sequence ?? (replaced ? nextSequence(row.node_sequence) : row.node_sequence);
      this.#update.run({ ...values, sequence });
    } else {
      this.#insert.run(values);
      this.#reserved.delete(item.id);
      if (own) this.#count();
    }
    if (item.version?.url !== undefined)
      this.#putUrl.run({ inode, version: item.version.id, url: item.version.url, seen: serverTime });
    // The folder's content may have changed while the folder was not visible.
    const cameBack = row !== undefined && visible && !this.#names.crawling && !this.#rows.wasShown(row, parent);
    const cameLate = !row && knownSince !== undefined && item.createdAt < knownSince;
    if (item.type === 'folder' && (cameBack || cameLate)) this.#unlist.run(item.id);
    const after = visible ? this.#rows.place(parent, name) : undefined;
    const replacedSequence = own ? own.replaced : replaced ? row.node_sequence : undefined;
    if (!row || replacedSequence !== undefined || changed(row, item, flags, parent, name))
      changes.push({ inode, before, after, replacedSequence });
    return !row;
  }

  /** Keeps the former parent of a deleted item if the server only says that the item is in the recycle bin. */
  #parentOf(item: RemoteItem, row: MirrorRow | undefined): RemoteId {
    const parent = item.parentId ?? NO_PARENT;
    if (!item.deleted || !row || row.parent_id === parent) return parent;
    const folder = this.#rows.find.get(parent);
    return !folder || (folder.flags & BIN) !== 0 ? row.parent_id : parent;
  }

  #numberOf({ id, parentId }: RemoteItem): Inode {
    // An item without a parent is the root only if no root is known yet.
    if (parentId === null && !this.#rows.ofInode.get(ROOT_INODE)) return ROOT_INODE;
    const reserved = this.#reserved.get(id);
    if (reserved === undefined || this.#rows.ofInode.get(reserved)) return this.#takeInode();
    this.#count();
    return reserved;
  }

  #takeInode(): Inode {
    const inode = this.#nextInode as Inode;
    this.#count();
    return inode;
  }

  /** Counts each assigned inode. An older copy of the mirror is recognized by its smaller counter. */
  #count(): void {
    this.#nextInode = mirrorInodeFrom(this.#nextInode + 1);
    this.#setMeta.run('inode.next', this.#nextInode);
  }

  #personOf(name: string | undefined): number | null {
    if (!name) return null;
    const person =
      this.#people.get(name) ?? this.#person.get(name) ?? Number(this.#addPerson.run(name).lastInsertRowid);
    if (this.#people.size > 10_000) this.#people.clear();
    this.#people.set(name, person);
    return person;
  }
}
