import type { Endpoint } from '../endpoint.js';
import { differs, fingerprintOf, type Grains } from './decide.js';
import type { Pair } from './frame.js';

interface Ends {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly signal: AbortSignal;
}

/**
 * Handles a file that changed at both endpoints if one change was made by a late call of an earlier run. That is no
 * change: the file is transferred in the direction of that call. The stored record stays until the content of the late
 * version is known.
 */
export async function withLateWork(pair: Pair, ends: Ends, grains: Grains): Promise<Pair> {
  const { source, destination, record } = pair;
  if (!source || !destination || !record || source.folder || destination.folder) return pair;
  if (!differs(source, record.source, grains.source)) return pair;
  if (!differs(destination, record.destination, grains.destination)) return pair;
  for (const end of ['destination', 'source'] as const) {
    const item = pair[end]!;
    if (await ends[end].isLateWork?.(item, ends.signal))
      return { ...pair, record: { ...record, [end]: fingerprintOf(item) } };
  }
  return pair;
}
