import type { RemoteId } from '../../base/ids.js';
import { fitsLinux, linuxNames } from '../../names/linux.js';
import type { RemoteItem } from '../../procore/items.js';
import { allocateName, type NameTable } from './allocate-name.js';
import type { Change } from './changes.js';
import { HIDDEN } from './flags.js';
import type { ItemRows, MirrorRow } from './item-rows.js';

/** Key of `meta`: the Unicode whose folds stand beside the names; absent where case counts. */
export const FOLDED = 'names.folded';

const NOBODY: NameTable = { holder: () => undefined };

/** Whether the name can be one that was shown: before, what came hidden was kept under its remote name. */
const isShown = ({ name, flags }: MirrorRow): boolean =>
  (flags & HIDDEN) === 0 || (fitsLinux(name) && linuxNames.encode(linuxNames.decode(name)) === name);

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
    this.#names = { holder: (parent, name) => rows.holder(parent, name) };
  }

  /** A transaction begins. */
  begin(): void {
    this.#suffixed.clear();
  }

  /**
   * Keeps the shown name while the remote name and the folder stay; otherwise finds a free one. What is hidden has one as
   * well, under which it may come back. `own`: the name that people here gave it, or moved it with.
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

  /** From now on a name of another case is the same name: who has it already, the item with the lower id keeps it. */
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

  /** Two that changed names, or came where another went, may have met on their way through one reply. */
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
   * Rows of a crawl come in any order, but the lowest id is to have the plain name: a twin with a higher id that was
   * never shown yet (the crawl is running) steps back.
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
