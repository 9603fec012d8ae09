import { DAY_MS, timeOfDayMs, type Zone, zoneOf } from '../../base/zone.js';
import { durationMs, type Schedule } from '../definition/schedule-schema.js';
import type { Day, ExecutionStatus } from '../definition/words.js';

/** What a job has done so far. Milliseconds since the epoch. */
export interface ScheduleState {
  readonly now: number;
  readonly createdOn: number;
  /** The last run, however it was started. */
  readonly previous?: {
    readonly start: number;
    readonly end: number;
    readonly status: ExecutionStatus;
    /** It was cut because the hour's calls were spent: when there are some again. */
    readonly again?: number | undefined;
  };
  /** Runs so far. */
  readonly runs: number;
}

/** From the end of a run to the next one of an `auto` job, unless `repeat_interval` says another time. */
const AUTO_INTERVAL_MS = 15 * 60_000;
/** Whatever an interval says: not a run after the other without a breath. */
const LEAST_INTERVAL_MS = 1000;
/** Covers a week and its neighbours: no day of the week is missed. */
const DAYS_AHEAD = 16;

/**
 * When a job runs next, in milliseconds since the epoch and never before `now`; undefined: only when it is started by
 * hand, or never again.
 *
 * - `auto`: now, then 15 minutes (or `repeat_interval`) after the last run ended; with `run_at`, at those times.
 *   `run_at` together with `repeat_interval`: at those times, and on from there till the window (or the day) ends.
 * - `ad-hoc`: the first of these, once. `manual`: never of itself.
 * - A `run_at` that passed while nothing ran (the machine was off) is made up for by one run, however many passed: at
 *   once, or as soon as the window and the days permit.
 * - A run that was cut by the hourly limit goes on when there are calls again, as soon as the window and the days permit.
 * - `repeat_count`: runs in all.
 */
export function nextRun(schedule: Schedule, state: ScheduleState): number | undefined {
  const { now, runs } = state;
  if (schedule.mode === 'manual' || (schedule.mode === 'ad-hoc' && runs > 0)) return undefined;
  if (schedule.repeat_count !== undefined && runs >= schedule.repeat_count) return undefined;
  const next = isCut(state) ? nextAfterCut(schedule, state) : regular(schedule, state);
  return next !== undefined && next < endDate(schedule) ? Math.max(next, now) : undefined;
}

/** Seconds from the end of a run to the next one, of a job that runs again and again by itself. */
export function intervalOf({ mode, run_at, repeat_interval }: Schedule): number | undefined {
  if (mode !== 'auto' || (run_at !== undefined && !repeat_interval)) return undefined;
  return Math.max(repeat_interval ? durationMs(repeat_interval) : AUTO_INTERVAL_MS, LEAST_INTERVAL_MS) / 1000;
}

/** Whether the dates, the days and the window permit a run at this moment. */
export function isAllowedAt(schedule: Schedule, now: number): boolean {
  if (now < startDate(schedule) || now >= endDate(schedule)) return false;
  for (const { open, close } of openings(schedule, now)) {
    if (open > now) return false;
    if (now < close) return true;
  }
  return false;
}

/**
 * When a run that began at `start` must stop: `max_execution`, or the end of the window it began in; undefined: whenever
 * it is done.
 */
export function latestEnd(schedule: Schedule, start: number): number | undefined {
  const longest = schedule.max_execution ? durationMs(schedule.max_execution) : 0;
  let end = longest > 0 ? start + longest : Number.POSITIVE_INFINITY;
  if (windowOf(schedule))
    for (const { open, close } of openings(schedule, start)) {
      if (open > start) break;
      if (start < close) end = Math.min(end, close);
    }
  return Number.isFinite(end) ? end : undefined;
}

const regular = (schedule: Schedule, state: ScheduleState): number | undefined =>
  schedule.run_at === undefined ? nextByInterval(schedule, state) : nextByTime(schedule, state);

const isCut = ({ previous }: ScheduleState): boolean =>
  previous?.status === 'not_complete' && previous.again !== undefined;

/** Before there are calls again a run would be cut at once. */
const nextAfterCut = (schedule: Schedule, { now, previous }: ScheduleState): number | undefined =>
  firstPermitted(schedule, Math.max(now, startDate(schedule), previous!.again!));

function nextByInterval(schedule: Schedule, state: ScheduleState): number | undefined {
  const earliest = Math.max(state.now, startDate(schedule), state.previous ? afterInterval(schedule, state) : 0);
  return firstPermitted(schedule, earliest);
}

function firstPermitted(schedule: Schedule, earliest: number): number | undefined {
  for (const { open, close } of openings(schedule, earliest)) if (earliest < close) return Math.max(earliest, open);
  return undefined;
}

function nextByTime(schedule: Schedule, state: ScheduleState): number | undefined {
  const { now } = state;
  // A clock that was set back must not hide what is due.
  const seen = Math.min(state.previous?.end ?? state.createdOn, now);
  const since = Math.max(seen, startDate(schedule) - 1);
  const next = dueOrNext(schedule, since, now);
  if (!state.previous || !schedule.repeat_interval) return next;
  const again = Math.max(now, startDate(schedule), afterInterval(schedule, state));
  if (next !== undefined && next <= again) return next;
  const repeats = [...openings(schedule, again)].some(isAfterTime(again));
  return repeats ? again : next;
}

const isAfterTime =
  (instant: number) =>
  ({ open, close, times }: Opening): boolean =>
    open <= instant && instant < close && times.some((time) => time <= instant);

/** The next `run_at`; if one has passed since `since`, the first moment that a run is permitted. */
function dueOrNext(schedule: Schedule, since: number, now: number): number | undefined {
  // One that passed is enough, and a week has them all.
  for (const { times } of openings(schedule, Math.max(since, now - 8 * DAY_MS)))
    for (const time of times) {
      if (time <= since) continue;
      return time > now ? time : firstPermitted(schedule, now);
    }
  return undefined;
}

function afterInterval({ repeat_interval }: Schedule, { previous, now }: ScheduleState): number {
  const interval = repeat_interval ? durationMs(repeat_interval) : AUTO_INTERVAL_MS;
  return Math.min(previous!.end, now) + Math.max(interval, LEAST_INTERVAL_MS);
}

const startDate = ({ start_date }: Schedule): number => (start_date ?? Number.NEGATIVE_INFINITY) * 1000;
const endDate = ({ end_date }: Schedule): number => (end_date ?? Number.POSITIVE_INFINITY) * 1000;

/** A time in which runs are permitted: a day, or the window that begins on it. */
interface Opening {
  readonly open: number;
  readonly close: number;
  /** Each `run_at` in it. */
  readonly times: readonly number[];
}

/** The openings around an instant and after it, in order, the first one before it. */
function* openings(schedule: Schedule, instant: number): Generator<Opening> {
  if (!Number.isFinite(instant)) return;
  const zone = zoneOf(schedule.time_zone);
  const today = Math.floor(zone.local(instant) / DAY_MS) * DAY_MS;
  const window = windowOf(schedule) ?? { from: 0, to: DAY_MS };
  const times = [schedule.run_at ?? []].flat().map(timeOfDayMs);
  for (let day = today - 2 * DAY_MS; day <= today + DAYS_AHEAD * DAY_MS; day += DAY_MS)
    if (isDay(schedule.days, day)) yield openingOf(zone, day, window, times);
}

/** Milliseconds from the midnight of its day. */
interface Window {
  readonly from: number;
  /** Of the next day when over 24 hours. */
  readonly to: number;
}

/** Undefined: all day. Of a window over midnight, `days` names the day on which it begins. */
function windowOf({ start_window, end_window }: Schedule): Window | undefined {
  if (!start_window && !end_window) return undefined;
  const from = start_window ? timeOfDayMs(start_window) : 0;
  const to = end_window ? timeOfDayMs(end_window) : DAY_MS;
  if (from === to || (from === 0 && to === DAY_MS)) return undefined;
  return { from, to: to < from ? to + DAY_MS : to };
}

function openingOf(zone: Zone, day: number, { from, to }: Window, runAt: readonly number[]): Opening {
  const open = zone.instant(day + from);
  const last = day + to - 1;
  // A window whose end the clock skips keeps its length: what was to run in it still does.
  const isSkipped = zone.local(zone.instant(last)) !== last;
  const times = runAt
    .flatMap((time) => [time, time + DAY_MS])
    .filter((time) => from <= time && time < to)
    .map((time) => zone.instant(day + time));
  return {
    open,
    close: isSkipped ? open + to - from : zone.instant(day + to),
    times: [...new Set(times)].sort((a, b) => a - b),
  };
}

const WEEK = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;

function isDay(days: readonly Day[] | undefined, localDay: number): boolean {
  if (!days) return true;
  const day = WEEK[new Date(localDay).getUTCDay()]!;
  const group = day === 'saturday' || day === 'sunday' ? 'weekends' : 'weekdays';
  return days.some((word) => word === 'everyday' || word === group || word === day);
}
