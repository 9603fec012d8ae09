import type { Documents } from '../documents.js';
import { people } from '../generate/people.js';
import { mix } from '../random.js';
import { Flag } from '../store/flag.js';
import type { Ids } from '../store/ids.js';
import type { ItemStore } from '../store/items.js';
import { lowerBound } from '../store/order.js';
import type { Switches } from '../switches.js';
import { fileType } from './file-types.js';
import type { IndexFilters, TimeRange } from './filters.js';

const DEPTH = 100;
const KEPT_RESULTS = 4;

interface Result {
  readonly revision: number;
  readonly rows: Int32Array;
}

/** The flat index: sorted matching rows. Results are cached until an item changes, so that paging is cheap. */
export class DocumentIndex {
  readonly #store: ItemStore;
  readonly #documents: Documents;
  readonly #ids: Ids;
  readonly #switches: Switches;
  readonly #kept = new Map<string, Result>();
  #shuffles = 0;

  constructor(store: ItemStore, documents: Documents, ids: Ids, switches: Switches) {
    this.#store = store;
    this.#documents = documents;
    this.#ids = ids;
    this.#switches = switches;
    switches.watch(() => this.#kept.clear());
  }

  /** All matching rows, in the requested sort order. */
  rows(query: IndexFilters): Int32Array {
    const key = JSON.stringify(query);
    const kept = this.#kept.get(key);
    let rows: Int32Array;
    if (kept?.revision === this.#store.revision) rows = kept.rows;
    else {
      rows = this.#find(query);
      this.#kept.delete(key);
      const oldest = this.#kept.keys().next();
      if (this.#kept.size >= KEPT_RESULTS && !oldest.done) this.#kept.delete(oldest.value);
      this.#kept.set(key, { revision: this.#store.revision, rows });
    }
    return this.#switches.is('equal-keys', 'unstable') ? this.#shuffled(rows, query.sort) : rows;
  }

  #find(query: IndexFilters): Int32Array {
    const store = this.#store;
    const candidates = this.#candidates(query);
    const matches = this.#predicate(query);
    const flags = store.flags.data;
    const { mask, wanted } = this.#flagTest(query);
    const found = new Int32Array(candidates.length);
    let count = 0;
    for (let i = 0; i < candidates.length; i++) {
      const row = candidates[i]!;
      if ((flags[row]! & mask) === wanted && (matches === undefined || matches(row))) found[count++] = row;
    }
    const rows = found.slice(0, count);
    return query.descending ? rows.reverse() : rows;
  }

  /** The rows in ascending order of the sort key, limited to the time range if they are sorted by that time. */
  #candidates(query: IndexFilters): Int32Array {
    const store = this.#store;
    switch (query.sort) {
      case 'updated_at':
        return within(store.order('updated_at'), (row) => store.updated.get(row), query.updated);
      case 'created_at':
        return within(store.order('created_at'), (row) => store.created.get(row), query.created);
      case 'name':
      case 'id':
        return store.order(query.sort);
      default: {
        const keys = Array.from(store.order('id'), (row) => this.#sortKey(query.sort, row));
        const compare = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0);
        return store
          .order('id')
          .slice()
          .sort((a, b) => compare(keys[a]!, keys[b]!) || a - b);
      }
    }
  }

  #sortKey(sort: string, row: number): string | number {
    const store = this.#store;
    switch (sort) {
      case 'updated_at':
        return store.updated.get(row);
      case 'created_at':
        return store.created.get(row);
      case 'name':
        return store.name(row);
      case 'document_type':
        return store.isFolder(row) ? 1 : 0;
      case 'file_type':
        return store.isFolder(row) ? '' : fileType(store.name(row));
      case 'created_by_id':
        return store.by.get(row);
      case 'parent_id':
        return store.parent.get(row);
      default:
        return row;
    }
  }

  #flagTest(query: IndexFilters): { mask: number; wanted: number } {
    let mask: number = Flag.gone | Flag.hidden;
    let wanted = 0;
    let possible = true;
    const need = (flag: number, on: boolean) => {
      if ((mask & flag) !== 0 && ((wanted & flag) !== 0) !== on) possible = false;
      mask |= flag;
      if (on) wanted |= flag;
    };
    if (this.#switches.is('root-in-index', 'no')) need(Flag.root, false);
    if (this.#switches.is('bin-in-index', 'no')) need(Flag.bin, false);
    if (this.#switches.is('private-items', 'hidden')) need(Flag.private, false);
    if (query.folder !== undefined) need(Flag.folder, query.folder);
    if (query.private !== undefined) need(Flag.private, query.private);
    const excluded = query.recycled ?? (this.#switches.is('recycled-in-index', 'included') ? undefined : false);
    if (excluded === false) need(Flag.deleted | Flag.binned, false);
    return possible ? { mask, wanted } : { mask: 0, wanted: 1 };
  }

  #predicate(query: IndexFilters): ((row: number) => boolean) | undefined {
    const store = this.#store;
    const tests: ((row: number) => boolean)[] = [];
    if (query.recycled === true) {
      const below = this.#switches.is('recycled-filter', 'all') ? Flag.binned : 0;
      tests.push((row) => store.has(row, Flag.deleted | below));
    }
    if (query.updated) tests.push(inRange((row) => store.updated.get(row), query.updated));
    if (query.created) tests.push(inRange((row) => store.created.get(row), query.created));
    if (query.folderIds) {
      const below = this.#below(query.folderIds);
      tests.push((row) => below[row] === 1);
    }
    if (query.createdBy) {
      const { createdBy } = query;
      tests.push((row) => createdBy.includes(people[store.by.get(row)]!.id));
    }
    if (query.fileTypes) {
      const { fileTypes } = query;
      tests.push((row) => !store.isFolder(row) && fileTypes.includes(fileType(store.name(row))));
    }
    if (query.search !== undefined) {
      const { search } = query;
      tests.push((row) => store.name(row).toLowerCase().includes(search));
    }
    if (tests.length === 0) return undefined;
    return tests.length === 1 ? tests[0] : (row) => tests.every((test) => test(row));
  }

  /** Marks the folders and everything below them. A recycled item counts as below its `parent_id`. */
  #below(folderIds: readonly number[]): Uint8Array {
    const marks = new Uint8Array(this.#store.length);
    const inBin = this.#switches.is('recycled-parent', 'bin');
    const enter = (row: number) => !(inBin && this.#store.has(row, Flag.deleted));
    for (const id of folderIds) {
      const folder = this.#ids.row(id, 'folder');
      if (folder < 0) continue;
      const tops = folder === this.#documents.bin ? [folder, ...this.#store.recycled] : [folder];
      for (const top of tops) for (const row of this.#store.subtree(top, DEPTH, enter)) marks[row] = 1;
    }
    return marks;
  }

  /** The rows with those of equal sort keys in a different order at each call. */
  #shuffled(rows: Int32Array, sort: string): Int32Array {
    const seed = ++this.#shuffles;
    const shuffled = rows.slice();
    for (let start = 0; start < shuffled.length; ) {
      const key = this.#sortKey(sort, shuffled[start]!);
      let end = start + 1;
      while (end < shuffled.length && this.#sortKey(sort, shuffled[end]!) === key) end++;
      if (end - start > 1) shuffled.subarray(start, end).sort((a, b) => mix(seed, a) - mix(seed, b));
      start = end;
    }
    return shuffled;
  }
}

function within(rows: Int32Array, keyOf: (row: number) => number, range: TimeRange | undefined): Int32Array {
  if (!range) return rows;
  return rows.subarray(lowerBound(rows, keyOf, range.from), lowerBound(rows, keyOf, range.to + 1));
}

const inRange =
  (keyOf: (row: number) => number, { from, to }: TimeRange) =>
  (row: number) =>
    keyOf(row) >= from && keyOf(row) <= to;
