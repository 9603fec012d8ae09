import type { Inode } from '../../base/ids.js';

/** One place in the tree: a name in a folder. */
export interface Place {
  readonly parent: Inode;
  readonly name: string;
}

/** What one reply changed in the mirror, for caches above it and the kernel. */
export interface Change {
  readonly inode: Inode;
  /** Where it could be seen before; undefined if it could not. */
  readonly before: Place | undefined;
  /** Where it can be seen now; undefined if it cannot. */
  readonly after: Place | undefined;
  /** The item's node sequence before, where its content was replaced. */
  readonly replacedSequence: number | undefined;
  /** The content of this node is another one: it was written to here, or the storage has other bytes of it. */
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

/** @param replacedSequence the node sequence that it had, where its content goes with it */
export const disappeared = (item: Placed, replacedSequence?: number): Change => ({
  inode: item.inode,
  before: placeOf(item),
  after: undefined,
  replacedSequence,
});

/** Where it is, it has other attributes; with the node sequence of before, another content. */
export const altered = (item: Placed, replacedSequence?: number): Change => ({
  ...disappeared(item, replacedSequence),
  after: placeOf(item),
});

/** @param item as it is now */
export const moved = (before: Placed, item: Placed | undefined): Change => ({
  ...disappeared(before),
  after: item && placeOf(item),
});

/** Sequences wrap long before the node id would leave 2^53: the upper half is for other nodes. */
const SEQUENCE_LIMIT = 2 ** 15;

/** The node sequence of an item's next content: node ids of a file are told apart by it. */
export const nextSequence = (sequence: number): number => (sequence + 1) % SEQUENCE_LIMIT;
