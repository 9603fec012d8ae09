import { mix } from '../random.js';
import type { Switches } from '../switches.js';
import type { ItemStore } from './items.js';

const ITEMS = 2 ** 49;
const VERSIONS = 2 ** 50;
const PROSTORE = 2 ** 51;
/** Number of ids reserved for each project. */
const SHARE = 2 ** 28;
const STEP = 4;

/** The ids of items, versions and stored files in the API: beyond 32 bits, ascending, with gaps. */
export class Ids {
  readonly #index: number;
  readonly #store: ItemStore;
  readonly #switches: Switches;

  constructor(index: number, store: ItemStore, switches: Switches) {
    this.#index = index;
    this.#store = store;
    this.#switches = switches;
  }

  /** Files and folders share one id space, unless the switch `id-space` is `separate`. */
  item(row: number): number {
    const separate = this.#switches.is('id-space', 'separate') && !this.#store.isFolder(row);
    return this.#id(ITEMS, separate ? row - 1 : row);
  }

  /** The row of a file id or folder id; -1 if there is none. */
  row(id: number, kind: 'file' | 'folder'): number {
    const shift = kind === 'file' && this.#switches.is('id-space', 'separate') ? 1 : 0;
    const row = this.#number(ITEMS, id) + shift;
    const exists = row >= shift && row < this.#store.length && this.#store.isFolder(row) === (kind === 'folder');
    return exists ? row : -1;
  }

  version(version: number): number {
    return this.#id(VERSIONS, version);
  }

  prostore(version: number): number {
    return this.#id(PROSTORE, version);
  }

  legacy(row: number): number {
    return 424_621_198 + row;
  }

  #id(base: number, number: number): number {
    return base + (this.#index + 1) * SHARE + number * STEP + (mix(number, base / SHARE) & 3);
  }

  #number(base: number, id: number): number {
    const number = Math.floor((id - base - (this.#index + 1) * SHARE) / STEP);
    return number >= 0 && this.#id(base, number) === id ? number : -1_000;
  }
}
