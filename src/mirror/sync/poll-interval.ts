/** Seconds. */
export interface PollFacts {
  /** Since somebody last opened a folder or file. */
  readonly idle: number;
  /** Polls do not show every change: see `Silence`. */
  readonly pollsMiss: boolean;
  /** What was set for all polls. */
  readonly fixed: number | undefined;
  /** From one look of a job to its next; undefined: none looks by itself. */
  readonly wanted?: number | undefined;
}

/** Seconds for which a folder that was opened counts as being looked at. */
export const WATCHED_S = 60;
/** Seconds between two looks while somebody watches: with the call itself a change shows within 5. */
const WATCHING_S = 4.5;
/** Seconds between polls while listings of what is being looked at do their work. */
const BESIDE_LISTINGS_S = 15;
/** Seconds between listings that only find out whether polls show all. */
const TRIAL_LISTING_S = 30;
/** Seconds between polls when nobody has been there for long: 15 calls an hour. */
export const SLOWEST_S = 240;
/** How fast it gets slower: seconds a second. */
const SLOWING = 1 / 5;
/** Seconds between the pages of a sweep: 12 calls an hour. */
export const SWEEP_PAGE_S = 300;
/** Seconds from the begin of one sweep to the next. */
export const SWEEP_AGAIN_S = 3600;

/** Seconds from one poll to the next. */
export function pollInterval({ idle, pollsMiss, fixed, wanted = SLOWEST_S }: PollFacts): number {
  if (fixed !== undefined) return fixed;
  const forPeople =
    idle <= WATCHED_S ? (pollsMiss ? BESIDE_LISTINGS_S : WATCHING_S) : WATCHING_S + (idle - WATCHED_S) * SLOWING;
  return Math.min(SLOWEST_S, forPeople, Math.max(WATCHING_S, wanted));
}

/** Polls of an hour for a job that looks every so many seconds where nobody else does. */
export const pollsPerHour = (wanted: number): number =>
  Math.ceil(3600 / pollInterval({ idle: Number.POSITIVE_INFINITY, pollsMiss: false, fixed: undefined, wanted }));

/** Seconds from one listing of a folder that is being looked at to the next. */
export function listingInterval({ idle, pollsMiss, fixed }: PollFacts): number {
  if (fixed !== undefined || idle > WATCHED_S) return Number.POSITIVE_INFINITY;
  return pollsMiss ? WATCHING_S : TRIAL_LISTING_S;
}
