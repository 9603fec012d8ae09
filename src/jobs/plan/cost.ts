import { conflictPolicies } from '../definition/conflicts.js';
import type { Transfer } from '../definition/transfer-schema.js';
import type { Endpoint, EndpointItem } from '../endpoint.js';
import type { ItemAction } from '../store/items.js';
import { type Policies, winnerOf } from './decide.js';
import type { Pair } from './frame.js';

/** Work and cost of a run, computed before anything is changed. */
export interface Estimate {
  /** Items that the run will act on. */
  items: number;
  /** Bytes to transfer. */
  bytes: number;
  /** API calls, without those of the plan itself. */
  calls: number;
  /** Items whose name must change. */
  renames: number;
  /** Items that will be flagged. */
  problems: number;
  deletions: number;
  unchanged: number;
  skipped: number;
  /** Items excluded by the filters. */
  excluded: number;
  /** Private items including folders, without excluded ones. */
  private: number;
  /** Those of them that others may read at the other endpoint, which keeps no permissions. */
  private_open: number;
  /**
   * Private items excluded by the filters. The content of an excluded folder is not counted, since it is not listed.
   */
  private_excluded: number;
  /** Unchanged files and existing folders at each endpoint. */
  existing: { readonly source: Existing; readonly destination: Existing };
  /** Files whose content is transferred, and their versions that go along. */
  files: number;
  versions: number;
}

/** Unchanged files and existing folders at one endpoint. */
export interface Existing {
  files: number;
  bytes: number;
  versions: number;
  folders: number;
}

const nothing = (): Existing => ({ files: 0, bytes: 0, versions: 0, folders: 0 });

export const emptyEstimate = (): Estimate => ({
  items: 0,
  bytes: 0,
  calls: 0,
  renames: 0,
  problems: 0,
  deletions: 0,
  unchanged: 0,
  skipped: 0,
  excluded: 0,
  private: 0,
  private_open: 0,
  private_excluded: 0,
  existing: { source: nothing(), destination: nothing() },
  files: 0,
  versions: 0,
});

/** Counts a file that is equal at both endpoints. */
export function countUnchanged(estimate: Estimate, source: EndpointItem, destination: EndpointItem): void {
  const { existing } = estimate;
  estimate.unchanged++;
  for (const [side, { size, versions = 1 }] of [
    [existing.source, source],
    [existing.destination, destination],
  ] as const) {
    side.files++;
    side.bytes += size;
    side.versions += versions;
  }
}

export function countFolder(
  { existing }: Estimate,
  { source, destination }: Pick<Pair, 'source' | 'destination'>,
): void {
  if (source) existing.source.folders++;
  if (destination) existing.destination.folders++;
}

/** Counts a file to transfer. */
export function countTransfer(
  estimate: Estimate,
  { size, versions = 1 }: EndpointItem,
  { versioning }: Transfer,
): void {
  estimate.files++;
  estimate.bytes += size;
  estimate.versions += versioning.select === 'all' ? versions : 1;
}

interface Ends {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly policies: Policies;
  /** Older versions of a file are transferred as well. */
  readonly allVersions: boolean;
}

/** API calls of an item. Deletions are counted later, when it is known which ones are part of a folder's deletion. */
export function costOf(
  action: ItemAction,
  pair: Pick<Pair, 'source' | 'destination'>,
  isFolder: boolean,
  { source, destination, policies, allVersions }: Ends,
): number {
  const write = (to: Endpoint, item: EndpointItem | undefined, exists: boolean): number =>
    to.cost(exists ? 'version' : 'file', item?.size ?? 0) + older(to, item, exists);
  // For an existing file, the number of versions that it lacks is unknown.
  const older = (to: Endpoint, item: EndpointItem | undefined, exists: boolean): number => {
    const count = allVersions && !exists ? (item?.versions ?? 1) - 1 : 0;
    return count === 0 ? 0 : (to === source ? destination : source).cost('versions', 0) + count * to.cost('version', 0);
  };
  const leaves = policies.type === 'move' && !isFolder ? source.cost('delete', 0) : 0;
  switch (action) {
    case 'copy':
      return write(destination, pair.source, pair.destination !== undefined) + leaves;
    case 'copy-back':
      return write(source, pair.destination, pair.source !== undefined);
    case 'conflict':
      return conflictCost(pair, { source, destination, policies, allVersions }) + leaves;
    case 'create-folder':
      return destination.cost('folder', 0);
    case 'create-folder-source':
      return source.cost('folder', 0);
    case 'clear-source':
      return source.cost('delete', 0);
    default:
      return 0;
  }
}

/** The winner is written to the other endpoint. If both are kept, the file there is renamed first. */
function conflictCost(pair: Pick<Pair, 'source' | 'destination'>, { source, destination, policies }: Ends): number {
  if (!pair.source || !pair.destination) return 0;
  const winner = winnerOf(pair.source, pair.destination, policies);
  if (winner === 'nobody' || (winner === 'destination' && policies.type !== 'sync')) return 0;
  const to = winner === 'source' ? destination : source;
  const { size } = winner === 'source' ? pair.source : pair.destination;
  return conflictPolicies[policies.conflicts].keepsBoth
    ? to.cost('move', 0) + to.cost('file', size)
    : to.cost('version', size);
}
