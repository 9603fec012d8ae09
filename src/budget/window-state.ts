import type { RateHeaders } from './headers.js';

/** Lengths in ms; an hour and 10 seconds except in tests. */
export interface Windows {
  readonly hour: number;
  readonly spike: number;
}
export const WINDOWS: Windows = { hour: 3_600_000, spike: 10_000 };

/**
 * State of the server's rate windows, shared by all processes of the client. Times are ms since the epoch, server time.
 */
export interface WindowState {
  /** From headers; undefined until a reply described the hour. */
  hourLimit: number | undefined;
  spikeLimit: number;
  /**
   * The last reply described the hour (headers describe the window with the fewest calls left), not the spike window.
   */
  hourVisible: boolean;
  /** When the described hour resets; 0: no reply described it yet. */
  hourReset: number;
  /** Last observed start of an hour window that does not slide; 0: none. */
  hourBegan: number;
  /** Calls left by that reply, minus all calls that it may not have counted; as of call `boundAfter`. */
  bound: number;
  boundAfter: number;
  /** The call whose reply gave the bound, and when it was processed. */
  observedCall: number;
  observedAt: number;
  /** The hour slides: capacity comes back call by call, not all at once. */
  sliding: boolean;
  /** Calls of other clients in this hour, as far as observed. */
  foreign: number;
  /** Calls left unused near the end, because another client takes some; grows with each 429. */
  margin: number;
  marginUntil: number;
  /** Calls of other clients in the spike window, as far as observed, and until when that value is used. */
  spikeForeign: number;
  spikeForeignUntil: number;
  /** Replies 429 of the spike window while that value is used. */
  spikeRefused: number;
  /** Replies 429 of the hour since the last permitted call. */
  hourRefused: number;
  /** No call is sent before this time (429, 503). */
  blockedUntil: number;
  /** Cause of the block: the hour, or a pause that the server requested. */
  blockedBy: 'hour' | 'pause';
}

export const initialState: WindowState = {
  hourLimit: undefined,
  // The example in the documentation; the first reply corrects it.
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

/** The state after the server's clock was set `by` ms ahead: pauses are as long as before, windows are described anew. */
export const afterClockSet = (state: WindowState, by: number): WindowState => ({
  ...state,
  hourVisible: false,
  hourReset: 0,
  hourBegan: 0,
  observedAt: state.observedAt + by,
  marginUntil: state.marginUntil + by,
  spikeForeignUntil: state.spikeForeignUntil + by,
  blockedUntil: state.blockedUntil + by,
});

export interface Observation {
  readonly call: number;
  readonly status: number;
  readonly headers: RateHeaders;
  /** Current server time in ms. */
  readonly now: number;
  /** The last granted call, of any process. */
  readonly lastCall: number;
  /** Calls that this reply may or may not have counted. */
  readonly uncertain: number;
  /** Our calls, of all processes, in the last hour and spike window, with their margins. */
  readonly ownHour: number;
  readonly ownSpike: number;
  /** Those of `ownHour` since `hourBegan`. */
  readonly ownWindow: number;
  /** Our calls that left the hour since the last observation. */
  readonly leftSinceObserved: number;
  /** 0 ≤ n < 1 */
  readonly random: number;
}

/** A longer wait from a server is not believed, ms. */
const LONGEST_BLOCK_MS = 2 * 3_600_000;

/** The state after one more reply. */
export function learn(before: WindowState, seen: Observation, windows: Windows): WindowState {
  const state = { ...before };
  const described = seen.headers.window && seen.call >= before.observedCall ? seen.headers.window : undefined;
  if (described) {
    state.observedCall = seen.call;
    state.observedAt = seen.now;
    if (isHour(state, described, seen, windows)) learnHour(state, described, seen, windows);
    else learnSpike(state, described, seen, windows);
  } else if (seen.call >= before.observedCall) {
    // A reply without headers also shows that the server answers.
    state.observedCall = seen.call;
    state.observedAt = seen.now;
  }
  if (seen.status === 429 || seen.status === 503) block(state, seen, windows);
  else state.hourRefused = 0;
  return state;
}

type Described = NonNullable<RateHeaders['window']>;

/** Headers describe the window with the fewest calls left and do not name it: its length and limit identify it. */
function isHour(state: WindowState, described: Described, seen: Observation, windows: Windows): boolean {
  const { limit, remaining } = described;
  if (described.reset * 1000 - seen.now > windows.spike + 2000) return true;
  if (limit === state.spikeLimit) return false;
  if (limit === state.hourLimit) return true;
  // An unknown limit, and a reset that either window could have. It is the hour only if fewer calls are left than the
  // spike window has, and calls were used that were not made within the few seconds of the spike window.
  const foreign = seen.now < state.spikeForeignUntil ? state.spikeForeign : 0;
  return limit > state.spikeLimit && remaining <= state.spikeLimit && limit - remaining > seen.ownSpike + foreign;
}

function learnHour(state: WindowState, described: Described, seen: Observation, windows: Windows): void {
  const reset = described.reset * 1000;
  const moved = state.hourReset > seen.now + 1500 && Math.abs(reset - state.hourReset) > 2500;
  const justPassed = state.hourReset > 0 && state.hourReset <= seen.now && seen.now - state.hourReset < 5000;
  if (described.limit === state.hourLimit) {
    // The reset moves with the calls, or it passed and gave back hardly any calls: the window slides.
    if (moved || (justPassed && described.remaining < described.limit / 4)) state.sliding = true;
  }
  state.hourLimit = described.limit;
  state.hourVisible = true;
  state.hourReset = reset;
  // After the limit was lowered, `remaining` 0 can hide that the window holds more calls than the limit.
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
    // More calls came back than left the span of an hour: all came back at once.
    state.sliding = false;
    state.hourBegan = state.hourReset;
  } else if (state.hourLimit !== undefined && seen.ownWindow > state.hourLimit) {
    // More calls were made than that limit permits: it was raised, or a new hour began unobserved.
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

/**
 * Blocks until the later of `Retry-After` and the reset of a spent window, plus a random delay so that processes do not
 * return at the same moment.
 */
function block(state: WindowState, seen: Observation, windows: Windows): void {
  const { window, retryAfter } = seen.headers;
  const spent = window && (seen.status === 429 || window.remaining === 0);
  const reset = spent ? window.reset * 1000 : 0;
  const asked = retryAfter === undefined ? 0 : seen.now + retryAfter * 1000;
  const until = Math.max(reset, asked) || seen.now + windows.spike / 2;
  const spread = seen.random * Math.min(1000, windows.spike / 10);
  const ofHour = seen.status === 429 && state.hourVisible;
  // Refused again at the time when calls should have come back: another client takes them, so the wait grows.
  const times = state.hourRefused - (state.sliding && state.foreign > 0 ? 0 : 1);
  const patience = ofHour && times >= 0 ? Math.min(windows.hour / 4, (windows.hour / 60) * 4 ** times) : 0;
  if (ofHour) state.hourRefused++;
  const latest = seen.now + LONGEST_BLOCK_MS;
  state.blockedUntil = Math.max(state.blockedUntil, Math.min(until + patience, latest) + spread);
  state.blockedBy = ofHour ? 'hour' : 'pause';
}
