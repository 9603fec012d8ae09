import type { Inode } from '../../base/ids.js';

/** One place in the tree: a name in a folder. */
export interface Place {
  readonly parent: Inode;
  readonly name: string;
}

/** What one reply changed in the mirror, for caches above it and the kernel. */
export interface Change {
  readonly inode: Inode;
  /** Where the item was visible before; undefined if it was not. */
  readonly before: Place | undefined;
  /** Where the item is visible now; undefined if it is not. */
  readonly after: Place | undefined;
  /** The item's previous node sequence, if its content was replaced. */
  readonly replacedSequence: number | undefined;
  /** The content of this node changed: it was written locally, or the storage has other bytes of it. */
  readonly rewritten?: true;
}

type Placed = Place & { readonly inode: Inode };

const placeOf = ({ parent, name }: Place): Place => ({ parent, name });

export const appeared = (item: Placed): Change => ({
  inode: item.inode,
  before: undefined,
  after: placeOf(item),
  replacedSequence: undefined,
});

/** @param replacedSequence the item's node sequence, if its content goes with it */
export const disappeared = (item: Placed, replacedSequence?: number): Change => ({
  inode: item.inode,
  before: placeOf(item),
  after: undefined,
  replacedSequence,
});

/** The item's attributes changed in place; if the previous node sequence is given, its content changed as well. */
export const altered = (item: Placed, replacedSequence?: number): Change => ({
  ...disappeared(item, replacedSequence),
  after: placeOf(item),
});

/** @param item as it is now */
export const moved = (before: Placed, item: Placed | undefined): Change => ({
  ...disappeared(before),
  after: item && placeOf(item),
});

/** Sequences wrap long before the node id would exceed 2^53: the upper half is for other nodes. */
const SEQUENCE_LIMIT = 2 ** 15;

/** The node sequence of an item's next content. It distinguishes the node ids of one file. */
export const nextSequence = (sequence: number): number => (sequence + 1) % SEQUENCE_LIMIT;
