import type { Readable } from 'node:stream';
import type { TargetItem, TargetRules } from '../target.js';

/** An item as a storage lists it. */
export type StorageEntry = Omit<TargetItem, 'path'>;

/** Bytes to be stored: a local file, complete and with its time of modification. */
export interface StagedContent {
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number | undefined;
  /** The bytes that an earlier attempt stored at the same place are the beginning of these. */
  readonly continues: boolean;
}

/**
 * The operations of a program or protocol that `RemoteTarget` needs. Paths are below the root and checked. Errors are
 * Failures of `catalogue-targets.ts`.
 */
export interface RemoteStorage {
  readonly rules: TargetRules;
  readonly root: string;
  /** A file appears under its name only when it is complete, so that no part is needed. */
  readonly publishes?: boolean;
  /** A file or folder is renamed in one step, without copying its bytes. */
  readonly renames?: boolean;
  /** Removing a folder removes its content as well; a folder can be renamed. */
  readonly removesFull?: boolean;
  /** The stored file gets the time of the local file. */
  readonly takesTimeOfFile?: boolean;
  /** Symbolic links on the server may lead elsewhere: every folder is checked before an item is stored in it. */
  readonly hasLinks?: boolean;
  /** @throws Failure `target-missing` */
  entries(folder: string, signal: AbortSignal): Promise<StorageEntry[]>;
  look(path: string, signal: AbortSignal): Promise<StorageEntry | undefined>;
  /** @throws Failure `target-missing` */
  open(path: string, start: number, signal: AbortSignal): Promise<Readable>;
  /** Stores a file; an existing one is replaced. */
  put(parcel: StagedContent, path: string, signal: AbortSignal): Promise<void>;
  /** The parent must exist. An existing folder is not an error. */
  makeFolder(path: string, signal: AbortSignal): Promise<void>;
  removeFile(path: string, signal: AbortSignal): Promise<void>;
  removeFolder(path: string, signal: AbortSignal): Promise<void>;
  /** Removes a folder with its content. */
  purge(path: string, signal: AbortSignal): Promise<void>;
  /** `to` was free a moment ago. @throws Failure `target-exists` where the protocol reports that it is taken */
  rename(from: string, to: string, isFolder: boolean, signal: AbortSignal): Promise<void>;
  setTime(path: string, mtime: number, signal: AbortSignal): Promise<void>;
  about(signal: AbortSignal): Promise<{ readonly kind: string; readonly free?: number; readonly total?: number }>;
  close(): Promise<void>;
}
