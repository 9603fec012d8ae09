import { asInode, asNodeId, type Inode, type NodeId, ROOT_NODE } from '../base/ids.js';
import type { Item } from '../mirror/view.js';

/**
 * Node ids are computed, not stored: inode + 2^36 × sequence. So whatever the kernel remembers costs the daemon
 * nothing, and each content version of a file has its own page cache, backing file and size in the kernel.
 */
const SEQUENCE_UNIT = 2 ** 36;

export class Nodes {
  readonly #root: Inode;

  /** @param root the folder that is mounted; its node id is always 1. */
  constructor(root: Inode) {
    this.#root = root;
  }

  get root(): Inode {
    return this.#root;
  }

  of(item: Pick<Item, 'inode' | 'sequence'>): NodeId {
    return item.inode === this.#root ? ROOT_NODE : asNodeId(item.inode + item.sequence * SEQUENCE_UNIT);
  }

  inode(node: NodeId): Inode {
    return node === ROOT_NODE ? this.#root : asInode(node % SEQUENCE_UNIT);
  }
}
