import type { RateHeaders } from './headers.js';

/** Lengths in ms; only tests have others than an hour and 10 seconds. */
export interface Windows {
  readonly hour: number;
  readonly spike: number;
}
export const WINDOWS: Windows = { hour: 3_600_000, spike: 10_000 };

/** What every process of the client knows of the server's windows. Times are ms since the epoch, server time. */
export interface WindowState {
  /** From headers; undefined until one described the hour. */
  hourLimit: number | undefined;
  spikeLimit: number;
  /** The last reply described the hour (it is the window that would be hit first), not the spike window. */
  hourVisible: boolean;
  /** When the hour that was described resets; 0: none was. */
  hourReset: number;
  /** When an hour that does not slide was seen to begin anew; 0: never. */
  hourBegan: number;
  /** Calls left by that reply, less all that it may not have counted; as of call `boundAfter`. */
  bound: number;
  boundAfter: number;
  /** The call whose reply said so, and when it was understood. */
  observedCall: number;
  observedAt: number;
  /** Capacity comes back call by call, not all at once. */
  sliding: boolean;
  /** Calls of this hour that are not ours, as far as seen. */
  foreign: number;
  /** Calls left alone near the end, because another client takes some; grows with each 429. */
  margin: number;
  marginUntil: number;
  /** Calls of the spike window that are not ours, as far as seen, and until when that is believed. */
  spikeForeign: number;
  spikeForeignUntil: number;
  /** Replies 429 of the spike window while that is believed. */
  spikeRefused: number;
  /** Replies 429 of the hour since a call last was allowed. */
  hourRefused: number;
  /** No call before this (429, 503). */
  blockedUntil: number;
  /** The block is the hour's, or a pause that the server asked for. */
  blockedBy: 'hour' | 'pause';
}

export const initialState: WindowState = {
  hourLimit: undefined,
  // The documented example; the first reply corrects it.
  spikeLimit: 25,
  hourVisible: false,
  hourReset: 0,
  hourBegan: 0,
  bound: 0,
  boundAfter: 0,
  observedCall: 0,
  observedAt: 0,
  sliding: false,
  foreign: 0,
  margin: 0,
  marginUntil: 0,
  spikeForeign: 0,
  spikeForeignUntil: 0,
  spikeRefused: 0,
  hourRefused: 0,
  blockedUntil: 0,
  blockedBy: 'pause',
};

export interface Observation {
  readonly call: number;
  readonly status: number;
  readonly headers: RateHeaders;
  /** Now, server time in ms. */
  readonly now: number;
  /** The last call that was granted, by any process. */
  readonly lastCall: number;
  /** Calls that this reply may or may not have counted. */
  readonly uncertain: number;
  /** Our calls, all processes, in an hour and in a spike window up to now, with their margins. */
  readonly ownHour: number;
  readonly ownSpike: number;
  /** Of `ownHour` those since `hourBegan`. */
  readonly ownWindow: number;
  /** Our calls that left the hour since the last observation. */
  readonly leftSinceObserved: number;
  /** 0 ≤ n < 1 */
  readonly random: number;
}

/** Beyond this no server's wait is believed, ms. */
const LONGEST_BLOCK_MS = 2 * 3_600_000;

/** What is known after one more reply. */
export function learn(before: WindowState, seen: Observation, windows: Windows): WindowState {
  const state = { ...before };
  const described = seen.headers.window && seen.call >= before.observedCall ? seen.headers.window : undefined;
  if (described) {
    state.observedCall = seen.call;
    state.observedAt = seen.now;
    if (isHour(state, described, seen, windows)) learnHour(state, described, seen, windows);
    else learnSpike(state, described, seen, windows);
  } else if (seen.call >= before.observedCall) {
    // A reply without headers still shows that the server answers.
    state.observedCall = seen.call;
    state.observedAt = seen.now;
  }
  if (seen.status === 429 || seen.status === 503) block(state, seen, windows);
  else state.hourRefused = 0;
  return state;
}

type Described = NonNullable<RateHeaders['window']>;

/** Headers describe the window that would be hit first and do not say which: its length and limit tell. */
function isHour(state: WindowState, described: Described, seen: Observation, windows: Windows): boolean {
  const { limit, remaining } = described;
  if (described.reset * 1000 - seen.now > windows.spike + 2000) return true;
  if (limit === state.spikeLimit) return false;
  if (limit === state.hourLimit) return true;
  // A limit never seen, and a reset that either window could have. The hour is described only with fewer calls left
  // than the spike window has, and with calls used that were not made within its few seconds.
  const foreign = seen.now < state.spikeForeignUntil ? state.spikeForeign : 0;
  return limit > state.spikeLimit && remaining <= state.spikeLimit && limit - remaining > seen.ownSpike + foreign;
}

function learnHour(state: WindowState, described: Described, seen: Observation, windows: Windows): void {
  const reset = described.reset * 1000;
  const moved = state.hourReset > seen.now + 1500 && Math.abs(reset - state.hourReset) > 2500;
  const justPassed = state.hourReset > 0 && state.hourReset <= seen.now && seen.now - state.hourReset < 5000;
  if (described.limit === state.hourLimit) {
    // The reset wanders with the calls, or passed and gave back next to nothing: the window slides.
    if (moved || (justPassed && described.remaining < described.limit / 4)) state.sliding = true;
  }
  state.hourLimit = described.limit;
  state.hourVisible = true;
  state.hourReset = reset;
  // None left can hide that the window is overfull, after the limit was lowered.
  const left = described.remaining > 0 ? described.remaining : Math.min(0, described.limit - seen.ownHour);
  state.bound = left - seen.uncertain;
  state.boundAfter = seen.lastCall;
  state.foreign = Math.max(0, described.limit - described.remaining - seen.ownHour);
  if (seen.status === 429 && state.foreign > 0) {
    state.margin = Math.min(described.limit / 4, state.margin * 4 + 4);
    state.marginUntil = seen.now + 3 * windows.hour;
  }
}

function learnSpike(state: WindowState, described: Described, seen: Observation, windows: Windows): void {
  const passed = state.hourVisible && state.hourReset <= seen.now && seen.now - state.hourReset < 5000;
  if (passed && described.remaining > Math.max(0, state.bound) + seen.leftSinceObserved) {
    // More is back than the calls that left an hour's span: all of it came back at once.
    state.sliding = false;
    state.hourBegan = state.hourReset;
  } else if (state.hourLimit !== undefined && seen.ownWindow > state.hourLimit) {
    // More calls were made than that limit permits: it was raised, or the hour began anew unseen.
    state.hourLimit = undefined;
  }
  state.spikeLimit = described.limit;
  state.hourVisible = false;
  state.hourReset = 0;
  const foreign = described.limit - described.remaining - seen.ownSpike + (seen.status === 429 ? 2 : 0);
  const believed = seen.now < state.spikeForeignUntil ? state.spikeForeign : 0;
  if (seen.status === 429) state.spikeRefused++;
  if (foreign > 0 && foreign >= believed) {
    state.spikeForeign = Math.min(foreign, described.limit - 1);
    if (believed === 0) state.spikeRefused = 0;
    state.spikeForeignUntil = seen.now + windows.hour;
  }
}

/** The later of `Retry-After` and the reset of a spent window, a little spread so that nobody returns in step. */
function block(state: WindowState, seen: Observation, windows: Windows): void {
  const { window, retryAfter } = seen.headers;
  const spent = window && (seen.status === 429 || window.remaining === 0);
  const reset = spent ? window.reset * 1000 : 0;
  const asked = retryAfter === undefined ? 0 : seen.now + retryAfter * 1000;
  const until = Math.max(reset, asked) || seen.now + windows.spike / 2;
  const spread = seen.random * Math.min(1000, windows.spike / 10);
  const ofHour = seen.status === 429 && state.hourVisible;
  // Refused again where calls should have come back: someone else is faster, and asking is of no use for a while.
  const times = state.hourRefused - (state.sliding && state.foreign > 0 ? 0 : 1);
  const patience = ofHour && times >= 0 ? Math.min(windows.hour / 4, (windows.hour / 60) * 4 ** times) : 0;
  if (ofHour) state.hourRefused++;
  const latest = seen.now + LONGEST_BLOCK_MS;
  state.blockedUntil = Math.max(state.blockedUntil, Math.min(until + patience, latest) + spread);
  state.blockedBy = ofHour ? 'hour' : 'pause';
}
