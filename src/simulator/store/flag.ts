/** Bits of an item's `flags`. */

export const Flag = {
  folder: 1,
  /** Itself in the recycle bin. */
  deleted: 2,
  /** Below a folder that is in the recycle bin. */
  binned: 4,
  /** The "Recycle Bin" folder. */
  bin: 8,
  private: 16,
  readOnly: 32,
  /** Not visible to the API's account: itself or something above it. */
  hidden: 64,
  /** Removed for good. */
  gone: 128,
  /** Made by the system; cannot be renamed, moved or deleted. */
  system: 256,
  root: 512,
} as const;
