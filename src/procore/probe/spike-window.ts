/** What one reply said of the rate limits. */
export interface RateSeen {
  /** Milliseconds from an arbitrary start that never jump: when the reply came. */
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

/** The observations of the spike window: of the hour, the reset lies far ahead and the limit is higher. */
export function ofSpike(seen: readonly RateSeen[], seconds = SPIKE_SECONDS): RateSeen[] {
  const near = seen.filter((one) => one.reset - one.date <= seconds + 1);
  const limit = Math.min(...near.map((one) => one.limit));
  return near.filter((one) => one.limit === limit);
}

/**
 * How the spike window moves, from two calls on both sides of a reset, so close that a sliding window would still count
 * the first one. Undefined: not seen. Right as long as nobody else uses the client id meanwhile.
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

/** Makes the calls that show it: at most 3, within two windows. */
export async function watchSpike(options: {
  readonly seen: readonly RateSeen[];
  readonly seconds?: number;
  /** Milliseconds that never jump, as `RateSeen.at`. */
  now(): number;
  sleep(ms: number): Promise<void>;
  /** One call, whose reply is added to `seen`. */
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
  // `Date` and reset are whole seconds: with these margins the calls lie on the two sides of the reset.
  await options.sleep(Math.max(0, untilReset(first) - 2500));
  await options.call();
  const second = latest();
  if (!second) return;
  await options.sleep(Math.max(0, untilReset(second) + 1300));
  await options.call();
}
