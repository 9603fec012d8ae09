import { EventEmitter } from 'node:events';
import type { Clock } from '../../base/clock.js';
import { asInode, type Inode, type RemoteId, type VersionId } from '../../base/ids.js';
import { type Database, openDatabase, type Statement, type Transaction } from '../../database/open.js';
import { optional, Table } from '../../database/table.js';
import { isLocalInode, LOCAL_INODES } from '../../mirror/database/inode-ranges.js';
import type { Binding } from '../../mirror/database/numbers.js';
import type { View } from '../../mirror/database/view.js';
import { foldCase } from '../../names/fold.js';
import type { DiskReserve } from '../working/disk-reserve.js';
import { placeOfCreation } from './attempt.js';
import { Identities, refersTo } from './identities.js';
import { indexesOf } from './indexes.js';
import { type Intent, intentTable } from './intent.js';
import { outboxOptions } from './schema.js';

/** Times and mode set here for one content version (0: a folder). */
export interface LocalAttributes {
  readonly versionId: VersionId;
  readonly mtime: number | undefined;
  readonly mode: number | undefined;
}

interface StoredAttributes extends LocalAttributes {
  readonly inode: Inode;
}

const attributesTable = new Table<StoredAttributes>('attributes', {
  inode: 'inode',
  versionId: 'version_id',
  mtime: optional('mtime'),
  mode: optional('mode'),
});

/** Number of inodes reserved at a time. Inodes that a crash leaves unused are never assigned. */
const INODE_BLOCK = 256;
/** Keys in `meta`: the ends of the reserved inodes of the two ranges. */
const RESERVED = ['next-local', 'next-inode'];
/** WAL pages between checkpoints: 16 MiB. Each checkpoint waits for stable storage. */
const CHECKPOINT_PAGES = 4096;

/** `outbox.db`, also held in memory as a whole: pending intents are few compared with the project. */
export class Intents {
  /** The connection to `outbox.db`, for its other tables too. Closed together with the intents. */
  readonly database: Database;
  readonly identities: Identities;
  /**
   * `kept`: server items whose deletion intent was dropped and that no other intent concerns. They show again unless
   * the mirror knows them as deleted.
   */
  readonly events = new EventEmitter<{ kept: [ids: readonly RemoteId[]] }>();
  readonly #db: Database;
  readonly #ballast: DiskReserve;
  readonly #clock: Clock;
  readonly #put: (intent: Intent) => void;
  readonly #delete: Statement<[number]>;
  readonly #write: Transaction<(put: readonly Intent[], drop: readonly Inode[], fresh: readonly Binding[]) => void>;
  readonly #putAttributes: (attributes: StoredAttributes) => void;
  readonly #deleteAttributes: Statement<[number]>;
  readonly #setMeta: Statement<[string, number]>;
  readonly #byInode = new Map<Inode, Intent>();
  /** Makes names that are the same one equal. */
  #fold = (name: string): string => name;
  #by = indexesOf(this.#fold);
  readonly #touched = new Set<Inode>();
  readonly #attributes = new Map<Inode, LocalAttributes>();
  /** Intents that are shown and indexed but not in the database yet. */
  readonly #unwritten = new Map<Inode, Intent>();
  #nextInode: number;
  #reservedTo: number;
  /** The first free inode of the second range. */
  readonly #beyond: number;

  /** @throws Failure `database-damaged`, `database-newer`, `state-unwritable` */
  constructor(path: string, ballast: DiskReserve, clock: Clock, view: View) {
    this.#ballast = ballast;
    this.#clock = clock;
    this.database = this.#db = openDatabase(path, outboxOptions);
    this.#db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    this.#put = intentTable.insert(this.#db, 'OR REPLACE');
    this.#delete = this.#db.prepare('DELETE FROM intents WHERE inode = ?');
    this.identities = new Identities(this.#db, view);
    this.#write = this.#db.transaction((put, drop, fresh) => {
      this.identities.write(fresh);
      for (const intent of this.#unwritten.values()) this.#put(intent);
      for (const inode of drop) this.#delete.run(inode);
      for (const intent of put) this.#put(intent);
    });
    this.#putAttributes = attributesTable.insert(this.#db, 'OR REPLACE');
    this.#deleteAttributes = this.#db.prepare('DELETE FROM attributes WHERE inode = ?');
    this.#setMeta = this.#db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
    for (const intent of intentTable.select(this.#db).all()) this.#index(intent);
    for (const attributes of attributesTable.select(this.#db).all()) this.#attributes.set(attributes.inode, attributes);
    const reserved = this.#db.prepare<[string], number>('SELECT value FROM meta WHERE key = ?').pluck();
    // If `outbox.db` is an older copy, the mirror may know of later inodes.
    const [first, second] = LOCAL_INODES.map(({ from, to }, n) =>
      Math.max(reserved.get(RESERVED[n]!) ?? 0, view.lastInode(to) + 1, from),
    );
    this.#beyond = second!;
    this.#nextInode = this.#reservedTo = first!;
  }

  get size(): number {
    return this.#byInode.size;
  }

  /** No local change exists, not even of times or modes. */
  get isEmpty(): boolean {
    return this.#byInode.size === 0 && this.#attributes.size === 0;
  }

  get(inode: Inode): Intent | undefined {
    return this.#byInode.get(inode);
  }

  all(): IterableIterator<Intent> {
    return this.#byInode.values();
  }

  /** The intent about this item of the server, if there is one. */
  ofRemote(id: RemoteId): Intent | undefined {
    return this.#by.remote.last(id);
  }

  child(parent: Inode, name: string): Intent | undefined {
    const found = this.#by.place.all(this.#fold(`${parent}/${name}`));
    // Two names that differ only in case may be older than `ignoreCase`: each is found by its exact name.
    return found.findLast(({ here }) => here.name === name) ?? found.sort(byInode)[0];
  }

  /** From now on, names that differ only in case are the same name. */
  ignoreCase(): void {
    if (this.#fold === foldCase) return;
    this.#fold = foldCase;
    this.#by = indexesOf(foldCase);
    for (const index of Object.values(this.#by)) for (const intent of this.all()) index.add(intent);
  }

  /** The children that intents place in a folder, ordered by inode. */
  childrenOf(parent: Inode): Intent[] {
    return this.#by.children.all(parent).sort(byInode);
  }

  /** The item that is or may be at this place at the server, and is elsewhere or deleted here. */
  leftFrom(parent: Inode, name: string): Intent | undefined {
    return this.#by.left.last(this.#fold(`${parent}/${name}`));
  }

  /** Items that were in this folder at the server when they were changed here. */
  basedIn(folder: Inode): Intent[] {
    return this.#by.based.all(folder);
  }

  /** An item that a call with unknown outcome may have put into this folder. */
  attemptedIn(folder: Inode): Intent | undefined {
    return this.attemptedInAll(folder)[0];
  }

  attemptedInAll(folder: Inode): Intent[] {
    return this.#by.attempted.all(folder);
  }

  get hasCreationsInDoubt(): boolean {
    return !this.#by.creation.isEmpty;
  }

  /** New items that a call with unknown outcome may have created in this folder under this server name. */
  creationsInDoubt(parent: Inode, remoteName: string): Intent[] {
    return this.#by.creation.all(placeOfCreation(parent, remoteName));
  }

  /**
   * The first time at or after `time`, in milliseconds, that no attempt uses. If the clock was set back, an earlier
   * process may have left attempts with later times.
   */
  attemptFrom(time: number): number {
    let at = time;
    while (this.#by.attempt.has(at)) at++;
    return at;
  }

  /** The intent that the outcome of this attempt concerns now. The attempt may have passed to another item's intent. */
  ofAttempt(at: number): Intent | undefined {
    return this.#by.attempt.last(at);
  }

  /** Other items whose content still comes, all or in part, from this file at the server. */
  takingContentOf(id: RemoteId): Intent[] {
    return this.#by.content.all(id);
  }

  /** Marks an item whose intent or open handles have changed. */
  touch(inode: Inode): void {
    this.#touched.add(inode);
  }

  touchAll(): void {
    for (const inode of this.#byInode.keys()) this.#touched.add(inode);
  }

  /** Inodes whose intents may have changed or gone since the last call. */
  takeTouched(): Inode[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  /** A new inode for an item created here. No inode is assigned twice. */
  newInode(): Inode {
    if (this.#nextInode === this.#reservedTo) {
      if (!isLocalInode(this.#nextInode)) this.#nextInode = this.#reservedTo = this.#beyond;
      const key = RESERVED[this.#reservedTo < LOCAL_INODES[1].from ? 0 : 1]!;
      this.#ballast.write(() => this.#setMeta.run(key, this.#reservedTo + INODE_BLOCK));
      this.#reservedTo += INODE_BLOCK;
    }
    return asInode(this.#nextInode++);
  }

  /**
   * Writes intents and drops others in one transaction. When it returns, the change survives a crash of the process.
   */
  change(put: readonly Intent[], drop: readonly Inode[] = []): void {
    const [first] = put;
    const isOne = put.length === 1 && drop.length === 0;
    const isFirst = isOne && this.#unwritten.size === (this.#unwritten.has(first!.inode) ? 1 : 0);
    const referred = [...put, ...this.#unwritten.values()].flatMap(refersTo);
    // A dropped intent may be of a folder just created at the server, to which the intents in it refer.
    const fresh = this.identities.fresh([...referred, ...drop]);
    const isAlone = isFirst && fresh.length === 0;
    // A single statement is a transaction by itself, and a shorter one.
    this.#ballast.write(() => (isAlone ? this.#put(first!) : this.#write.immediate(put, drop, fresh)));
    this.identities.noted(fresh);
    this.#unwritten.clear();
    const spokenFor = [...drop, ...put.map(({ inode }) => inode)].flatMap((inode) => {
      const before = this.#byInode.get(inode);
      return before?.deleted ? [before.remoteId] : [];
    });
    for (const inode of drop) this.#unindex(inode);
    for (const intent of put) this.#index(intent);
    const kept = spokenFor.filter((id) => !this.#by.remote.has(id));
    if (kept.length > 0) this.events.emit('kept', kept);
  }

  /**
   * As `change`, for an intent that acknowledges nothing, such as that of a file being written. It is written with the
   * next change or by `writeDown`, so that a small file costs one transaction instead of two.
   */
  putSoon(intent: Intent): void {
    this.#index(intent);
    this.#unwritten.set(intent.inode, intent);
  }

  get isWritten(): boolean {
    return this.#unwritten.size === 0;
  }

  /** Writes the intents given to `putSoon`. */
  writeDown(): void {
    if (!this.isWritten) this.change([]);
  }

  put(intent: Intent): void {
    this.change([intent]);
  }

  /** Records the identity of an item before another table refers to its inode. */
  refersTo(inode: Inode): void {
    const fresh = this.identities.fresh([inode]);
    if (fresh.length === 0) return;
    this.#ballast.write(() => this.#write.immediate([], [], fresh));
    this.identities.noted(fresh);
    this.#unwritten.clear();
  }

  attributes(inode: Inode): LocalAttributes | undefined {
    return this.#attributes.get(inode);
  }

  setAttributes(inode: Inode, attributes: LocalAttributes | undefined): void {
    if (attributes) {
      this.refersTo(inode);
      this.#ballast.write(() => this.#putAttributes({ ...attributes, inode }));
      this.#attributes.set(inode, attributes);
    } else if (this.#attributes.has(inode)) {
      this.#ballast.write(() => this.#deleteAttributes.run(inode));
      this.#attributes.delete(inode);
    }
  }

  /** Puts everything committed on stable storage (a checkpoint syncs the WAL, SQLite "WAL mode", section 2.2). */
  sync(): void {
    this.writeDown();
    this.#db.pragma('synchronous = FULL');
    try {
      this.#ballast.write(() => this.#setMeta.run('synced', this.#clock.now()));
    } finally {
      this.#db.pragma('synchronous = NORMAL');
    }
  }

  close(): void {
    this.writeDown();
    this.#db.close();
  }

  #index(intent: Intent): void {
    this.#unindex(intent.inode);
    this.#byInode.set(intent.inode, intent);
    this.#touched.add(intent.inode);
    for (const index of Object.values(this.#by)) index.add(intent);
  }

  #unindex(inode: Inode): void {
    const intent = this.#byInode.get(inode);
    if (!intent) return;
    this.#byInode.delete(inode);
    this.#touched.add(inode);
    for (const index of Object.values(this.#by)) index.remove(intent);
  }
}

const byInode = (a: Intent, b: Intent): number => a.inode - b.inode;
