export interface ContentStatistics {
  /** Bytes occupied on disk. */
  readonly bytes: number;
  readonly limit: number;
  /** Blobs on record. */
  readonly blobs: number;
  /** Reads answered without waiting for the storage, and the others. */
  readonly hits: number;
  readonly misses: number;
  readonly fetchedBytes: number;
  /** Downloads begun. */
  readonly requests: number;
  /** Connections in use, and waiting for one. */
  readonly downloading: number;
  readonly queued: number;
  /** Bytes in memory on their way to disk, or kept there for want of disk. */
  readonly memory: number;
  readonly open: number;
}
