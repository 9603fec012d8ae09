import type { CallClass } from './calls.js';
import type { WindowState, Windows } from './window-state.js';

/** What the ledger counts before each call. Times are ms since the epoch, server time. */
export interface Facts {
  readonly now: number;
  readonly state: WindowState;
  /** The last call granted, by any process. Calls are numbered without gaps. */
  readonly lastCall: number;
  /** Calls sent and not yet answered, all processes. */
  readonly underWay: number;
  /** In the guarded hour up to now. */
  readonly ownHour: number;
  /** When the call that fills our own cap of an hour leaves the window; undefined: the cap is not reached. */
  readonly capFreeAt: number | undefined;
  /** When as many calls as the reserve holds will have left the hour; undefined: fewer were made. */
  readonly reserveFreeAt: number | undefined;
  /** When the oldest call of the hour leaves it; undefined: there is none. */
  readonly oldestLeavesAt: number | undefined;
  /** Our calls that left the hour since the last observation. */
  readonly leftSinceObserved: number;
  /** In the guarded spike window: this process, others, and of both those that nobody waits for. */
  readonly spikeOwn: number;
  readonly spikeOthers: number;
  readonly spikeUnattended: number;
  /** When the oldest call in the spike window leaves it. */
  readonly spikeFreeAt: number;
}

export interface Limits {
  readonly windows: Windows;
  /** Calls an hour that are ours at most. */
  readonly cap: number;
  /** Of these, kept for people at the beginning of an hour. */
  readonly reserve: number;
}

/** `until`: no call before this time (server ms); undefined: a reply that is under way decides. */
export type Decision =
  | { readonly go: true }
  | { readonly go: false; readonly until: number | undefined; readonly why: 'hour' | 'spike' | 'pause' };

const GO: Decision = { go: true };

/** After this long without a reply the server is asked with one call before more follow, ms. */
const STALE = 120_000;

/**
 * Whether one more call may be sent now. The spike window of this process alone is not looked at: that is the
 * throttle's part.
 */
export function decide(facts: Facts, callClass: CallClass, limits: Limits): Decision {
  const { now, state } = facts;
  if (now < state.blockedUntil)
    return { go: false, until: state.blockedUntil, why: state.blockedBy === 'hour' ? 'hour' : 'pause' };
  if (facts.capFreeAt !== undefined && facts.capFreeAt > now) return { go: false, until: facts.capFreeAt, why: 'hour' };
  return spike(facts, callClass) ?? hour(facts, callClass, limits) ?? GO;
}

function spike(facts: Facts, callClass: CallClass): Decision | undefined {
  const { now, state } = facts;
  const full: Decision = { go: false, until: facts.spikeFreeAt, why: 'spike' };
  const foreign = now < state.spikeForeignUntil ? state.spikeForeign : 0;
  const all = facts.spikeOwn + facts.spikeOthers + foreign;
  if (facts.spikeOthers + foreign > 0 && all >= state.spikeLimit && facts.spikeOwn + facts.spikeOthers > 0) return full;
  // A fifth stays free for people, so that a busy job is never in their way.
  const unattended = Math.max(1, state.spikeLimit - Math.ceil(state.spikeLimit / 5));
  return callClass !== 'interactive' && facts.spikeUnattended >= unattended ? full : undefined;
}

function hour(facts: Facts, callClass: CallClass, limits: Limits): Decision | undefined {
  const { now, state } = facts;
  const visible = state.hourVisible && (state.sliding || now < state.hourReset);
  // Nothing is known of the present window: one call asks, the others wait for its reply.
  const unknown = state.observedAt < now - STALE || (state.hourVisible && !visible);
  if (unknown && facts.underWay > 0) return { go: false, until: undefined, why: 'hour' };

  const known = visible ? left(facts) : Number.POSITIVE_INFINITY;
  if (visible && known < 1) {
    const oneMayAsk = state.sliding && state.foreign === 0 && now >= state.hourReset && facts.underWay === 0;
    return oneMayAsk ? undefined : exhausted(facts);
  }
  if (callClass === 'interactive' || limits.reserve === 0) return undefined;
  const available = Math.min(known, limits.cap - facts.ownHour);
  const ends = Math.min(
    visible && !state.sliding ? state.hourReset : Number.POSITIVE_INFINITY,
    facts.reserveFreeAt ?? now + limits.windows.hour,
  );
  const kept = (limits.reserve * Math.max(0, ends - now)) / limits.windows.hour;
  if (available > kept) return undefined;
  return {
    go: false,
    until: Math.max(now + 50, ends - (available * limits.windows.hour) / limits.reserve),
    why: 'hour',
  };
}

/** Calls left in the hour that the last reply described, at least. */
function left(facts: Facts): number {
  const { state, now } = facts;
  const back = state.sliding ? facts.leftSinceObserved : 0;
  const byReply = state.bound - (facts.lastCall - state.boundAfter) + back;
  if (state.foreign > 0) return byReply - (now < state.marginUntil ? Math.max(2, state.margin) : 2);
  // Nobody else calls: our own count is as good, and does not lag behind the replies.
  return Math.max(byReply, (state.hourLimit ?? 0) - facts.ownHour);
}

function exhausted(facts: Facts): Decision {
  const { state, now } = facts;
  let until = state.hourReset;
  if (state.sliding) {
    const ours = facts.oldestLeavesAt ?? until;
    until = state.foreign > 0 ? ours : Math.min(ours, until);
  }
  // A reply under way may show that more is left.
  const soon = facts.underWay > 0 ? Math.min(until, now + 250) : until;
  return { go: false, until: Math.max(soon, now + 20), why: 'hour' };
}
