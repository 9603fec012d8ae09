/** Bits of an item's `flags`. */

export const Flag = {
  folder: 1,
  /** The item itself is in the recycle bin. */
  deleted: 2,
  /** The item is below a folder that is in the recycle bin. */
  binned: 4,
  /** The "Recycle Bin" folder. */
  bin: 8,
  private: 16,
  readOnly: 32,
  /** The item or a folder above it is not visible to the API's account. */
  hidden: 64,
  /** Permanently removed. */
  gone: 128,
  /** Created by the system; cannot be renamed, moved or deleted. */
  system: 256,
  root: 512,
} as const;
