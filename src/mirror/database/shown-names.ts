import type { RemoteId } from '../../base/ids.js';
import { fitsLinux, linuxNames } from '../../names/linux.js';
import type { RemoteItem } from '../../procore/items.js';
import { allocateName, type NameTable } from './allocate-name.js';
import type { Change } from './changes.js';
import { HIDDEN } from './flags.js';
import type { ItemRows, MirrorRow } from './item-rows.js';

/** Key in `meta`: Unicode version of the folded names in the column `fold`; absent while names are case-sensitive. */
export const FOLDED = 'names.folded';

const NOBODY: NameTable = { holder: () => undefined };

/**
 * Whether the stored name may have been shown. Earlier releases stored items that were hidden from the start under
 * their remote name.
 */
const isShown = ({ name, flags }: MirrorRow): boolean =>
  (flags & HIDDEN) === 0 || (fitsLinux(name) && linuxNames.encode(linuxNames.decode(name)) === name);

/** Allocates the names under which items are shown, and keeps them stable. */
export class ShownNames {
  /** Whether the first crawl is still running. */
  crawling = true;
  readonly #rows: ItemRows;
  readonly #names: NameTable;
  /** Items that got a shown name other than their own in this transaction. */
  readonly #suffixed = new Set<RemoteId>();

  constructor(rows: ItemRows) {
    this.#rows = rows;
    this.#names = { holder: (parent, name) => rows.holder(parent, name) };
  }

  /** To be called when a transaction begins. */
  begin(): void {
    this.#suffixed.clear();
  }

  /**
   * Keeps the shown name while the remote name and the folder stay the same; otherwise allocates a free one. A hidden
   * item also has a name, under which it may return. `own`: the name that a local user gave the item, or moved it with.
   */
  nameFor(
    item: RemoteItem,
    parent: RemoteId,
    row: MirrorRow | undefined,
    visible: boolean,
    changes: Change[],
    own?: string,
  ): string {
    const kept = row && (row.remote_name ?? row.name) === item.name && isShown(row) ? row.name : undefined;
    if (!visible) return kept ?? allocateName(NOBODY, parent, item.name, item.id);
    const isOwn = own !== undefined && (own === kept || linuxNames.decode(own) === item.name);
    const wanted = isOwn ? own : row?.parent_id === parent ? kept : undefined;
    if (wanted !== undefined && [undefined, item.id].includes(this.#rows.holder(parent, wanted))) return wanted;
    const name = allocateName(this.#names, parent, item.name, item.id);
    if (name !== item.name) this.#suffixed.add(item.id);
    return this.#lowestKeepsPlainName(item, parent, name, changes);
  }

  /**
   * Makes the name of a row unique without regard to case. Rows are passed in order of id, so that the item with the
   * lowest id keeps its name.
   */
  ignoreCase(row: MirrorRow, changes: Change[]): void {
    const remoteName = row.remote_name ?? row.name;
    const rows = this.#rows;
    const before = rows.placeOf(row);
    let { name } = row;
    if ((row.flags & HIDDEN) === 0 && rows.holderOfCase(row.parent_id, name) !== undefined) {
      const holder = (parent: RemoteId, one: string) => rows.holderOfCase(parent, one) ?? rows.holder(parent, one);
      name = allocateName({ holder }, row.parent_id, remoteName, row.remote_id);
    }
    this.#rows.rename(row.inode, name, remoteName);
    if (name === row.name) return;
    const after = this.#rows.place(row.parent_id, name);
    changes.push({ inode: row.inode, before, after, replacedSequence: undefined });
  }

  #isSame(name: string, other: string): boolean {
    return name === other || (this.#rows.ignoresCase && this.#rows.foldOf(name) === this.#rows.foldOf(other));
  }

  /**
   * Gives items the name that has become free. Two items that exchanged names, or an item that took another's name, may
   * have collided within one reply.
   */
  giveFreed(changes: Change[]): void {
    for (const id of this.#suffixed) {
      const row = this.#rows.find.get(id);
      if (!row || (row.flags & HIDDEN) !== 0) continue;
      const remoteName = row.remote_name ?? row.name;
      const name = allocateName(this.#names, row.parent_id, remoteName, id);
      if (name === row.name || ![undefined, id].includes(this.#rows.holder(row.parent_id, name))) continue;
      this.#rows.rename(row.inode, name, remoteName);
      const after = this.#rows.place(row.parent_id, name);
      changes.push({ inode: row.inode, before: this.#rows.placeOf(row), after, replacedSequence: undefined });
    }
    this.#suffixed.clear();
  }

  /**
   * Rows of a crawl come in any order, but the lowest id is to have the plain name. A twin with a higher id is renamed;
   * it was never shown yet, because the crawl is running.
   */
  #lowestKeepsPlainName(item: RemoteItem, parent: RemoteId, name: string, changes: Change[]): string {
    if (name === item.name || !this.crawling) return name;
    const plain = allocateName(NOBODY, parent, item.name, item.id);
    if (plain === name) return name;
    const holder = this.#rows.holder(parent, plain);
    if (holder === undefined || holder <= item.id) return name;
    const twin = this.#rows.find.get(holder)!;
    const twinRemoteName = twin.remote_name ?? twin.name;
    const twinName = allocateName(
      { holder: (p, n) => (this.#isSame(n, plain) ? item.id : this.#rows.holder(p, n)) },
      parent,
      twinRemoteName,
      holder,
    );
    const before = this.#rows.placeOf(twin);
    this.#rows.rename(twin.inode, twinName, twinRemoteName);
    changes.push({ inode: twin.inode, before, after: this.#rows.place(parent, twinName), replacedSequence: undefined });
    return plain;
  }
}
