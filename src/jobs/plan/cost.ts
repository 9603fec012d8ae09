import type { Transfer } from '../definition/transfer-schema.js';
import type { Endpoint, EndpointItem } from '../endpoint.js';
import type { ItemAction } from '../store/items.js';
import { type Policies, winnerOf } from './decide.js';
import type { Pair } from './frame.js';

/** What a run will do and cost, found before anything is touched. */
export interface Estimate {
  /** Items that something is done about. */
  items: number;
  /** Bytes that are transferred. */
  bytes: number;
  /** API calls, all of them after the plan itself. */
  calls: number;
  /** Names that must change. */
  renames: number;
  /** Items that will be flagged. */
  problems: number;
  deletions: number;
  unchanged: number;
  skipped: number;
  /** Left out by the filters. */
  excluded: number;
  /** Private items, folders too, that are considered … */
  private: number;
  /** … of them those that others may read at the other end, which keeps no permissions … */
  private_open: number;
  /** … and those that the filters leave out; of a folder only itself, as what is in it is not listed. */
  private_excluded: number;
  /** What was there before, at each end. */
  existing: { readonly source: Existing; readonly destination: Existing };
  /** Files among the items whose content is read, and the versions of them that go. */
  files: number;
  versions: number;
}

/** Of one end: files that are as they should be, and folders. */
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

/** A file that both ends have, as it should be. */
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

/** A file that goes from one end to the other. */
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
  /** Older versions of a file go as well. */
  readonly allVersions: boolean;
}

/** API calls that an item takes; deletions are counted when it is known which go with their folder. */
export function costOf(
  action: ItemAction,
  pair: Pick<Pair, 'source' | 'destination'>,
  isFolder: boolean,
  { source, destination, policies, allVersions }: Ends,
): number {
  const write = (to: Endpoint, item: EndpointItem | undefined, exists: boolean): number =>
    to.cost(exists ? 'version' : 'file', item?.size ?? 0) + older(to, item, exists);
  // Of a file that is there already it is not known how many of them it has.
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

/** Who wins gets the name on the other side; what was there is moved aside first, where both are kept. */
function conflictCost(pair: Pick<Pair, 'source' | 'destination'>, { source, destination, policies }: Ends): number {
  if (!pair.source || !pair.destination) return 0;
  const winner = winnerOf(pair.source, pair.destination, policies);
  if (winner === 'nobody' || (winner === 'destination' && policies.type !== 'sync')) return 0;
  const to = winner === 'source' ? destination : source;
  const { size } = winner === 'source' ? pair.source : pair.destination;
  return policies.conflicts === 'copy' ? to.cost('move', 0) + to.cost('file', size) : to.cost('version', size);
}
