import { DAY_MS, timeOfDayMs, type Zone, zoneOf } from '../../base/zone.js';
import { durationMs, type Schedule } from '../definition/schedule-schema.js';
import type { Day, ExecutionStatus } from '../definition/words.js';

/** History of a job. Times are milliseconds since the epoch. */
export interface ScheduleState {
  readonly now: number;
  readonly createdOn: number;
  /** The last run, scheduled or manual. */
  readonly previous?: {
    readonly start: number;
    readonly end: number;
    readonly status: ExecutionStatus;
    /** If the hourly limit ended the run: when calls are available again. */
    readonly again?: number | undefined;
  };
  /** Number of runs so far. */
  readonly runs: number;
}

/** Time from the end of a run of an `auto` job to the next one, unless `repeat_interval` is set. */
const AUTO_INTERVAL_MS = 15 * 60_000;
/** Shortest time between two runs, whatever the interval. */
const LEAST_INTERVAL_MS = 1000;
/** More than a week, so that each day of the week occurs. */
const DAYS_AHEAD = 16;

/**
 * When a job runs next, in milliseconds since the epoch and never before `now`; undefined: only when it is started by
 * hand, or never again.
 *
 * - `auto`: now, then 15 minutes (or `repeat_interval`) after the last run ended; with `run_at`, at those times. With
 *   both `run_at` and `repeat_interval`: at those times, then repeatedly until the window (or the day) ends.
 * - `ad-hoc`: the first of these, once. `manual`: never by itself.
 * - `run_at` times that passed while no engine was running (the machine was off) are made up for by a single run: at
 *   once, or as soon as the window and the days permit.
 * - A run that the hourly limit ended is continued when calls are available again, as soon as the window and the days
 *   permit.
 * - `repeat_count`: total number of runs.
 */
export function nextRun(schedule: Schedule, state: ScheduleState): number | undefined {
  const { now, runs } = state;
  if (schedule.mode === 'manual' || (schedule.mode === 'ad-hoc' && runs > 0)) return undefined;
  if (schedule.repeat_count !== undefined && runs >= schedule.repeat_count) return undefined;
  const next = isCut(state) ? nextAfterCut(schedule, state) : regular(schedule, state);
  return next !== undefined && next < endDate(schedule) ? Math.max(next, now) : undefined;
}

/** Seconds from the end of a run to the next one, for a job that repeats by itself; undefined for other jobs. */
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
 * When a run that began at `start` must stop: after `max_execution`, or at the end of the window in which it began;
 * undefined: no limit.
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

/** A run before calls are available again would end at once. */
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
  // A clock that was set back must not hide a run that is due.
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

/** The next `run_at`. If one has passed since `since`: the first moment at which a run is permitted. */
function dueOrNext(schedule: Schedule, since: number, now: number): number | undefined {
  // One passed time is enough, and a week contains all of them.
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

/** A range of time in which runs are permitted: a day, or the window that begins on it. */
interface Opening {
  readonly open: number;
  readonly close: number;
  /** The `run_at` times in it. */
  readonly times: readonly number[];
}

/** The openings around an instant and after it, in order, beginning before it. */
function* openings(schedule: Schedule, instant: number): Generator<Opening> {
  if (!Number.isFinite(instant)) return;
  const zone = zoneOf(schedule.time_zone);
  const today = Math.floor(zone.local(instant) / DAY_MS) * DAY_MS;
  const window = windowOf(schedule) ?? { from: 0, to: DAY_MS };
  const times = [schedule.run_at ?? []].flat().map(timeOfDayMs);
  for (let day = today - 2 * DAY_MS; day <= today + DAYS_AHEAD * DAY_MS; day += DAY_MS)
    if (isDay(schedule.days, day)) yield openingOf(zone, day, window, times);
}

/** A window, in milliseconds from the midnight of its day. */
interface Window {
  readonly from: number;
  /** Above 24 hours: a time of the next day. */
  readonly to: number;
}

/** Undefined: all day. For a window across midnight, `days` names the day on which it begins. */
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
  // A window whose end falls into a skipped hour keeps its length, so that runs in it still take place.
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
