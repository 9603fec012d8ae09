import { BandwidthLimiter } from '../../base/bandwidth.js';
import type { Clock } from '../../base/clock.js';
import type { Transfer } from '../definition/transfer-schema.js';
import type { HeldContent } from '../endpoint.js';

/**
 * Wraps content in the bandwidth limits of a job. `download` limits reading and `upload` writing; every file does both.
 * One per run: its files share the limits.
 */
export function limiter(
  { upload, download }: Transfer['performance'],
  clock: Clock,
  timeZone: string | undefined,
): (content: HeldContent) => HeldContent {
  const limits = [download, upload]
    .filter((limit) => limit !== undefined)
    .map((limit) => new BandwidthLimiter(limit, clock, timeZone));
  if (limits.length === 0) return (content) => content;
  return ({ open, close }) => ({
    // No `file` or `descriptor`: a target that reads the file directly would bypass the limits.
    open: async (start, signal) => {
      let stream = await open(start, signal);
      for (const limit of limits) stream = limit.limit(stream, signal);
      return stream;
    },
    close,
  });
}
