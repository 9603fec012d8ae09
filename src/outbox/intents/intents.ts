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
import { creationPlace, leftPlaces, placeOfCreation } from './attempt.js';
import { Identities, refersTo } from './identities.js';
import { type Intent, type IntentRow, intentFromRow, NO_INODE, NO_REMOTE, toRow } from './intent.js';
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

const COLUMNS: readonly (keyof IntentRow)[] = Object.keys(toRow({} as Intent)) as (keyof IntentRow)[];

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
  readonly #put: Statement;
  readonly #delete: Statement<[number]>;
  readonly #write: Transaction<(put: readonly Intent[], drop: readonly Inode[], fresh: readonly Binding[]) => void>;
  readonly #putAttributes: (attributes: StoredAttributes) => void;
  readonly #deleteAttributes: Statement<[number]>;
  readonly #setMeta: Statement<[string, number]>;
  readonly #byInode = new Map<Inode, Intent>();
  readonly #byRemote = new Map<RemoteId, Inode>();
  #ignoresCase = false;
  /** Children that intents place in a folder and do not delete, by name; by case-folded name where case is ignored. */
  readonly #children = new Map<Inode, Map<string, Inode>>();
  /** `parent/name` at the server → the item that is or may be there at the server, and is elsewhere or deleted here. */
  readonly #left = new Map<string, Inode>();
  /** Items whose `baseParent` is this folder, by the folder's inode. */
  readonly #basedIn = new Map<Inode, Set<Inode>>();
  /** Items that a call with unknown outcome may have put into a folder at the server, by the folder's inode. */
  readonly #attemptedIn = new Map<Inode, Set<Inode>>();
  /** New items that a call with unknown outcome may have created, by `creationPlace`. */
  readonly #creations = new Map<string, Set<Inode>>();
  /** Intents whose last call has no known outcome, by `attemptAt`. */
  readonly #byAttempt = new Map<number, Inode>();
  /** Intents whose content still comes from a file at the server, by that file. */
  readonly #byContent = new Map<RemoteId, Set<Inode>>();
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
    this.#put = this.#db.prepare(
      `INSERT OR REPLACE INTO intents (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((c) => `@${c}`).join(', ')})`,
    );
    this.#delete = this.#db.prepare('DELETE FROM intents WHERE inode = ?');
    this.identities = new Identities(this.#db, view);
    this.#write = this.#db.transaction((put, drop, fresh) => {
      this.identities.write(fresh);
      for (const intent of this.#unwritten.values()) this.#put.run(toRow(intent));
      for (const inode of drop) this.#delete.run(inode);
      for (const intent of put) this.#put.run(toRow(intent));
    });
    this.#putAttributes = attributesTable.insert(this.#db, 'OR REPLACE');
    this.#deleteAttributes = this.#db.prepare('DELETE FROM attributes WHERE inode = ?');
    this.#setMeta = this.#db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
    for (const row of this.#db.prepare<[], IntentRow>('SELECT * FROM intents').iterate())
      this.#index(intentFromRow(row));
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
    const inode = this.#byRemote.get(id);
    return inode === undefined ? undefined : this.#byInode.get(inode);
  }

  child(parent: Inode, name: string): Intent | undefined {
    const children = this.#children.get(parent);
    const inode = children?.get(twinKey(name)) ?? children?.get(this.#key(name));
    return inode === undefined ? undefined : this.#byInode.get(inode);
  }

  /** From now on, names that differ only in case are the same name. */
  ignoreCase(): void {
    if (this.#ignoresCase) return;
    this.#ignoresCase = true;
    const all = [...this.all()];
    this.#children.clear();
    this.#left.clear();
    for (const intent of all) this.#indexPlaces(intent);
  }

  /** The children that intents place in a folder, ordered by inode. */
  childrenOf(parent: Inode): Intent[] {
    const inodes = this.#children.get(parent);
    if (!inodes) return [];
    return [...inodes.values()].map((inode) => this.#byInode.get(inode)!).sort((a, b) => a.inode - b.inode);
  }

  /** The item that is or may be at this place at the server, and is elsewhere or deleted here. */
  leftFrom(parent: Inode, name: string): Intent | undefined {
    const inode = this.#left.get(this.#key(`${parent}/${name}`));
    return inode === undefined ? undefined : this.#byInode.get(inode);
  }

  /** Items that were in this folder at the server when they were changed here. */
  basedIn(folder: Inode): Intent[] {
    return [...(this.#basedIn.get(folder) ?? [])].map((inode) => this.#byInode.get(inode)!);
  }

  /** An item that a call with unknown outcome may have put into this folder. */
  attemptedIn(folder: Inode): Intent | undefined {
    return this.attemptedInAll(folder)[0];
  }

  attemptedInAll(folder: Inode): Intent[] {
    return [...(this.#attemptedIn.get(folder) ?? [])].map((inode) => this.#byInode.get(inode)!);
  }

  get hasCreationsInDoubt(): boolean {
    return this.#creations.size > 0;
  }

  /** New items that a call with unknown outcome may have created in this folder under this server name. */
  creationsInDoubt(parent: Inode, remoteName: string): Intent[] {
    const inodes = this.#creations.get(placeOfCreation(parent, remoteName)) ?? [];
    return [...inodes].map((inode) => this.#byInode.get(inode)!);
  }

  /**
   * The first time at or after `time`, in milliseconds, that no attempt uses. If the clock was set back, an earlier
   * process may have left attempts with later times.
   */
  attemptFrom(time: number): number {
    let at = time;
    while (this.#byAttempt.has(at)) at++;
    return at;
  }

  /** The intent that the outcome of this attempt concerns now. The attempt may have passed to another item's intent. */
  ofAttempt(attemptAt: number): Intent | undefined {
    const inode = this.#byAttempt.get(attemptAt);
    return inode === undefined ? undefined : this.#byInode.get(inode);
  }

  /** Other items whose content still comes, all or in part, from this file at the server. */
  takingContentOf(id: RemoteId): Intent[] {
    return [...(this.#byContent.get(id) ?? [])].map((inode) => this.#byInode.get(inode)!);
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
    this.#ballast.write(() => (isAlone ? this.#put.run(toRow(first!)) : this.#write.immediate(put, drop, fresh)));
    this.identities.noted(fresh);
    this.#unwritten.clear();
    const spokenFor = [...drop, ...put.map(({ inode }) => inode)].flatMap((inode) => {
      const before = this.#byInode.get(inode);
      return before?.deleted ? [before.remoteId] : [];
    });
    for (const inode of drop) this.#unindex(inode);
    for (const intent of put) this.#unindex(intent.inode);
    for (const intent of put) this.#index(intent);
    const kept = spokenFor.filter((id) => !this.#byRemote.has(id));
    if (kept.length > 0) this.events.emit('kept', kept);
  }

  /**
   * As `change`, for an intent that acknowledges nothing, such as that of a file being written. It is written with the
   * next change or by `writeDown`, so that a small file costs one transaction instead of two.
   */
  putSoon(intent: Intent): void {
    this.#unindex(intent.inode);
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
    this.#byInode.set(intent.inode, intent);
    this.#touched.add(intent.inode);
    if (intent.baseParent !== NO_INODE) addTo(this.#basedIn, intent.baseParent, intent.inode);
    for (const id of contentFrom(intent)) addTo(this.#byContent, id, intent.inode);
    if (intent.remoteId !== NO_REMOTE) this.#byRemote.set(intent.remoteId, intent.inode);
    this.#indexPlaces(intent);
    if (intent.attempted) addTo(this.#attemptedIn, intent.attempted.parent, intent.inode);
    const creation = creationPlace(intent);
    if (creation !== undefined) addTo(this.#creations, creation, intent.inode);
    if (intent.attemptAt !== 0) this.#byAttempt.set(intent.attemptAt, intent.inode);
  }

  #indexPlaces(intent: Intent): void {
    if (!intent.deleted) {
      let children = this.#children.get(intent.parent);
      if (!children) this.#children.set(intent.parent, (children = new Map()));
      const key = this.#key(intent.name);
      const other = children.get(key);
      // Two names that differ only in case may be older than `ignoreCase`: each is found by its exact name.
      const isTwin = other !== undefined && other !== intent.inode && this.#byInode.get(other)?.name !== intent.name;
      children.set(isTwin ? twinKey(intent.name) : key, intent.inode);
    }
    for (const place of leftPlaces(intent)) this.#left.set(this.#key(place), intent.inode);
  }

  #key(name: string): string {
    return this.#ignoresCase ? foldCase(name) : name;
  }

  #unindex(inode: Inode): void {
    const intent = this.#byInode.get(inode);
    if (!intent) return;
    this.#byInode.delete(inode);
    this.#touched.add(inode);
    removeFrom(this.#basedIn, intent.baseParent, inode);
    for (const id of contentFrom(intent)) removeFrom(this.#byContent, id, inode);
    if (this.#byRemote.get(intent.remoteId) === inode) this.#byRemote.delete(intent.remoteId);
    const children = this.#children.get(intent.parent);
    for (const key of [this.#key(intent.name), twinKey(intent.name)])
      if (children?.get(key) === inode) {
        children.delete(key);
        if (children.size === 0) this.#children.delete(intent.parent);
      }
    for (const left of leftPlaces(intent)) {
      const place = this.#key(left);
      if (this.#left.get(place) === inode) this.#left.delete(place);
    }
    if (intent.attempted) removeFrom(this.#attemptedIn, intent.attempted.parent, inode);
    const creation = creationPlace(intent);
    if (creation !== undefined) removeFrom(this.#creations, creation, inode);
    if (this.#byAttempt.get(intent.attemptAt) === inode) this.#byAttempt.delete(intent.attemptAt);
  }
}

/** No name begins with `/`. */
const twinKey = (name: string): string => `/${name}`;

function addTo<Key>(sets: Map<Key, Set<Inode>>, key: Key, inode: Inode): void {
  const set = sets.get(key);
  if (set) set.add(inode);
  else sets.set(key, new Set([inode]));
}

function removeFrom<Key>(sets: Map<Key, Set<Inode>>, key: Key, inode: Inode): void {
  const set = sets.get(key);
  if (set?.delete(inode) && set.size === 0) sets.delete(key);
}

/** Files at the server, other than the item itself, from which the item takes content. */
const contentFrom = ({ contentItem, gaps, remoteId }: Intent): RemoteId[] => [
  ...(contentItem === NO_REMOTE ? [] : [contentItem]),
  ...(gaps && gaps.item !== remoteId && gaps.item !== contentItem ? [gaps.item] : []),
];
