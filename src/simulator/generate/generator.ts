import { fraction, mix, normal } from '../random.js';
import { Flag } from '../store/flag.js';
import { GENERATED, ItemStore, ROOT_ROW } from '../store/items.js';
import { fileName, folderName, SCHEDULES_THEME, TOP_FOLDERS } from './names.js';
import { type OddName, oddNames } from './odd-names.js';
import { people } from './people.js';

export interface Plan {
  /** Number of live files and folders, without the root, the Recycle Bin and its content, and the Schedules folder. */
  readonly items: number;
  readonly perFolder: number;
  readonly seed: number;
  /** Size of every file in bytes; 0: log-normal sizes. */
  readonly fileSize: number;
  readonly oddNames: boolean;
  /** Whether the switches allow odd names that need this beside each other. */
  readonly allows: (need: NonNullable<OddName['needs']>) => boolean;
}

const FIRST_DAY = Date.UTC(2023, 6, 1) / 1000;
const LAST_DAY = Date.UTC(2026, 5, 30) / 1000;
const MEDIAN_SIZE = 64 * 1024;
const MOST_SIZE = 200 * 1024 * 1024;
const BRANCHES = 4;

/** Generates the items of a project from the seed: the same plan gives the same items. */
export class Generator {
  readonly store: ItemStore;
  readonly #plan: Plan;
  /** Rows of files that are checked out. */
  readonly checkedOut: number[] = [];
  bin = -1;
  schedules = -1;

  constructor(plan: Plan) {
    this.#plan = plan;
    const { seed } = plan;
    this.store = new ItemStore(plan.items + 64, (row) => {
      const theme = this.store.theme.get(row);
      const n = this.store.ordinal.get(row);
      const parent = this.store.parent.get(row);
      return this.store.isFolder(row)
        ? folderName(theme, parent === ROOT_ROW, n)
        : fileName(theme, n, mix(seed, row), plan.oddNames);
    });
  }

  /** Adds the root and the system folders. */
  begin(rootName: string): void {
    const system = Flag.folder | Flag.system;
    const times = { createdAt: FIRST_DAY, updatedAt: FIRST_DAY, by: 1 };
    this.store.add({ parent: -1, flags: system | Flag.root, name: rootName, ...times });
    this.bin = this.store.add({ parent: ROOT_ROW, flags: system | Flag.bin, name: 'Recycle Bin', ...times });
    const schedules = { name: 'Schedules', theme: SCHEDULES_THEME, ...times };
    this.schedules = this.store.add({ parent: ROOT_ROW, flags: system | Flag.readOnly, ...schedules });
  }

  fill(): void {
    const { items } = this.#plan;
    let left = items;
    const scheduled = items >= 50 ? 5 : 0;
    for (let n = 0; n < scheduled; n++) this.#addFile(this.schedules, SCHEDULES_THEME, n, Flag.readOnly);
    left -= scheduled;
    if (this.#plan.oddNames && items >= 150) left -= this.#addOddNames();
    this.#addTree(left);
    this.#fillBin(items < 10 ? 0 : Math.min(40, Math.ceil(items / 100)));
  }

  #addTree(items: number): void {
    if (items <= 0) return;
    const { perFolder } = this.#plan;
    const count = Math.max(1, Math.round(items / perFolder));
    const folders = new Int32Array(count);
    for (let i = 0; i < count; i++) folders[i] = this.#addFolder(i, folders);
    const files = items - count;
    const mean = files / count;
    const next = new Int32Array(count);
    let left = files;
    for (let i = 0; i < count && left > 0; i++) {
      const wanted = Math.min(left, Math.floor(mean * 2 * fraction(this.#hash(i, 11))));
      for (let n = 0; n < wanted; n++) this.#addFile(folders[i]!, this.store.theme.get(folders[i]!), n, 0);
      next[i] = wanted;
      left -= wanted;
    }
    for (let i = 0; left > 0; i = (i + 1) % count, left--) {
      this.#addFile(folders[i]!, this.store.theme.get(folders[i]!), next[i]!++, 0);
    }
  }

  #addFolder(i: number, folders: Int32Array): number {
    const hash = this.#hash(i, 5);
    const top = i < TOP_FOLDERS;
    // One folder in 16 becomes a child of the folder before it: the chains make some branches much deeper.
    const parent = top ? ROOT_ROW : folders[hash % 16 === 0 ? i - 1 : Math.floor((i - TOP_FOLDERS) / BRANCHES)]!;
    const theme = top ? i : this.store.theme.get(parent);
    const drawn = i === TOP_FOLDERS + 2 || (hash >>> 4) % 60 === 1;
    const isPrivate = this.store.has(parent, Flag.private) || (!top && drawn);
    const createdAt = this.#dateAfter(this.store.created.get(parent), hash, 0.2);
    return this.store.add({
      parent,
      flags: Flag.folder | (isPrivate ? Flag.private : 0),
      ordinal: top ? i : this.store.folderCount.get(parent),
      theme,
      createdAt,
      updatedAt: createdAt,
      by: this.#person(hash),
    });
  }

  #addFile(parent: number, theme: number, ordinal: number, flags: number, name?: string): number {
    const hash = this.#hash(this.store.length, 3);
    let createdAt = this.#dateAfter(this.store.created.get(parent), hash, 1);
    const inherited = this.store.flags.get(parent) & Flag.private;
    const row = this.store.add({
      parent,
      flags: flags | inherited,
      ordinal,
      theme,
      createdAt,
      updatedAt: createdAt,
      by: this.#person(hash),
      ...(name === undefined ? {} : { name }),
    });
    const versions = hash % 33 === 0 ? 2 + ((hash >>> 6) % 4) : 1;
    for (let v = 0; v < versions; v++) {
      if (v > 0) createdAt = this.#dateAfter(createdAt, mix(hash, v), 0.3);
      this.store.addVersion(row, this.#size(mix(hash, v)), createdAt, this.#person(hash + v), GENERATED);
    }
    this.store.updated.set(row, createdAt);
    if (hash % 97 === 5) this.checkedOut.push(row);
    return row;
  }

  #addOddNames(): number {
    const parent = this.#addFolder(2, new Int32Array(0));
    this.store.setName(parent, 'Field Office');
    let count = 1;
    for (const { name, folder, needs } of oddNames) {
      if (needs && !this.#plan.allows(needs)) continue;
      count++;
      if (!folder) {
        this.#addFile(parent, 0, count, 0, name);
        continue;
      }
      const createdAt = this.store.created.get(parent);
      const by = 1;
      const row = this.store.add({ parent, flags: Flag.folder, name, createdAt, updatedAt: createdAt, by });
      this.#addFile(row, 2, 0, 0);
      count++;
    }
    return count;
  }

  #fillBin(count: number): void {
    const { store } = this;
    const live = store.length;
    for (let i = 0; i < count; i++) {
      let parent = this.#hash(i, 17) % live;
      while (!store.isFolder(parent) || store.has(parent, Flag.bin | Flag.readOnly)) parent = store.parent.get(parent);
      const theme = store.theme.get(parent);
      if (i % 10 === 9) {
        const createdAt = store.created.get(parent);
        const flags = Flag.folder | Flag.deleted;
        const name = `Old ${i}`;
        const row = store.add({ parent, flags, name, theme, createdAt, updatedAt: createdAt, by: 1 });
        store.recycled.add(row);
        for (let n = 0; n < 2; n++) this.#addFile(row, theme, n, Flag.binned);
      } else {
        store.recycled.add(this.#addFile(parent, theme, i, Flag.deleted, `Superseded ${i + 1} scan.pdf`));
      }
    }
  }

  #size(hash: number): number {
    const { fileSize } = this.#plan;
    if (fileSize > 0) return fileSize;
    if (hash % 2003 === 0) return 0;
    const size = MEDIAN_SIZE * Math.exp(1.7 * normal(mix(hash, 1), mix(hash, 2)));
    return Math.max(1, Math.min(MOST_SIZE, Math.round(size)));
  }

  #dateAfter(start: number, hash: number, share: number): number {
    const span = Math.max(0, LAST_DAY - Math.max(start, FIRST_DAY));
    return Math.max(start, FIRST_DAY) + Math.floor(span * share * fraction(mix(hash, 99)));
  }

  #person(hash: number): number {
    return 1 + (mix(hash, 7) % (people.length - 1));
  }

  #hash(a: number, b: number): number {
    return mix(mix(this.#plan.seed, b), a);
  }
}
