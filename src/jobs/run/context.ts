import { Failure } from '../../base/errors.js';
import { childPath } from '../../endpoints/paths.js';
import type { Trash } from '../../endpoints/target.js';
import type { Transfer } from '../definition/transfer-schema.js';
import type { ItemStatus } from '../definition/words.js';
import type { Endpoint, EndpointItem, HeldContent } from '../endpoint.js';
import { fingerprintOf } from '../plan/decide.js';
import type { RunItem } from '../store/items.js';
import type { TransferRecord } from '../store/records.js';

export interface ActContext {
  /** Its id. */
  readonly job: string;
  readonly transfer: Transfer;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** What was known of an item before this run. */
  readonly recordOf: (item: RunItem) => TransferRecord | undefined;
  /** What is known of the items of a folder, by name; the folder is the source's. */
  readonly recordsIn: (folder: string) => ReadonlyMap<string, TransferRecord>;
  /** Whether the plan has seen just this, and that it is to go or to be replaced whatever it is. */
  readonly isPlanned: (item: EndpointItem) => boolean;
  /** Where what goes stays; undefined: what goes is gone. */
  readonly trash: Trash | undefined;
  /** What is true of both sides in the middle of an item, should it go no further. */
  readonly note: (record: TransferRecord) => void;
  readonly now: () => Date;
  readonly progress: (bytes: number) => void;
  /** It was tried before, and failed: all the same it may have come through. */
  readonly again?: boolean;
  /** The bytes of the item have arrived: what is left waits for a disk. */
  readonly arrived?: () => void;
  /** Folders that were seen at the end that is written to. */
  readonly folders: Set<string>;
  /** Bytes pass through it on their way, as the limits of bandwidth say. */
  readonly limited: (content: HeldContent) => HeldContent;
}

export interface Result {
  readonly status: ItemStatus;
  readonly reason?: string | undefined;
  /** Bytes that were transferred. */
  readonly bytes: number;
  /** What is true of both sides from now on; null: nothing any more. */
  readonly record?: TransferRecord | null;
  readonly written?: WrittenFile;
}

/** A file that was written at one end. */
export interface WrittenFile {
  readonly to: 'source' | 'destination';
  readonly versions: number;
  /** In place of what was there. */
  readonly revised: boolean;
}

export const OK = { status: 'success', bytes: 0 } as const;

export interface TransferPaths {
  readonly source: string;
  readonly destination: string;
}

export const pathsOf = (item: RunItem): TransferPaths => ({
  source: childPath(item.folder, item.name),
  destination: childPath(item.otherFolder, item.otherName),
});

/** What an item is at both ends now. */
export async function lookAt(
  paths: TransferPaths,
  { source, destination }: ActContext,
  signal: AbortSignal,
): Promise<{ readonly source: EndpointItem | undefined; readonly destination: EndpointItem | undefined }> {
  const [a, b] = await Promise.all([source.stat(paths.source, signal), destination.stat(paths.destination, signal)]);
  return { source: a, destination: b };
}

/** Somebody changed it since the plan, or since the run looked: it is kept, and the next run sees it. */
export const itemChanged = (path: string, cause?: unknown): Failure => new Failure('item-changed', { path }, cause);

export const recorded = (item: RunItem, source: EndpointItem, destination: EndpointItem): TransferRecord => ({
  folder: item.folder,
  name: item.name,
  isFolder: item.isFolder,
  otherName: destination.name,
  renamed: item.renamed,
  source: fingerprintOf(source),
  destination: fingerprintOf(destination),
});
/** Which way a file goes. */
export interface Direction {
  readonly from: 'source' | 'destination';
  readonly to: 'source' | 'destination';
}
