/** `from` is inclusive, `to` exclusive. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * Inodes of items that are created on this machine; the mirror assigns the others. They begin below 2^31: a program
 * built without large file support cannot stat(2) an item with a greater one (EOVERFLOW). All stay below 2^36, as node
 * ids require.
 */
export const LOCAL_INODES: readonly [Range, Range] = [
  { from: 2 ** 30, to: 2 ** 31 },
  { from: 2 ** 35, to: 2 ** 36 },
];

const rangeOf = (inode: number): Range | undefined => LOCAL_INODES.find(({ from, to }) => inode >= from && inode < to);

export const isLocalInode = (inode: number): boolean => rangeOf(inode) !== undefined;

/** The inode itself, or the next one that the mirror may assign. */
export const mirrorInodeFrom = (inode: number): number => rangeOf(inode)?.to ?? inode;
