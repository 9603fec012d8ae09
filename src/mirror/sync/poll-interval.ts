/** What the intervals depend on. Times are seconds. */
export interface PollFacts {
  /** Since a folder or file was last opened. */
  readonly idle: number;
  /** Polls do not show every change: see `MissedChanges`. */
  readonly pollsMiss: boolean;
  /** The configured interval of all polls. */
  readonly fixed: number | undefined;
  /** The shortest interval at which a job reads the project; undefined: no job does. */
  readonly wanted?: number | undefined;
}

/** Seconds for which a folder counts as in use after it was opened. */
export const WATCHED_S = 60;
/** Seconds between two looks while a folder is in use: including the call, a change shows within 5. */
const WATCHING_S = 4.5;
/** Seconds between polls while folders in use are listed instead. */
const BESIDE_LISTINGS_S = 15;
/** Seconds between listings that only test whether polls show all changes. */
const TRIAL_LISTING_S = 30;
/** Seconds between polls after a long time without use: 15 calls an hour. */
export const SLOWEST_S = 240;
/** Growth of the poll interval while nothing is opened, seconds per second. */
const SLOWING = 1 / 5;
/** Seconds between the pages of a sweep: 12 calls an hour. */
export const SWEEP_PAGE_S = 300;
/** Seconds from the start of one sweep to the next. */
export const SWEEP_AGAIN_S = 3600;

/** Seconds from one poll to the next. */
export function pollInterval({ idle, pollsMiss, fixed, wanted = SLOWEST_S }: PollFacts): number {
  if (fixed !== undefined) return fixed;
  const forPeople =
    idle <= WATCHED_S ? (pollsMiss ? BESIDE_LISTINGS_S : WATCHING_S) : WATCHING_S + (idle - WATCHED_S) * SLOWING;
  return Math.min(SLOWEST_S, forPeople, Math.max(WATCHING_S, wanted));
}

/** Polls per hour for a job that reads the project every `wanted` seconds, without other use. */
export const pollsPerHour = (wanted: number): number =>
  Math.ceil(3600 / pollInterval({ idle: Number.POSITIVE_INFINITY, pollsMiss: false, fixed: undefined, wanted }));

/** Seconds from one listing of a folder in use to the next. */
export function listingInterval({ idle, pollsMiss, fixed }: PollFacts): number {
  if (fixed !== undefined || idle > WATCHED_S) return Number.POSITIVE_INFINITY;
  return pollsMiss ? WATCHING_S : TRIAL_LISTING_S;
}
