import type { Log } from '../../base/log.js';
import type { Endpoint } from '../endpoint.js';

/** What earlier runs of a job have covered unseen is kept before a plan is made, which then sees all of it. */
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
