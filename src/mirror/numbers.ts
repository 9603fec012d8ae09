import type { Inode, RemoteId } from '../base/ids.js';

/** An item's number here, and the item. */
export interface Binding {
  readonly inode: Inode;
  readonly remoteId: RemoteId;
}

/** Tells a mirror from another one, and from itself as it was earlier. */
export interface Numbers {
  /** Made with the file. */
  readonly generation: number;
  /** Grows whenever an item gets a number. */
  readonly next: number;
}
