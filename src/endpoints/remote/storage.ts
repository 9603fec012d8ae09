import type { Readable } from 'node:stream';
import type { TargetItem, TargetRules } from '../target.js';

/** An item as a storage shows it. */
export type StorageEntry = Omit<TargetItem, 'path'>;

/** Bytes that are to be stored: a local file, complete and with its time of modification. */
export interface StagedContent {
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number | undefined;
  /** What an earlier attempt stored at the same place is the beginning of these bytes. */
  readonly continues: boolean;
}

/**
 * What a program or protocol must be able to do for `RemoteTarget` to make a target of it. Paths are below the root and
 * checked. Errors are Failures of `catalogue-targets.ts`.
 */
export interface RemoteStorage {
  readonly rules: TargetRules;
  readonly root: string;
  /** A file appears under its name when it is complete, so that it needs no part. */
  readonly publishes: boolean;
  /** A file or folder gets another name in one step: the bytes stay where they are. */
  readonly renames: boolean;
  /** What is in a folder goes with it when it is removed; it can be renamed. */
  readonly removesFull: boolean;
  /** The time of the local file becomes that of the stored one. */
  readonly takesTimeOfFile: boolean;
  /** Symbolic links on the server may lead elsewhere: every folder is looked at before something is put into it. */
  readonly hasLinks: boolean;
  /** @throws Failure `target-missing` */
  entries(folder: string, signal: AbortSignal): Promise<StorageEntry[]>;
  look(path: string, signal: AbortSignal): Promise<StorageEntry | undefined>;
  /** @throws Failure `target-missing` */
  open(path: string, start: number, signal: AbortSignal): Promise<Readable>;
  /** Stores a file, in place of one that is there. */
  put(parcel: StagedContent, path: string, signal: AbortSignal): Promise<void>;
  /** Its parent exists. One that exists is fine. */
  makeFolder(path: string, signal: AbortSignal): Promise<void>;
  removeFile(path: string, signal: AbortSignal): Promise<void>;
  removeFolder(path: string, signal: AbortSignal): Promise<void>;
  /** A folder with all that is in it. */
  purge(path: string, signal: AbortSignal): Promise<void>;
  /** `to` was free a moment ago. @throws Failure `target-exists` where the protocol tells that it is not any more */
  rename(from: string, to: string, isFolder: boolean, signal: AbortSignal): Promise<void>;
  setTime(path: string, mtime: number, signal: AbortSignal): Promise<void>;
  about(signal: AbortSignal): Promise<{ readonly kind: string; readonly free?: number; readonly total?: number }>;
  close(): Promise<void>;
}
