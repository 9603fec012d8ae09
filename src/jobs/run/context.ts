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
  /** Id of the job. */
  readonly job: string;
  readonly transfer: Transfer;
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** Record of an item from before this run. */
  readonly recordOf: (item: RunItem) => TransferRecord | undefined;
  /** Records of a folder by name at the source; `folder` is the source's path. */
  readonly recordsIn: (folder: string) => ReadonlyMap<string, TransferRecord>;
  /** Whether the plan has seen the item in exactly this state and allows to delete or replace it without a record. */
  readonly isPlanned: (item: EndpointItem) => boolean;
  /** Where deleted and replaced files go; undefined: they are deleted at once. */
  readonly trash: Trash | undefined;
  /** Stores a record in the middle of an item, valid even if the item goes no further. */
  readonly note: (record: TransferRecord) => void;
  readonly now: () => Date;
  readonly progress: (bytes: number) => void;
  /** An earlier attempt failed, but may have succeeded without a reply. */
  readonly again?: boolean;
  /** Called when all bytes of the item have arrived and only the disk is waited for. */
  readonly arrived?: () => void;
  /** Folders known to exist at the endpoint that is written to. */
  readonly folders: Set<string>;
  /** Applies the bandwidth limits to content. */
  readonly limited: (content: HeldContent) => HeldContent;
}

export interface Result {
  readonly status: ItemStatus;
  readonly reason?: string | undefined;
  /** Transferred bytes. */
  readonly bytes: number;
  /** New record of the item; null: its record is deleted; absent: the record stays. */
  readonly record?: TransferRecord | null;
  readonly written?: WrittenFile;
}

/** A file that was written at an endpoint. */
export interface WrittenFile {
  readonly to: 'source' | 'destination';
  readonly versions: number;
  /** The write replaced an existing file. */
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

/** Current state of an item at both endpoints. */
export async function lookAt(
  paths: TransferPaths,
  { source, destination }: ActContext,
  signal: AbortSignal,
): Promise<{ readonly source: EndpointItem | undefined; readonly destination: EndpointItem | undefined }> {
  const [a, b] = await Promise.all([source.stat(paths.source, signal), destination.stat(paths.destination, signal)]);
  return { source: a, destination: b };
}

/**
 * The failure for an item that changed since the plan or the last check: it is kept, and the next run plans it again.
 */
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
/** Direction of a transfer. */
export interface Direction {
  readonly from: 'source' | 'destination';
  readonly to: 'source' | 'destination';
}
