import type { CallClass } from './calls.js';
import type { WindowState, Windows } from './window-state.js';

/** Counts that the ledger takes before each call. Times are ms since the epoch, server time. */
export interface Facts {
  readonly now: number;
  readonly state: WindowState;
  /** The last granted call, of any process. Calls are numbered without gaps. */
  readonly lastCall: number;
  /** Calls sent and not yet answered, of all processes. */
  readonly underWay: number;
  /** Our calls in the guarded hour up to now. */
  readonly ownHour: number;
  /** Those since the start of an hour that does not slide. */
  readonly ownWindow: number;
  /** When the call that reaches our own hourly cap leaves the window; undefined: the cap is not reached. */
  readonly capFreeAt: number | undefined;
  /** When as many calls as the reserve holds will have left the hour; undefined: fewer were made. */
  readonly reserveFreeAt: number | undefined;
  /** When an eighth of these will have left: from then on calls come back about as fast as they were made. */
  readonly returnsAt: number | undefined;
  /** When the oldest call of the hour leaves it; undefined: there is none. */
  readonly oldestLeavesAt: number | undefined;
  /** Our calls that left the hour since the last observation. */
  readonly leftSinceObserved: number;
  /**
   * Calls in the guarded spike window: of this process, of other processes, and those of both that no person waits for.
   */
  readonly spikeOwn: number;
  readonly spikeOthers: number;
  readonly spikeUnattended: number;
  /** When the oldest call in the spike window leaves it. */
  readonly spikeFreeAt: number;
}

export interface Limits {
  readonly windows: Windows;
  /** Our own limit of calls an hour. */
  readonly cap: number;
}

/** Calls an hour that the server permits, as far as is known. */
export const hourLimitOf = ({ cap }: Pick<Limits, 'cap'>, { hourLimit }: WindowState): number =>
  Math.min(cap, hourLimit ?? cap);

/** Calls reserved for interactive use at the beginning of an hour. */
export const reserveOf = (limits: Limits, state: WindowState): number => Math.floor(hourLimitOf(limits, state) / 10);

/** `until`: no call before this time (server ms); undefined: the reply to a call in progress decides. */
export type CallDecision =
  | { readonly go: true }
  | { readonly go: false; readonly until: number | undefined; readonly why: 'hour' | 'spike' | 'pause' };

const GO: CallDecision = { go: true };

/** After this long without a reply one call is sent to learn the state before others follow, ms. */
const STALE_MS = 120_000;

/**
 * The part of the reserve that remains at an hour's end, so that interactive calls need not wait for its last minutes.
 */
const LAST_RESERVE = 0.05;

/**
 * Whether one more call may be sent now. The spike window of this process alone is not checked here: the throttle does
 * that.
 */
export function decideCall(facts: Facts, callClass: CallClass, limits: Limits): CallDecision {
  const { now, state } = facts;
  if (now < state.blockedUntil)
    return { go: false, until: state.blockedUntil, why: state.blockedBy === 'hour' ? 'hour' : 'pause' };
  if (facts.capFreeAt !== undefined && facts.capFreeAt > now) return { go: false, until: facts.capFreeAt, why: 'hour' };
  return spike(facts, callClass) ?? hour(facts, callClass, limits) ?? GO;
}

function spike(facts: Facts, callClass: CallClass): CallDecision | undefined {
  const { now, state } = facts;
  const full: CallDecision = { go: false, until: facts.spikeFreeAt, why: 'spike' };
  const ours = facts.spikeOwn + facts.spikeOthers;
  if (now < state.spikeForeignUntil && state.spikeForeign > 0) {
    // Another client makes calls as well, at an uneven rate. Half of the spike window is still more than an hour's
    // calls need.
    const likely = state.spikeLimit - 1.5 * state.spikeForeign - 2;
    const share = Math.min(state.spikeLimit / 2, Math.max(state.spikeLimit * 0.4, likely)) - 3 * state.spikeRefused;
    if (ours >= Math.max(1, Math.floor(share))) return full;
  } else if (facts.spikeOthers > 0 && ours >= state.spikeLimit) return full;
  // A fifth stays free for interactive calls, so that a busy job never delays them.
  const unattended = Math.max(1, state.spikeLimit - Math.ceil(state.spikeLimit / 5));
  return callClass !== 'interactive' && facts.spikeUnattended >= unattended ? full : undefined;
}

function hour(facts: Facts, callClass: CallClass, limits: Limits): CallDecision | undefined {
  const { now, state } = facts;
  const visible = state.hourVisible && (state.sliding || now < state.hourReset);
  // The state of the present window is unknown: one call is sent, the others wait for its reply.
  const unknown = state.observedAt < now - STALE_MS || (state.hourVisible && !visible);
  if (unknown && facts.underWay > 0) return { go: false, until: undefined, why: 'hour' };

  const known = visible ? left(facts, callClass, limits.windows) : Number.POSITIVE_INFINITY;
  if (visible && known < 1) {
    const ask = askAgainAt(facts, limits.windows);
    return now >= ask && facts.underWay === 0 ? undefined : exhausted(facts, ask);
  }
  const reserve = reserveOf(limits, state);
  if (callClass === 'interactive' || reserve === 0) return undefined;
  if (unknown) return undefined;
  const expected = visible ? known : (state.hourLimit ?? Number.POSITIVE_INFINITY) - facts.ownWindow;
  const available = Math.min(expected, limits.cap - facts.ownHour);
  const ends = Math.min(
    visible && !state.sliding ? state.hourReset : Number.POSITIVE_INFINITY,
    facts.reserveFreeAt ?? now + limits.windows.hour,
  );
  const { hour: length } = limits.windows;
  const kept = reserve * Math.min(1, Math.max(0, ends - now) / length + LAST_RESERVE);
  if (available > kept) return undefined;
  const until = Math.min(ends, ends - (available / reserve - LAST_RESERVE) * length);
  return { go: false, until: Math.max(now + 50, until), why: 'hour' };
}

/** Lower bound of the calls left in the hour that the last reply described. */
function left(facts: Facts, callClass: CallClass, windows: Windows): number {
  const { state, now } = facts;
  const back = state.sliding ? facts.leftSinceObserved : 0;
  const byReply = state.bound - (facts.lastCall - state.boundAfter) + back;
  // No other client makes calls: our own count is as good as the reply's, and more recent.
  if (state.foreign === 0) return Math.max(byReply, (state.hourLimit ?? 0) - facts.ownHour);
  const margin = now < state.marginUntil ? Math.max(2, state.margin) : 2;
  if (state.sliding || (callClass === 'interactive' && facts.underWay === 0)) return byReply - margin;
  // The reply's count ages: other clients go on calling, assumed at twice their rate of the last hour.
  return byReply - margin - (2 * state.foreign * Math.max(0, now - state.observedAt - 1000)) / windows.hour;
}

/** When one call may test whether the hour has calls again, without a sign of it. */
function askAgainAt({ state, ownHour }: Facts, windows: Windows): number {
  if (!state.sliding || state.foreign === 0) return state.hourReset;
  // Other clients may take the calls that come back to a sliding window, so only our own calls that leave it count.
  return Math.max(state.hourReset, state.observedAt + windows.hour / (ownHour > 0 ? 4 : 60));
}

function exhausted(facts: Facts, ask: number): CallDecision {
  const { state, now } = facts;
  const ours = facts.oldestLeavesAt;
  let until = state.sliding && ours !== undefined && ours > now ? Math.min(ask, ours) : ask;
  // The reply to a call in progress may show that more calls are left.
  if (facts.underWay > 0) until = Math.min(until, now + 250);
  return { go: false, until: Math.max(until, now + 50), why: 'hour' };
}
