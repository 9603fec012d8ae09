import type { Inode } from '../base/ids.js';

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
}
