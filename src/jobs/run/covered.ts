import type { Log } from '../../base/log.js';
import type { Endpoint } from '../endpoint.js';

/**
 * Keeps copies of versions that late calls of earlier runs have covered unseen. Done before the plan, so that the plan
 * includes them.
 */
export async function keepCovered(
  ends: readonly Endpoint[],
  job: string,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  for (const end of ends)
    for (const { path, kept } of (await end.keepCovered?.(signal)) ?? [])
      if (typeof kept === 'string')
        log.warn({ job, path, kept }, 'a call of an earlier run had covered a version; that one is kept beside');
      else
        log.warn({ job, path, error: kept.error }, 'what a call of an earlier run has covered could not be kept yet');
}
