import { BandwidthLimiter } from '../../base/bandwidth.js';
import type { Clock } from '../../base/clock.js';
import type { Transfer } from '../definition/transfer-schema.js';
import type { HeldContent } from '../endpoint.js';

/**
 * Content as the limits of a job let it pass: `download` holds for what is read, `upload` for what is written, and each
 * file is both. One for a run: its files share the limits.
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
    // A file that a target reads by itself would pass by the limits.
    open: async (start, signal) => {
      let stream = await open(start, signal);
      for (const limit of limits) stream = limit.limit(stream, signal);
      return stream;
    },
    close,
  });
}
