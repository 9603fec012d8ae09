import { asFileNumber, asNodeId, type FileNumber, type Inode, type NodeId } from '../../base/ids.js';
import { type Nodes, numberOf, SEQUENCE_UNIT } from '../nodes.js';

/** A file or folder in the hidden folder. `inode` is that of the item it belongs to. */
export type HiddenPlace =
  | { readonly kind: 'top' }
  | { readonly kind: 'bin' }
  /** A folder: for a folder, with an entry per item; for a file, with its versions. */
  | { readonly kind: 'versions'; readonly inode: Inode }
  /** A version, by its number. */
  | { readonly kind: 'version'; readonly inode: Inode; readonly number: number }
  /** The sequence identifies the content: an item may be restored, changed, and deleted again. */
  | { readonly kind: 'recycled'; readonly inode: Inode; readonly sequence: number };

export type PlaceOf<Kind extends HiddenPlace['kind']> = Extract<HiddenPlace, { readonly kind: Kind }>;

/**
 * Nodes of the hidden folder are computed as well, so that nodes cached by the kernel cost no memory and FORGET needs
 * no work. They are above all nodes of items (which end below 2^52): 2^36 per slot, with the item at its file number.
 */
export const FIRST_NODE = 2 ** 52;
const SLOTS = 2 ** 16;
const TOP = 0;
const BIN = 1;
const VERSIONS = 2;
const RECYCLED = 16;
const SEQUENCES = 256;
const VERSION = RECYCLED + SEQUENCES;
/** The most versions of one file that can be shown. */
export const MOST_VERSIONS = SLOTS - VERSION - 1;
/**
 * Makes `st_ino` differ from the item's own, also in a driver that has only 32 bits: otherwise find(1) would report a
 * loop.
 */
const INO_SHIFT = 2 ** 31;

export const isHidden = (node: NodeId): boolean => node >= FIRST_NODE;

/** Converts between nodes and places of one mount. */
export class HiddenPlaces {
  readonly #nodes: Nodes;

  constructor(nodes: Nodes) {
    this.#nodes = nodes;
  }

  node(place: HiddenPlace): NodeId {
    switch (place.kind) {
      case 'top':
        return this.#at(TOP, this.#nodes.root);
      case 'bin':
        return this.#at(BIN, this.#nodes.root);
      case 'versions':
        return this.#at(VERSIONS, place.inode);
      case 'version':
        return this.#at(VERSION + place.number, place.inode);
      case 'recycled':
        return this.#at(RECYCLED + (place.sequence % SEQUENCES), place.inode);
    }
  }

  /** @param node one for which `isHidden` holds */
  place(node: NodeId): HiddenPlace {
    const slot = Math.floor((node - FIRST_NODE) / SEQUENCE_UNIT);
    if (slot === TOP) return { kind: 'top' };
    if (slot === BIN) return { kind: 'bin' };
    const inode = this.#nodes.inodeOf(numberOf(node));
    if (slot === VERSIONS) return { kind: 'versions', inode };
    if (slot < VERSION) return { kind: 'recycled', inode, sequence: slot - RECYCLED };
    return { kind: 'version', inode, number: slot - VERSION };
  }

  /** Whether the place belongs to the current content of the item. */
  isContent(place: PlaceOf<'recycled'>, { sequence }: { readonly sequence: number }): boolean {
    return sequence % SEQUENCES === place.sequence % SEQUENCES;
  }

  ino(place: HiddenPlace): FileNumber {
    return asFileNumber(this.node(place) + INO_SHIFT);
  }

  #at(slot: number, inode: Inode): NodeId {
    return asNodeId(FIRST_NODE + slot * SEQUENCE_UNIT + this.#nodes.number(inode));
  }
}
