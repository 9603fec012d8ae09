/** A new small file, whose content is in an open file. Descriptors are those of the process. */
export interface BatchFile {
  readonly id: number;
  /** The destination folder: its descriptor, and a path through it. */
  readonly folder: number;
  readonly place: string;
  /** The name until the file is complete, and the final one. */
  readonly part: string;
  readonly name: string;
  readonly source: number;
  /** Bytes. */
  readonly size: number;
  /** Initial permissions; a private file is never readable for others, whatever the umask. */
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtime: number | undefined;
}

/** The file as it now is on the disk. Without `size`: it failed, and nothing of it remains. */
export interface BatchOutcome {
  readonly id: number;
  readonly size?: number;
  /** Milliseconds since the epoch. */
  readonly mtime?: number;
}
