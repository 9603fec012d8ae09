export interface ContentStatistics {
  /** Bytes occupied on disk. */
  readonly bytes: number;
  readonly limit: number;
  /** Blobs in the index. */
  readonly blobs: number;
  /** Reads answered without waiting for the storage, and all other reads. */
  readonly hits: number;
  readonly misses: number;
  readonly fetchedBytes: number;
  /** Downloads started. */
  readonly requests: number;
  /** Connections in use, and downloads waiting for one. */
  readonly downloading: number;
  readonly queued: number;
  /** Bytes in memory on their way to disk, or kept there because the disk has no room. */
  readonly memory: number;
  readonly open: number;
}
