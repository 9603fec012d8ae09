import type { ServerClock } from './clock.js';
import { fieldError } from './http/reply.js';
import { cleanName, nameKey } from './name-rules.js';
import { Flag } from './store/flag.js';
import type { ItemStore } from './store/items.js';
import type { Switches } from './switches.js';

export interface CheckOut {
  /** Index of a person. */
  readonly by: number;
  /** Seconds since the epoch. */
  readonly until: number;
}

export interface GivenFile {
  readonly size: number;
  /** GENERATED, or an index of the contents. */
  readonly content: number;
  /** Index of a person. */
  readonly by: number;
}

/** The changes to documents by API and admin calls; enforces the rules and decides what changes `updated_at`. */
export class Documents {
  readonly store: ItemStore;
  /** The "Recycle Bin" folder. */
  readonly bin: number;
  readonly descriptions = new Map<number, string>();
  /** Notes by row of the version. */
  readonly notes = new Map<number, string>();
  readonly #checkOuts = new Map<number, CheckOut>();
  readonly #clock: ServerClock;
  readonly #switches: Switches;

  constructor(store: ItemStore, bin: number, clock: ServerClock, switches: Switches) {
    this.store = store;
    this.bin = bin;
    this.#clock = clock;
    this.#switches = switches;
    store.names.setKey(nameKey(switches));
    switches.watch((name) => {
      if (name === 'name-case' || name === 'name-twins') store.names.setKey(nameKey(switches));
    });
  }

  createFolder(parent: number, name: string, by: number, isPrivate = false): number {
    return this.#create(parent, this.freeName(parent, name, true), Flag.folder, by, isPrivate);
  }

  /** With `unique`, a name that is taken is changed to a free one instead of refused. */
  createFile(parent: number, name: string, file: GivenFile, unique = false): number {
    const free = this.freeName(parent, name, false, unique);
    const row = this.#create(parent, free, 0, file.by, false);
    this.store.addVersion(row, file.size, this.#clock.seconds(), file.by, file.content);
    return row;
  }

  addVersion(row: number, file: GivenFile): number {
    const version = this.store.addVersion(row, file.size, this.#clock.seconds(), file.by, file.content);
    this.#checkOuts.delete(row);
    this.touch(row);
    return version;
  }

  /** Renames and moves in one step, as PATCH does. An absent key leaves its value unchanged. */
  change(row: number, to: { readonly name?: string; readonly parent?: number }): void {
    const { store } = this;
    const parent = to.parent ?? store.parent.get(row);
    const restored = store.has(row, Flag.deleted) && to.parent !== undefined;
    const moves = parent !== store.parent.get(row);
    const name = to.name ?? store.name(row);
    if (moves && store.isWithin(parent, row)) {
      throw fieldError(400, 'parent_id', 'cannot be inside of the folder itself');
    }
    const renames = to.name !== undefined && to.name !== store.name(row);
    const free = renames || moves || restored ? this.freeName(parent, name, store.isFolder(row), false, row) : name;
    if (restored) this.#takeFromBin(row);
    if (moves) {
      store.setParent(row, parent);
      this.#inherit(row);
      if (this.#switches.is('bump-move', 'yes')) this.touch(row);
    }
    if (free !== store.name(row)) {
      store.setName(row, free);
      if (this.#switches.is('bump-rename', 'yes')) this.touch(row);
    }
  }

  recycle(row: number): void {
    this.#markBelow(row, Flag.binned, true);
    this.store.setFlag(row, Flag.deleted, true);
    this.#checkOuts.delete(row);
    this.#bumpTree(row, 'bump-delete');
  }

  restore(row: number): void {
    const parent = this.store.parent.get(row);
    this.freeName(parent, this.store.name(row), this.store.isFolder(row), false, row);
    this.#takeFromBin(row);
    this.#inherit(row);
  }

  /** Removes an item permanently, from the recycle bin or from any folder. */
  purge(row: number): void {
    for (const each of this.store.subtree(row).reverse()) this.store.purge(each);
  }

  setPrivate(row: number, isPrivate: boolean): void {
    for (const each of this.store.subtree(row)) this.store.setFlag(each, Flag.private, isPrivate);
    if (this.#switches.is('bump-permission', 'yes')) this.touch(row);
  }

  /** Sets whether the API's account may see the item and everything below it. */
  setVisible(row: number, visible: boolean): void {
    for (const each of this.store.subtree(row)) this.store.setFlag(each, Flag.hidden, !visible);
    if (this.#switches.is('bump-permission', 'yes')) this.touch(row);
  }

  checkedOut(row: number): CheckOut | undefined {
    const checkOut = this.#checkOuts.get(row);
    if (!checkOut) return undefined;
    const over = this.#switches.is('checkout-expiry', 'ends') && checkOut.until <= this.#clock.seconds();
    return over ? undefined : checkOut;
  }

  /** The check-out by another person that keeps `by` from adding a version. */
  holder(row: number, by: number): CheckOut | undefined {
    const checkOut = this.checkedOut(row);
    return checkOut && checkOut.by !== by && checkOut.until > this.#clock.seconds() ? checkOut : undefined;
  }

  checkOut(row: number, checkOut: CheckOut | undefined): void {
    if (checkOut) this.#checkOuts.set(row, checkOut);
    else this.#checkOuts.delete(row);
    this.store.revision++;
    if (this.#switches.is('bump-checkout', 'yes')) this.touch(row);
  }

  touch(row: number): void {
    this.store.setUpdated(row, this.#clock.seconds());
  }

  /** The name as it is stored; throws the API error for a name that is not allowed or is taken. */
  freeName(parent: number, name: string, folder: boolean, unique = false, self = -1): string {
    const clean = cleanName(name, folder, this.#switches);
    if (!this.#taken(parent, clean, folder, self)) return clean;
    if (!unique) throw fieldError(400, 'name', 'has already been taken');
    const dot = clean.lastIndexOf('.');
    const stem = dot > 0 ? clean.slice(0, dot) : clean;
    const extension = dot > 0 ? clean.slice(dot) : '';
    for (let n = 1; ; n++) {
      const candidate = `${stem} (${n})${extension}`;
      if (!this.#taken(parent, candidate, folder, self)) return candidate;
    }
  }

  #taken(parent: number, name: string, folder: boolean, self: number): boolean {
    const clash = this.#switches.is('file-folder-clash', 'refused');
    const recycledBlock = this.#switches.is('recycled-name', 'blocked');
    return this.store.names
      .find(parent, name)
      .some(
        (row) =>
          row !== self &&
          (clash || this.store.isFolder(row) === folder) &&
          (recycledBlock || !this.store.has(row, Flag.deleted)),
      );
  }

  #create(parent: number, name: string, kind: number, by: number, isPrivate: boolean): number {
    const seconds = this.#clock.seconds();
    const inherited = this.store.flags.get(parent) & (Flag.private | Flag.hidden);
    const flags = kind | inherited | (isPrivate ? Flag.private : 0);
    const row = this.store.add({ parent, name, flags, createdAt: seconds, updatedAt: seconds, by });
    if (this.#switches.is('bump-parent', 'yes')) this.touch(parent);
    return row;
  }

  /** After a move, takes over the recycled, hidden and private state of the new folder. */
  #inherit(row: number): void {
    const parent = this.store.parent.get(row);
    for (const flag of [Flag.hidden, Flag.private]) {
      if (this.store.has(parent, flag))
        for (const each of this.store.subtree(row)) this.store.setFlag(each, flag, true);
    }
    const binned = this.store.has(parent, Flag.deleted | Flag.binned);
    this.store.setFlag(row, Flag.binned, binned);
    if (!this.store.has(row, Flag.deleted)) this.#markBelow(row, Flag.binned, binned);
  }

  #takeFromBin(row: number): void {
    this.store.setFlag(row, Flag.deleted, false);
    this.#markBelow(row, Flag.binned, false);
    this.#bumpTree(row, 'bump-restore');
  }

  #bumpTree(row: number, bump: 'bump-delete' | 'bump-restore'): void {
    if (this.#switches.is(bump, 'yes')) this.touch(row);
    if (this.#switches.is('bump-subtree', 'yes')) for (const each of this.store.subtree(row)) this.touch(each);
  }

  /** Sets or clears the flag below a folder; skips items that were deleted themselves, with all below them. */
  #markBelow(row: number, flag: number, on: boolean): void {
    for (const each of this.store.subtree(row, undefined, (child) => !this.store.has(child, Flag.deleted))) {
      if (each !== row) this.store.setFlag(each, flag, on);
    }
  }
}
