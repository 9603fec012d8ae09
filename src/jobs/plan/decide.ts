import { type ConflictResolution, conflictPolicies } from '../definition/conflicts.js';
import type { DeletePropagation, TransferType } from '../definition/words.js';
import type { EndpointItem } from '../endpoint.js';

/** State of an item at one endpoint when it was last transferred. */
export interface Fingerprint {
  readonly size: number;
  /** Seconds since the epoch; undefined where the endpoint keeps no times. */
  readonly mtime: number | undefined;
  readonly version: string | undefined;
  /** Id of the item, as in `EndpointItem.id`. */
  readonly id?: string | undefined;
}

/**
 * none · adopt: both files are already equal · compare: perhaps equal, the content decides · copy: source to
 * destination · copy-back: destination to source · conflict: both changed · delete: at the destination · delete-source
 * · forget: gone at both endpoints · clear-source: transferred, so it is removed from the source · flag · skip
 */
export type Action =
  | 'none'
  | 'adopt'
  | 'compare'
  | 'copy'
  | 'copy-back'
  | 'conflict'
  | 'delete'
  | 'delete-source'
  | 'forget'
  | 'clear-source'
  | 'flag'
  | 'skip';

export interface FileDecision {
  readonly action: Action;
  readonly reason?: string;
}

export interface Policies {
  readonly type: TransferType;
  readonly conflicts: ConflictResolution;
  readonly deletions: DeletePropagation;
}

export interface Situation {
  readonly source: EndpointItem | undefined;
  readonly destination: EndpointItem | undefined;
  readonly record:
    | { readonly source: Fingerprint | undefined; readonly destination: Fingerprint | undefined }
    | undefined;
  readonly grains: Grains;
}

/** Time resolution in seconds: times that differ by less are equal, at one endpoint or between the two. */
export interface Grains {
  readonly source: number;
  readonly destination: number;
  readonly between: number;
}

/** A double has a resolution of a quarter of a microsecond for current times. */
const LEAST_GRAIN = 2e-6;
/** Times may lose everything below a millisecond on their way between endpoints. */
const LEAST_BETWEEN = 2e-3;

/** Resolution in seconds at which times of one endpoint are compared with earlier times of the same endpoint. */
export const grainOf = ({ timeGrain }: { readonly timeGrain: number }): number => Math.max(LEAST_GRAIN, timeGrain);

interface Times {
  readonly timeGrain: number;
  readonly setsTimes: boolean;
}

export function grainsOf(source: Times, destination: Times): Grains {
  // An endpoint whose times cannot be set gives a copied file its own time. A file that is copied from there gets
  // exactly that time, so only the resolution of endpoints that set times counts.
  const rounding = [source, destination].filter(({ setsTimes }) => setsTimes).map(({ timeGrain }) => timeGrain);
  return { source: grainOf(source), destination: grainOf(destination), between: Math.max(LEAST_BETWEEN, ...rounding) };
}

/** Whether a deletion at the source is repeated at the destination. */
export const carriesSourceDeletions = ({ type, deletions }: Policies): boolean =>
  type === 'publish' || ((deletions === 'mirror' || deletions === 'ignore_destination') && type !== 'migrate');

/**
 * Whether a deletion at the destination is repeated at the source: only for `sync`, since no other type takes changes
 * back to the source.
 */
export const carriesDestinationDeletions = ({ type, deletions }: Policies): boolean =>
  type === 'sync' && (deletions === 'mirror' || deletions === 'ignore_source');

const NONE: FileDecision = { action: 'none' };

/**
 * Decides what to do about one file. A change always wins over a deletion, so that a race between them loses nothing.
 */
export function decideFile(situation: Situation, policies: Policies): FileDecision {
  const { source, destination, record } = situation;
  if (policies.type === 'taxonomy') return NONE;
  if (source && destination) return both(situation, source, destination, policies);
  if (source) return onlySource(situation, source, policies);
  if (destination) return onlyDestination(situation, destination, policies);
  return record ? { action: 'forget' } : NONE;
}

function both(situation: Situation, source: EndpointItem, destination: EndpointItem, policies: Policies): FileDecision {
  const { record, grains } = situation;
  const { type } = policies;
  if (record) {
    if (type === 'migrate') return NONE;
    const isNew = {
      source: differs(source, record.source, grains.source),
      destination: differs(destination, record.destination, grains.destination),
    };
    if (!isNew.source && !isNew.destination) return type === 'move' ? { action: 'clear-source' } : NONE;
    if (isNew.source && !isNew.destination) return { action: 'copy', reason: 'it changed at the source' };
    if (!isNew.source) {
      if (type === 'sync') return { action: 'copy-back', reason: 'it changed at the destination' };
      if (type === 'publish') return { action: 'copy', reason: 'the destination is to be as the source' };
      return { action: 'skip', reason: 'it changed at the destination only' };
    }
  }
  // If both files changed, or one is to be deleted, similar times prove nothing.
  const equal = looksEqual(source, destination, record || type === 'move' ? undefined : grains.between);
  if (equal === 'yes') return { action: 'adopt' };
  if (type === 'publish') return { action: 'copy', reason: 'the destination is to be as the source' };
  if (equal === 'perhaps') return { action: 'compare' };
  return { action: 'conflict' };
}

function onlySource(situation: Situation, source: EndpointItem, policies: Policies): FileDecision {
  const { record, grains } = situation;
  if (!record) return { action: 'copy' };
  if (policies.type === 'migrate') return NONE;
  const changed = differs(source, record.source, grains.source);
  if (carriesDestinationDeletions(policies) && !changed)
    return { action: 'delete-source', reason: 'it was deleted at the destination' };
  return { action: 'copy', reason: changed ? 'it changed at the source' : 'it is missing at the destination' };
}

function onlyDestination(situation: Situation, destination: EndpointItem, policies: Policies): FileDecision {
  const { record, grains } = situation;
  const { type } = policies;
  if (type === 'publish') return { action: 'delete', reason: 'it is not at the source' };
  if (!record) return type === 'sync' ? { action: 'copy-back' } : NONE;
  const changed = differs(destination, record.destination, grains.destination);
  if (type === 'move' || type === 'migrate') return NONE;
  if (carriesSourceDeletions(policies)) {
    if (!changed) return { action: 'delete', reason: 'it was deleted at the source' };
    if (type !== 'sync')
      return { action: 'skip', reason: 'it was deleted at the source, but changed at the destination' };
  }
  return type === 'sync' ? { action: 'copy-back', reason: 'it is missing at the source' } : NONE;
}

/** The endpoint whose file keeps its name in a conflict. */
export const winnerOf = (source: EndpointItem, destination: EndpointItem, { conflicts, type }: Policies) =>
  conflictPolicies[conflicts].winner(source, destination, type);

export const fingerprintOf = (item: EndpointItem): Fingerprint => ({
  size: item.folder ? 0 : item.size,
  mtime: item.mtime,
  version: item.version ?? (item.hash && `${item.hash.kind}:${item.hash.value}`),
  ...(item.id === undefined ? {} : { id: item.id }),
});

export function differs(item: EndpointItem, before: Fingerprint | undefined, grain: number): boolean {
  if (!before) return true;
  const now = fingerprintOf(item);
  if (now.size !== before.size) return true;
  if (now.version !== undefined && before.version !== undefined) return now.version !== before.version;
  return now.mtime !== undefined && before.mtime !== undefined && Math.abs(now.mtime - before.mtime) > grain;
}

/** Whether two files are equal, as far as hash, size and time tell. Without a grain, times do not count. */
function looksEqual(
  source: EndpointItem,
  destination: EndpointItem,
  grain: number | undefined,
): 'yes' | 'perhaps' | 'no' {
  if (source.size !== destination.size) return 'no';
  if (source.hash && source.hash.kind === destination.hash?.kind)
    return source.hash.value === destination.hash.value ? 'yes' : 'no';
  const near =
    grain !== undefined &&
    source.mtime !== undefined &&
    destination.mtime !== undefined &&
    Math.abs(source.mtime - destination.mtime) <= grain;
  return near ? 'yes' : 'perhaps';
}
