/** Bytes that have arrived and are not on disk (yet). */
export interface Block {
  readonly offset: number;
  readonly bytes: Buffer;
  /** How much of `bytes` is filled. */
  length: number;
  /** Complete: to be written. */
  full: boolean;
  /** Not to be written: the disk had no room. */
  unstored: boolean;
}
