/** Bits of `items.flags`. An item with any of HIDDEN is in no listing. */
export const DELETED = 1;
/** A listing of its folder lacked the item, or the item is not visible any more. */
export const GONE = 2;
/** The "Recycle Bin" folder itself. */
export const BIN = 4;
export const HIDDEN = DELETED | GONE | BIN;
export const FILE = 8;
export const PRIVATE = 16;
export const READ_ONLY = 32;
/** The item was created here, and all changes since that are known were made here. Not told by the server. */
export const OWN = 64;
