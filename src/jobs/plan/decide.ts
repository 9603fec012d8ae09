import type { ConflictResolution, DeletePropagation, TransferType } from '../definition/words.js';
import type { EndpointItem } from '../endpoint.js';

/** What was on one side when the item was last transferred. */
export interface Fingerprint {
  readonly size: number;
  /** Seconds since the epoch; undefined where the side keeps no times. */
  readonly mtime: number | undefined;
  readonly version: string | undefined;
  /** Of the item itself, as `SideItem.id` has it. */
  readonly id?: string | undefined;
}

/**
 * none · adopt: both are equal already · compare: perhaps equal, the bytes decide · copy: source to destination ·
 * copy-back · conflict: both changed · delete: at the destination · delete-source · forget: gone on both sides ·
 * clear-source: transferred, so it leaves the source · flag · skip
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

/** Seconds: times that differ by less are equal, on one side and between the two. */
export interface Grains {
  readonly source: number;
  readonly destination: number;
  readonly between: number;
}

/** Doubles hold the times of today to a quarter of a microsecond. */
const LEAST_GRAIN = 2e-6;
/** What passes from one side to the other may lose what is below a millisecond. */
const LEAST_BETWEEN = 2e-3;

/** Seconds to which a side's times compare with earlier ones of its own. */
export const grainOf = ({ timeGrain }: { readonly timeGrain: number }): number => Math.max(LEAST_GRAIN, timeGrain);

interface Times {
  readonly timeGrain: number;
  readonly setsTimes: boolean;
}

export function grainsOf(source: Times, destination: Times): Grains {
  // What is copied to a side whose times cannot be set gets one of its own; what is copied from there gets that exactly.
  const rounding = [source, destination].filter(({ setsTimes }) => setsTimes).map(({ timeGrain }) => timeGrain);
  return { source: grainOf(source), destination: grainOf(destination), between: Math.max(LEAST_BETWEEN, ...rounding) };
}

/** A deletion at the source is carried to the destination. */
export const carriesSourceDeletions = ({ type, deletions }: Policies): boolean =>
  type === 'publish' || ((deletions === 'mirror' || deletions === 'ignore_destination') && type !== 'migrate');

/** A deletion at the destination is carried to the source: only both ways, for nothing else touches the source. */
export const carriesDestinationDeletions = ({ type, deletions }: Policies): boolean =>
  type === 'sync' && (deletions === 'mirror' || deletions === 'ignore_source');

const NONE: FileDecision = { action: 'none' };

/** What is to be done about one file. A change always wins over a deletion: nothing is lost by a race of the two. */
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
  // Both were changed since, or one of them is to go: times that happen to be near say nothing.
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

/** The end of a conflict that stays under the name. */
export function winnerOf(
  source: EndpointItem,
  destination: EndpointItem,
  { conflicts, type }: Policies,
): 'source' | 'destination' | 'nobody' {
  switch (conflicts) {
    case 'failure':
      return 'nobody';
    case 'source':
    case 'destination':
      return conflicts;
    case 'copy':
      // A one-way transfer leaves the source as it is: there the destination's content gets the other name.
      if (type !== 'sync') return 'source';
  }
  return (source.mtime ?? 0) >= (destination.mtime ?? 0) ? 'source' : 'destination';
}

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

/** Whether two files hold the same, as far as can be seen from outside. Without a grain, times do not count. */
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
