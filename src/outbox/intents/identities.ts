import { asInode, type Inode, type RemoteId, ROOT_INODE } from '../../base/ids.js';
import type { Database, Statement } from '../../database/open.js';
import { Table } from '../../database/table.js';
import { isLocalInode } from '../../mirror/database/inode-ranges.js';
import type { Binding, Numbers } from '../../mirror/database/numbers.js';
import type { View } from '../../mirror/database/view.js';
import { type Intent, NO_INODE, NO_REMOTE } from './intent.js';

/** Tables of `outbox.db` that refer to items by the mirror's inodes. */
const REFERRING = ['attributes', 'checkouts', 'pins'];

const identityTable = new Table<Binding>('identities', { inode: 'inode', remoteId: 'remote_id' });

const GENERATION = 'mirror.generation';
const SEEN = 'mirror.seen';

/**
 * Maps the inodes in `outbox.db` to the server items for which they stand. The mirror assigns the inodes, but it can be
 * lost or restored to an earlier state: then it gets them back from here.
 */
export class Identities {
  readonly #db: Database;
  readonly #view: View;
  readonly #byInode = new Map<Inode, RemoteId>();
  readonly #byRemote = new Map<RemoteId, Inode>();
  readonly #put: (binding: Binding) => void;
  readonly #delete: Statement<[number]>;
  readonly #meta: Statement<[string], number>;
  readonly #setMeta: Statement<[string, number]>;

  constructor(db: Database, view: View) {
    this.#db = db;
    this.#view = view;
    this.#put = identityTable.insert(db, 'OR REPLACE');
    this.#delete = db.prepare('DELETE FROM identities WHERE inode = ?');
    this.#meta = db.prepare<[string], number>('SELECT value FROM meta WHERE key = ?').pluck();
    this.#setMeta = db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
    const places = ['inode', 'parent', 'base_parent', "attempted ->> 'parent'"];
    const referring = [
      ...places.map((place) => `SELECT ${place} FROM intents WHERE ${place} IS NOT NULL`),
      ...REFERRING.map((table) => `SELECT inode FROM ${table}`),
    ];
    db.exec(`DELETE FROM identities WHERE inode NOT IN (${referring.join(' UNION ')})`);
    this.noted(identityTable.select(db).all());
  }

  /** The server item for which an inode stood when it was last recorded. */
  remoteOf(inode: Inode): RemoteId | undefined {
    return this.#byInode.get(inode);
  }

  all(): Binding[] {
    return [...this.#byInode].map(([inode, remoteId]) => ({ inode, remoteId }));
  }

  /** The bindings of these inodes that are not recorded yet, to be written with the rows that refer to them. */
  fresh(inodes: Iterable<Inode | undefined>): Binding[] {
    const found = new Map<Inode, Binding>();
    for (const inode of inodes) {
      if (inode === undefined || inode === NO_INODE || inode === ROOT_INODE) continue;
      const remoteId = this.#view.item(inode)?.remoteId;
      if (remoteId !== undefined && this.#byInode.get(inode) !== remoteId) found.set(inode, { inode, remoteId });
    }
    return [...found.values()];
  }

  /** Runs inside a transaction; `noted` follows the commit. */
  write(bindings: readonly Binding[]): void {
    for (const binding of bindings) this.#put(binding);
    if (bindings.length > 0) this.#setMeta.run(SEEN, this.#view.number('inode.next') ?? 0);
  }

  noted(bindings: readonly Binding[]): void {
    for (const { inode, remoteId } of bindings) this.#index(inode, remoteId);
  }

  /** Removes bindings whose items are to get other inodes. */
  forget(bindings: readonly Binding[]): void {
    for (const { inode, remoteId } of bindings) {
      if (this.#byInode.get(inode) !== remoteId) continue;
      this.#delete.run(inode);
      this.#byInode.delete(inode);
      this.#byRemote.delete(remoteId);
    }
  }

  /** Whether the mirror is the one whose inodes were recorded, or a later state of it. */
  isOf({ generation, next }: Numbers): boolean {
    return this.#meta.get(GENERATION) === generation && next >= (this.#meta.get(SEEN) ?? 0);
  }

  /** Whether it was ever recorded to which mirror the inodes belong. */
  get isKnown(): boolean {
    return this.#meta.get(GENERATION) !== undefined;
  }

  /** Records that the inodes are now those of this mirror. */
  agree({ generation, next }: Numbers): void {
    this.#db.transaction(() => {
      this.#setMeta.run(GENERATION, generation);
      this.#setMeta.run(SEEN, next);
    })();
  }

  /** Every inode that is referred to. */
  referred(intents: Iterable<Intent>): Set<Inode> {
    const found = new Set<Inode>([...intents].flatMap(refersTo));
    for (const table of REFERRING)
      for (const inode of this.#db.prepare<[], number>(`SELECT inode FROM ${table}`).pluck().iterate())
        found.add(asInode(inode));
    return found;
  }

  #index(inode: Inode, remoteId: RemoteId): void {
    const before = this.#byRemote.get(remoteId);
    if (before !== undefined && before !== inode) this.#byInode.delete(before);
    const was = this.#byInode.get(inode);
    if (was !== undefined && was !== remoteId) this.#byRemote.delete(was);
    this.#byInode.set(inode, remoteId);
    this.#byRemote.set(remoteId, inode);
  }
}

/** Inodes by which an intent refers to server items. */
export const refersTo = ({ inode, remoteId, here, base, attempt: { goal } }: Intent): Inode[] => [
  ...(remoteId === NO_REMOTE && isLocalInode(inode) ? [] : [inode]),
  here.parent,
  ...(base.parent === NO_INODE ? [] : [base.parent]),
  ...(goal ? [goal.parent] : []),
];
