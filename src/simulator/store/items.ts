import { ChildNames } from './child-names.js';
import { float64, int32, uint8, uint16, uint32 } from './column.js';
import { Flag } from './flag.js';
import { History } from './history.js';
import { Order, sortedByNumber } from './order.js';

export const ROOT_ROW = 0;
/** Content of a version: this value if the bytes are derived from its id, else an index into the stored contents. */
export const GENERATED = -1;

export interface NewItem {
  readonly parent: number;
  readonly flags: number;
  /** Absent: derived by the generator from `ordinal`. */
  readonly name?: string;
  readonly ordinal?: number;
  /** Seconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Index of a person. */
  readonly by: number;
  readonly theme?: number;
}

/**
 * The files, folders and versions of one project in columns: about 75 bytes an item, so that a million of them fit
 * easily. An item is its row number; rows are never reused. Row 0 is the root folder.
 */
export class ItemStore {
  readonly flags;
  readonly parent;
  readonly created;
  readonly updated;
  readonly by;
  /** Index of the theme by which the generator named the folder or file. */
  readonly theme;
  /** Position among the generated siblings; the name is derived from it. */
  readonly ordinal;
  /** Files: the current version's row; folders: -1. */
  readonly version;
  /** Folders: children that are not in the recycle bin. */
  readonly fileCount;
  readonly folderCount;
  readonly versionFile;
  readonly versionNumber;
  readonly versionSize;
  readonly versionCreated;
  readonly versionBy;
  readonly versionContent;
  /** Row of the previous version, or -1. */
  readonly versionBefore;

  length = 0;
  versions = 0;
  /** Increases with every change; cached query results are valid while it stays the same. */
  revision = 0;
  readonly names: ChildNames;
  readonly history = new History(this);
  /** Items directly in the recycle bin, in the order of their deletion. */
  readonly recycled = new Set<number>();
  readonly #next;
  /** `previous` of the first child is the last child. */
  readonly #previous;
  readonly #first;
  readonly #ownNames = new Map<number, string>();
  readonly #generatedName: (row: number) => string;
  readonly #orders = new Map<string, Order>();
  readonly #folderPaths = new Map<number, string>();

  constructor(capacity: number, generatedName: (row: number) => string) {
    this.#generatedName = generatedName;
    this.flags = uint16(capacity);
    this.parent = int32(capacity);
    this.created = uint32(capacity);
    this.updated = uint32(capacity);
    this.by = uint8(capacity);
    this.theme = uint8(capacity);
    this.ordinal = int32(capacity);
    this.version = int32(capacity);
    this.fileCount = int32(capacity);
    this.folderCount = int32(capacity);
    this.#next = int32(capacity);
    this.#previous = int32(capacity);
    this.#first = int32(capacity);
    this.versionFile = int32(capacity);
    this.versionNumber = uint16(capacity);
    this.versionSize = float64(capacity);
    this.versionCreated = uint32(capacity);
    this.versionBy = uint8(capacity);
    this.versionContent = int32(capacity);
    this.versionBefore = int32(capacity);
    this.names = new ChildNames(this);
  }

  has(row: number, flag: number): boolean {
    return (this.flags.get(row) & flag) !== 0;
  }

  isFolder(row: number): boolean {
    return this.has(row, Flag.folder);
  }

  name(row: number): string {
    return this.#ownNames.get(row) ?? this.#generatedName(row);
  }

  add(item: NewItem): number {
    const row = this.length++;
    this.flags.set(row, item.flags);
    this.parent.set(row, item.parent);
    this.created.set(row, item.createdAt);
    this.updated.set(row, item.updatedAt);
    this.by.set(row, item.by);
    this.theme.set(row, item.theme ?? 0);
    this.ordinal.set(row, item.ordinal ?? 0);
    this.version.set(row, -1);
    this.#first.set(row, -1);
    if (item.name !== undefined) this.#ownNames.set(row, item.name);
    if (item.parent >= 0) this.#link(row, item.parent);
    for (const order of this.#orders.values()) order.insert(row);
    this.history.created(row);
    this.revision++;
    return row;
  }

  /** Adds a version and makes it the current one. */
  addVersion(file: number, size: number, createdAt: number, by: number, content: number): number {
    const before = this.version.get(file);
    const row = this.versions++;
    this.versionFile.set(row, file);
    this.versionNumber.set(row, before < 0 ? 1 : this.versionNumber.get(before) + 1);
    this.versionSize.set(row, size);
    this.versionCreated.set(row, createdAt);
    this.versionBy.set(row, by);
    this.versionContent.set(row, content);
    this.versionBefore.set(row, before);
    this.setVersion(file, row);
    return row;
  }

  setVersion(file: number, version: number): void {
    this.history.changed(file);
    this.version.set(file, version);
    this.revision++;
  }

  /** The file's versions, newest first. */
  *versionsOf(file: number): Generator<number> {
    for (let v = this.version.get(file); v >= 0; v = this.versionBefore.get(v)) yield v;
  }

  /** The children in order of insertion, including those in the recycle bin. */
  *children(folder: number): Generator<number> {
    if (!this.isFolder(folder)) return;
    for (let row = this.#first.get(folder); row >= 0; ) {
      const next = this.#next.get(row);
      yield row;
      row = next;
    }
  }

  /** `folder` and everything below it, parents before children, at most `depth` levels deep. */
  subtree(folder: number, depth = Number.POSITIVE_INFINITY, enter: (row: number) => boolean = () => true): number[] {
    const rows = [folder];
    let levelEnd = 1;
    let level = 0;
    for (let i = 0; i < rows.length; i++) {
      if (i === levelEnd) {
        level++;
        levelEnd = rows.length;
      }
      if (level >= depth || !this.isFolder(rows[i]!)) continue;
      for (let row = this.#first.get(rows[i]!); row >= 0; row = this.#next.get(row)) if (enter(row)) rows.push(row);
    }
    return rows;
  }

  isWithin(row: number, folder: number): boolean {
    for (let at = row; at >= 0; at = this.parent.get(at)) if (at === folder) return true;
    return false;
  }

  /** The names from the project's root down, joined by "/"; the root is "". */
  path(row: number): string {
    if (row === ROOT_ROW) return '';
    const parent = this.parent.get(row);
    const name = this.name(row);
    if (parent === ROOT_ROW) return name;
    return `${this.#folderPath(parent)}/${name}`;
  }

  setName(row: number, name: string): void {
    this.history.changed(row);
    this.names.forget(row);
    this.#reorder(row, () => this.#ownNames.set(row, name));
    if (!this.has(row, Flag.gone)) this.names.remember(row);
    if (this.isFolder(row)) this.#folderPaths.clear();
  }

  setUpdated(row: number, seconds: number): void {
    if (this.updated.get(row) === seconds) return;
    this.history.changed(row);
    this.#reorder(row, () => this.updated.set(row, seconds));
  }

  setFlag(row: number, flag: number, on: boolean): void {
    const before = this.flags.get(row);
    const after = on ? before | flag : before & ~flag;
    if (before === after) return;
    this.history.changed(row);
    if (flag & Flag.gone && on) this.#unlink(row);
    this.flags.set(row, after);
    if (flag & Flag.gone && !on) this.#link(row, this.parent.get(row));
    if (flag & Flag.deleted) {
      this.#count(row, this.parent.get(row), on ? -1 : 1);
      if (on) this.recycled.add(row);
      else this.recycled.delete(row);
    }
    this.revision++;
  }

  setParent(row: number, parent: number): void {
    if (this.parent.get(row) === parent) return;
    this.history.changed(row);
    // A purged item belongs to no folder, so it joins no list of children.
    if (this.has(row, Flag.gone)) return void this.parent.set(row, parent);
    this.#unlink(row);
    this.parent.set(row, parent);
    this.#link(row, parent);
    this.#folderPaths.clear();
    this.revision++;
  }

  /** Removes an item permanently; its row stays and is empty. */
  purge(row: number): void {
    this.recycled.delete(row);
    this.setFlag(row, Flag.gone, true);
  }

  /** All rows sorted by `updated_at`, `created_at`, `name` or `id`, kept sorted from the first request on. */
  order(by: 'updated_at' | 'created_at' | 'name' | 'id'): Int32Array {
    const known = this.#orders.get(by);
    if (known) return known.rows;
    const rows = Int32Array.from({ length: this.length }, (_, i) => i);
    const column = by === 'updated_at' ? this.updated : this.created;
    let order: Order;
    if (by === 'name') {
      const names = Array.from(rows, (row) => this.name(row));
      rows.sort((a, b) => compareText(names[a]!, names[b]!) || a - b);
      order = new Order(rows, (a, b) => compareText(this.name(a), this.name(b)));
    } else if (by === 'id') order = new Order(rows, () => 0);
    else {
      order = new Order(
        sortedByNumber(rows, (row) => column.get(row)),
        (a, b) => column.get(a) - column.get(b),
      );
    }
    this.#orders.set(by, order);
    return order.rows;
  }

  #folderPath(row: number): string {
    let path = this.#folderPaths.get(row);
    if (path === undefined) {
      path = this.path(row);
      if (this.#folderPaths.size > 200_000) this.#folderPaths.clear();
      this.#folderPaths.set(row, path);
    }
    return path;
  }

  #reorder(row: number, change: () => void): void {
    for (const order of this.#orders.values()) order.remove(row);
    change();
    for (const order of this.#orders.values()) order.insert(row);
    this.revision++;
  }

  #link(row: number, parent: number): void {
    const first = this.#first.get(parent);
    if (first < 0) {
      this.#first.set(parent, row);
      this.#previous.set(row, row);
    } else {
      const last = this.#previous.get(first);
      this.#next.set(last, row);
      this.#previous.set(row, last);
      this.#previous.set(first, row);
    }
    this.#next.set(row, -1);
    if (!this.has(row, Flag.deleted)) this.#count(row, parent, 1);
    this.names.remember(row);
  }

  #unlink(row: number): void {
    this.names.forget(row);
    const parent = this.parent.get(row);
    const first = this.#first.get(parent);
    const next = this.#next.get(row);
    const previous = this.#previous.get(row);
    if (first === row) this.#first.set(parent, next);
    else this.#next.set(previous, next);
    if (next >= 0) this.#previous.set(next, previous);
    else if (first !== row) this.#previous.set(first, previous);
    if (!this.has(row, Flag.deleted)) this.#count(row, parent, -1);
  }

  #count(row: number, parent: number, by: number): void {
    (this.isFolder(row) ? this.folderCount : this.fileCount).add(parent, by);
  }
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
