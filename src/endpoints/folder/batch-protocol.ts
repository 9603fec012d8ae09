/** A new small file, whose content lies in a file that is open. Descriptors are those of the process. */
export interface BatchFile {
  readonly id: number;
  /** Of the folder that it comes into: the descriptor, and a path by it. */
  readonly folder: number;
  readonly place: string;
  /** The name that it has until it is complete, and the one that it gets. */
  readonly part: string;
  readonly name: string;
  readonly source: number;
  /** Bytes. */
  readonly size: number;
  /** Permissions that it is made with; nobody else reads one for its owner alone, whatever the umask says. */
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtime: number | undefined;
}

/** What became of it: as it is on the disk now. Without `size`: nothing, and nothing of it is left. */
export interface BatchOutcome {
  readonly id: number;
  readonly size?: number;
  /** Milliseconds since the epoch. */
  readonly mtime?: number;
}
