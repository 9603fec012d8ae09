import type { EndpointItem } from '../endpoint.js';
import type { TransferType } from './words.js';

/** One policy for a file that changed on both sides. */
interface ConflictPolicy {
  /** As the page of jobs says it. */
  readonly words: string;
  /** The other file is kept beside the one that keeps its name. */
  readonly keepsBoth?: true;
  /** The endpoint whose file keeps its name. */
  winner(source: EndpointItem, destination: EndpointItem, type: TransferType): 'source' | 'destination' | 'nobody';
}

const later = (source: EndpointItem, destination: EndpointItem): 'source' | 'destination' =>
  (source.mtime ?? 0) >= (destination.mtime ?? 0) ? 'source' : 'destination';

const policies = {
  copy: {
    words: 'keep both',
    keepsBoth: true,
    // A one-way transfer does not change the source, so the content of the destination gets the other name.
    winner: (source, destination, type) => (type === 'sync' ? later(source, destination) : 'source'),
  },
  latest: { words: 'the newer', winner: later },
  source: { words: 'the source', winner: () => 'source' },
  destination: { words: 'the destination', winner: () => 'destination' },
  failure: { words: 'flag it', winner: () => 'nobody' },
} as const satisfies Record<string, ConflictPolicy>;

export type ConflictResolution = keyof typeof policies;
export const conflictPolicies: Readonly<Record<ConflictResolution, ConflictPolicy>> = policies;
export const CONFLICT_RESOLUTIONS = Object.keys(policies) as [ConflictResolution, ...ConflictResolution[]];
