import { asFileNumber, asInode, asNodeId, type FileNumber, type Inode, type NodeId, ROOT_NODE } from '../base/ids.js';
import type { Item } from '../mirror/database/view.js';

/**
 * Node ids are computed, not stored: file number + 2^36 × sequence. So nodes cached by the kernel cost the daemon no
 * memory, and each content version of a file has its own page cache, backing file and size in the kernel.
 */
export const SEQUENCE_UNIT = 2 ** 36;

/** The file number of a node: that of its item, for any version. */
export const numberOf = (node: NodeId): FileNumber => asFileNumber(node % SEQUENCE_UNIT);

/** Maps the inodes of a project to file numbers of a mount, all below 2^36: a permanent one-to-one mapping. */
export interface Numbering {
  number(inode: Inode): FileNumber;
  inode(number: FileNumber): Inode;
}

/** For a mount that shows one project: the file numbers are the inodes. */
const inodesThemselves: Numbering = { number: (inode) => asFileNumber(inode), inode: (number) => asInode(number) };

/** The nodes of a project on a mount. */
export class Nodes {
  /** The folder of the project that is mounted. */
  readonly root: Inode;
  readonly #numbering: Numbering;
  /** The node of that folder. */
  readonly rootNode: NodeId;
  /** The file number of its parent: its own if it is the root of the mount. */
  readonly above: FileNumber;

  /**
   * @param numbering of a mount that shows the project in a folder below its root; if absent, `root` is the mount's
   *   root, and its node id is always 1
   */
  constructor(root: Inode, numbering?: Numbering) {
    this.root = root;
    this.#numbering = numbering ?? inodesThemselves;
    this.rootNode = numbering ? asNodeId(numbering.number(root)) : ROOT_NODE;
    this.above = numbering ? asFileNumber(ROOT_NODE) : this.number(root);
  }

  of(item: Pick<Item, 'inode' | 'sequence'>): NodeId {
    if (item.inode === this.root) return this.rootNode;
    return asNodeId(this.#numbering.number(item.inode) + item.sequence * SEQUENCE_UNIT);
  }

  inode(node: NodeId): Inode {
    return node === this.rootNode ? this.root : this.#numbering.inode(numberOf(node));
  }

  /** The item at a file number. */
  inodeOf(number: FileNumber): Inode {
    return this.#numbering.inode(number);
  }

  number(inode: Inode): FileNumber {
    return this.#numbering.number(inode);
  }
}
