import type { RemoteId } from '../base/ids.js';
import type { RemoteItem } from '../procore/items.js';
import { allocateName, type NameTable } from './allocate-name.js';
import type { Change } from './changes.js';
import { HIDDEN } from './flags.js';
import type { ItemRows, Row } from './item-rows.js';

/** Under which names items are shown, and that they keep them. */
export class ShownNames {
  /** Whether the first crawl is still under way. */
  crawling = true;
  readonly #rows: ItemRows;
  readonly #names: NameTable;
  /** Items that were shown under another name than their own, in this transaction. */
  readonly #suffixed = new Set<RemoteId>();

  constructor(rows: ItemRows) {
    this.#rows = rows;
    this.#names = { holder: (parent, name) => rows.holder.get(parent, name) };
  }

  /** A transaction begins. */
  begin(): void {
    this.#suffixed.clear();
  }

  /** Keeps the shown name while the remote name and the folder stay; otherwise finds a free one. */
  nameFor(item: RemoteItem, parent: RemoteId, row: Row | undefined, visible: boolean, changes: Change[]): string {
    if (!visible) return row?.name ?? item.name;
    const keeps = row && row.parent_id === parent && (row.remote_name ?? row.name) === item.name;
    if (keeps) {
      const holder = this.#rows.holder.get(parent, row.name);
      if (holder === undefined || holder === item.id) return row.name;
    }
    const name = allocateName(this.#names, parent, item.name, item.id);
    if (name !== item.name) this.#suffixed.add(item.id);
    return this.#lowestKeepsPlainName(item, parent, name, changes);
  }

  /** Two that changed names, or came where another went, may have met on their way through one reply. */
  giveFreed(changes: Change[]): void {
    for (const id of this.#suffixed) {
      const row = this.#rows.find.get(id);
      if (!row || (row.flags & HIDDEN) !== 0) continue;
      const remoteName = row.remote_name ?? row.name;
      const name = allocateName(this.#names, row.parent_id, remoteName, id);
      if (name === row.name || this.#rows.holder.get(row.parent_id, name) !== undefined) continue;
      this.#rows.rename.run(name, name === remoteName ? null : remoteName, row.inode);
      const after = this.#rows.place(row.parent_id, name);
      changes.push({ inode: row.inode, before: this.#rows.placeOf(row), after, replacedSequence: undefined });
    }
    this.#suffixed.clear();
  }

  /**
   * Rows of a crawl come in any order, but the lowest id is to have the plain name: a twin with a higher id that was
   * never shown yet (the crawl is running) steps back.
   */
  #lowestKeepsPlainName(item: RemoteItem, parent: RemoteId, name: string, changes: Change[]): string {
    if (name === item.name || !this.crawling) return name;
    const plain = allocateName({ holder: () => undefined }, parent, item.name, item.id);
    if (plain === name) return name;
    const holder = this.#rows.holder.get(parent, plain);
    if (holder === undefined || holder <= item.id) return name;
    const twin = this.#rows.find.get(holder)!;
    const twinRemoteName = twin.remote_name ?? twin.name;
    const twinName = allocateName(
      { holder: (p, n) => (n === plain ? item.id : this.#rows.holder.get(p, n)) },
      parent,
      twinRemoteName,
      holder,
    );
    const before = this.#rows.placeOf(twin);
    this.#rows.rename.run(twinName, twinRemoteName, twin.inode);
    changes.push({ inode: twin.inode, before, after: this.#rows.place(parent, twinName), replacedSequence: undefined });
    return plain;
  }
}
