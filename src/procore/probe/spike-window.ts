/** Rate limits as one reply described them. */
export interface RateSeen {
  /** When the reply arrived: monotonic milliseconds from an arbitrary start. */
  readonly at: number;
  /** The server's `Date`, seconds since the epoch. */
  readonly date: number;
  readonly limit: number;
  readonly remaining: number;
  /** Seconds since the epoch, server time. */
  readonly reset: number;
}

export type SpikeWindowKind = 'fixed' | 'clock-aligned' | 'sliding';

/** Seconds, as documented. */
export const SPIKE_SECONDS = 10;

/** The observations that describe the spike window; those of the hour have a distant reset and a higher limit. */
export function ofSpike(seen: readonly RateSeen[], seconds = SPIKE_SECONDS): RateSeen[] {
  const near = seen.filter((one) => one.reset - one.date <= seconds + 1);
  const limit = Math.min(...near.map((one) => one.limit));
  return near.filter((one) => one.limit === limit);
}

/**
 * How the spike window moves, by two calls just before and after a reset, so close that a sliding window would still
 * count the first one. Undefined: not observed. Correct only while no other program uses the client id.
 */
export function spikeKind(seen: readonly RateSeen[], seconds = SPIKE_SECONDS): SpikeWindowKind | undefined {
  const spike = ofSpike(seen, seconds);
  for (let i = 1; i < spike.length; i++) {
    const [before, after] = [spike[i - 1]!, spike[i]!];
    if (after.date <= before.reset || after.at - before.at > seconds * 1000 - 500) continue;
    if (after.limit - after.remaining > 1) return 'sliding';
    return [before, after].every((one) => one.reset % seconds === 0) ? 'clock-aligned' : 'fixed';
  }
  return undefined;
}

/** Makes the calls that show how the window moves: at most 3, within two windows. */
export async function watchSpike(options: {
  readonly seen: readonly RateSeen[];
  readonly seconds?: number;
  /** Monotonic milliseconds, as `RateSeen.at`. */
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Makes one call, whose reply is added to `seen`. */
  call(): Promise<void>;
}): Promise<void> {
  const seconds = options.seconds ?? SPIKE_SECONDS;
  const latest = (): RateSeen | undefined => ofSpike(options.seen, seconds).at(-1);
  const untilReset = ({ at, date, reset }: RateSeen): number => (reset - date) * 1000 - (options.now() - at);
  if (spikeKind(options.seen, seconds)) return;
  const known = latest();
  if (!known || untilReset(known) < 1500) await options.call();
  const first = latest();
  if (!first) return;
  // `Date` and reset are whole seconds: with these margins the calls are certainly before and after the reset.
  await options.sleep(Math.max(0, untilReset(first) - 2500));
  await options.call();
  const second = latest();
  if (!second) return;
  await options.sleep(Math.max(0, untilReset(second) + 1300));
  await options.call();
}
