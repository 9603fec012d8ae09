import t from 'tap';
import { durationMs, type Schedule, scheduleSchema } from '#src/jobs/definition/schedule-schema.js';
import { DAYS } from '#src/jobs/definition/words.js';
import { isAllowedAt, latestEnd, nextRun, type ScheduleState } from '#src/jobs/schedule/next-run.js';
import fc from '../../support/properties.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const at = (iso: string): number => Date.parse(iso);
const iso = (instant: number | undefined): string | undefined =>
  instant === undefined ? undefined : new Date(instant).toISOString().replace('.000Z', 'Z');
const schedule = (given: object): Schedule => scheduleSchema.parse({ time_zone: 'Europe/Berlin', ...given });

const fresh = (now: number): ScheduleState => ({ now, createdOn: now, runs: 0 });
const ran = (start: number, end: number, now = end): ScheduleState => ({
  now,
  createdOn: start - DAY,
  previous: { start, end, status: 'completed' },
  runs: 1,
});

/** Runs a schedule by the clock alone: each run takes `length` ms. */
function* runsOf(given: Schedule, from: number, to: number, length = 5 * MINUTE): Generator<number> {
  let state = fresh(from);
  for (;;) {
    const start = nextRun(given, state);
    if (start === undefined || start >= to) return;
    yield start;
    const end = start + length;
    state = { now: end, createdOn: from, previous: { start, end, status: 'completed' }, runs: state.runs + 1 };
  }
}

t.test('auto runs now, then 15 minutes or the interval after the last run ended', async (t) => {
  const now = at('2026-03-01T10:00:00Z');
  t.equal(nextRun(schedule({ mode: 'auto' }), fresh(now)), now);
  t.equal(nextRun(schedule({}), ran(now, now + HOUR)), now + HOUR + 15 * MINUTE);
  t.equal(nextRun(schedule({ repeat_interval: { value: 2, unit: 'h' } }), ran(now, now + HOUR)), now + 3 * HOUR);
  t.equal(nextRun(schedule({}), ran(now - DAY, now - DAY, now)), now, 'after a day without power: at once');
  t.equal(nextRun(schedule({}), ran(now, now + DAY, now)), now + 15 * MINUTE, 'a clock that was set back');
});

t.test('manual never runs of itself, ad-hoc once, repeat_count that often', async (t) => {
  const now = at('2026-03-01T10:00:00Z');
  t.equal(nextRun(schedule({ mode: 'manual' }), fresh(now)), undefined);
  t.equal(nextRun(schedule({ mode: 'ad-hoc' }), fresh(now)), now);
  t.equal(nextRun(schedule({ mode: 'ad-hoc' }), ran(now, now)), undefined);
  t.equal(iso(nextRun(schedule({ mode: 'ad-hoc', run_at: { hr: 3 } }), fresh(now))), '2026-03-02T02:00:00Z');
  t.equal([...runsOf(schedule({ repeat_count: 4 }), now, now + DAY)].length, 4);
  t.equal([...runsOf(schedule({ repeat_count: 4, run_at: { hr: 3 } }), now, now + 30 * DAY)].length, 4);
});

t.test('nothing runs before the start date, nor from the end date on', async (t) => {
  const [start, end] = [at('2026-05-01T00:00:00Z'), at('2026-05-03T00:00:00Z')];
  const dates = { start_date: start / 1000, end_date: end / 1000 };
  t.equal(nextRun(schedule(dates), fresh(start - 90 * DAY)), start);
  t.equal(nextRun(schedule(dates), fresh(end)), undefined);
  t.equal(nextRun(schedule(dates), ran(end - HOUR, end - 14 * MINUTE)), undefined);
  t.strictSame([...runsOf(schedule({ ...dates, run_at: { hr: 12 } }), start - 90 * DAY, end + DAY)].map(iso), [
    '2026-05-01T10:00:00Z',
    '2026-05-02T10:00:00Z',
  ]);
  t.notOk(isAllowedAt(schedule(dates), start - 1));
  t.ok(isAllowedAt(schedule(dates), start));
  t.notOk(isAllowedAt(schedule(dates), end));
});

t.test('runs keep to the window and to the days', async (t) => {
  const office = schedule({ days: ['weekdays'], start_window: { hr: 8 }, end_window: { hr: 17, min: 30 } });
  t.equal(iso(nextRun(office, fresh(at('2026-06-05T15:29:59Z')))), '2026-06-05T15:29:59Z', 'a Friday, in time');
  t.equal(iso(nextRun(office, fresh(at('2026-06-05T15:30:00Z')))), '2026-06-08T06:00:00Z', 'too late: Monday');
  t.equal(iso(latestEnd(office, at('2026-06-05T15:00:00Z'))), '2026-06-05T15:30:00Z');
  t.equal(latestEnd(office, at('2026-06-06T15:00:00Z')), undefined, 'started by hand on a Saturday');
});

t.test('a window over midnight belongs to the day on which it begins', async (t) => {
  const night = schedule({ days: ['friday'], start_window: { hr: 22 }, end_window: { hr: 6 } });
  t.ok(isAllowedAt(night, at('2026-06-05T20:00:00Z')), 'Friday 22:00');
  t.ok(isAllowedAt(night, at('2026-06-06T03:59:59Z')), 'Saturday 5:59:59');
  t.notOk(isAllowedAt(night, at('2026-06-06T04:00:00Z')), 'Saturday 6:00');
  t.notOk(isAllowedAt(night, at('2026-06-05T03:00:00Z')), 'Friday 5:00, in the window of Thursday');
  t.equal(iso(latestEnd(night, at('2026-06-05T21:00:00Z'))), '2026-06-06T04:00:00Z');
  t.strictSame(
    [
      ...runsOf(
        { ...night, run_at: [{ hr: 2, min: 0, sec: 0, ms: 0 }] },
        at('2026-06-01T00:00:00Z'),
        at('2026-06-15T00:00:00Z'),
      ),
    ].map(iso),
    ['2026-06-06T00:00:00Z', '2026-06-13T00:00:00Z'],
  );
});

t.test('the longest duration ends a run before the window does', async (t) => {
  const start = at('2026-06-05T20:00:00Z');
  const window = { start_window: { hr: 22 }, end_window: { hr: 6 } };
  t.equal(latestEnd(schedule({}), start), undefined);
  t.equal(latestEnd(schedule({ max_execution: { value: 90, unit: 'm' } }), start), start + 90 * MINUTE);
  t.equal(latestEnd(schedule({ ...window, max_execution: { value: 90, unit: 'm' } }), start), start + 90 * MINUTE);
  t.equal(latestEnd(schedule({ ...window, max_execution: { value: 1, unit: 'd' } }), start), start + 8 * HOUR);
});

t.test('a time that passed while the machine was off is made up for once, at once', async (t) => {
  const daily = schedule({ run_at: [{ hr: 2 }, { hr: 14 }] });
  const boot = at('2026-06-09T07:12:00Z');
  const last = at('2026-06-05T00:00:00Z');
  t.equal(nextRun(daily, ran(last, last + HOUR, boot)), boot, 'nine times passed');
  t.equal(iso(nextRun(daily, ran(boot, boot + HOUR))), '2026-06-09T12:00:00Z', 'then as usual');
  t.equal(iso(nextRun(daily, fresh(boot))), '2026-06-09T12:00:00Z', 'none passed since the job was made');
  const month = at('2026-07-31T07:00:00Z');
  t.equal(nextRun(daily, ran(last, last + HOUR, month)), month, 'off for weeks');

  const nightly = schedule({ run_at: { hr: 23 }, start_window: { hr: 22 }, end_window: { hr: 6 } });
  t.equal(iso(nextRun(nightly, ran(last, last + HOUR, boot))), '2026-06-09T20:00:00Z', 'once its window opens');
});

t.test('a time that passed while the job ran is not made up for', async (t) => {
  const daily = schedule({ run_at: { hr: 2 } });
  const start = at('2026-06-05T23:30:00Z');
  t.equal(iso(nextRun(daily, ran(start, start + HOUR))), '2026-06-07T00:00:00Z');
});

t.test('run_at with an interval goes on till the window or the day ends', async (t) => {
  const hourly = { repeat_interval: { value: 1, unit: 'h' }, run_at: { hr: 8 }, end_window: { hr: 11 } };
  const starts = [...runsOf(schedule(hourly), at('2026-06-04T12:00:00Z'), at('2026-06-06T12:00:00Z'), 0)];
  t.strictSame(starts.map(iso), [
    '2026-06-05T06:00:00Z',
    '2026-06-05T07:00:00Z',
    '2026-06-05T08:00:00Z',
    '2026-06-06T06:00:00Z',
    '2026-06-06T07:00:00Z',
    '2026-06-06T08:00:00Z',
  ]);
});

t.test('repeats that begin with the start date are known before it', async (t) => {
  const start = at('2026-06-05T10:00:00Z');
  const given = { run_at: { hr: 8 }, repeat_interval: { value: 1, unit: 'h' }, start_date: start / 1000 };
  for (const now of [start - DAY, start - 1, start])
    t.equal(iso(nextRun(schedule(given), ran(start - 3 * DAY, start - 2 * DAY, now))), iso(start), `at ${iso(now)}`);
});

t.test('a run_at that the clock skips in spring runs right after the gap', async (t) => {
  const cases = [
    ['Europe/Berlin', { hr: 2, min: 30 }, '2026-03-29T00:00:00Z', '2026-03-29T01:00:00Z'],
    ['America/New_York', { hr: 2, min: 15 }, '2026-03-08T05:00:00Z', '2026-03-08T07:00:00Z'],
    ['Australia/Lord_Howe', { hr: 2, min: 10 }, '2026-10-03T15:00:00Z', '2026-10-03T15:30:00Z'],
    ['Africa/Cairo', { hr: 0, min: 0 }, '2026-04-23T21:00:00Z', '2026-04-23T22:00:00Z'],
    ['Asia/Kolkata', { hr: 2, min: 30 }, '2026-03-28T20:00:00Z', '2026-03-28T21:00:00Z'],
  ] as const;
  for (const [time_zone, run_at, now, expected] of cases)
    t.equal(iso(nextRun(schedule({ time_zone, run_at }), fresh(at(now)))), expected, time_zone);
});

t.test('a run_at that comes twice in autumn runs the first time only', async (t) => {
  const cases = [
    ['Europe/Berlin', { hr: 2, min: 30 }, '2026-10-25T00:00:00Z', '2026-10-25T00:30:00Z', '2026-10-26T01:30:00Z'],
    ['America/New_York', { hr: 1, min: 15 }, '2026-11-01T05:00:00Z', '2026-11-01T05:15:00Z', '2026-11-02T06:15:00Z'],
    ['Australia/Lord_Howe', { hr: 1, min: 45 }, '2026-04-04T14:00:00Z', '2026-04-04T14:45:00Z', '2026-04-05T15:15:00Z'],
  ] as const;
  for (const [time_zone, run_at, now, first, second] of cases) {
    const starts = [...runsOf(schedule({ time_zone, run_at }), at(now), at(now) + 2 * DAY)];
    t.strictSame(starts.map(iso), [first, second], time_zone);
  }
});

t.test('a window that the clock skips keeps its length, so that its day is not lost', async (t) => {
  const skipped = schedule({ run_at: { hr: 2, min: 30 }, start_window: { hr: 2 }, end_window: { hr: 3 } });
  const start = nextRun(skipped, fresh(at('2026-03-28T12:00:00Z')));
  t.equal(iso(start), '2026-03-29T01:00:00Z');
  t.ok(isAllowedAt(skipped, start!));
  t.equal(iso(latestEnd(skipped, start!)), '2026-03-29T02:00:00Z');
});

const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'Africa/Cairo'];

t.test('three years of a schedule have each of its times on each of its days exactly once', async (t) => {
  const from = at('2025-06-01T12:00:00Z');
  for (const time_zone of ZONES) {
    const times = [{ hr: 0 }, { hr: 2, min: 30 }, { hr: 14 }];
    const weekly = schedule({ time_zone, days: ['weekends', 'monday', 'friday'], run_at: times });
    const dateOf = new Intl.DateTimeFormat('en-CA', { timeZone: time_zone, dateStyle: 'short' });
    const runs = new Map<string, number>();
    for (const start of runsOf(weekly, from, from + 3 * 365 * DAY, MINUTE)) {
      const date = dateOf.format(start);
      runs.set(date, (runs.get(date) ?? 0) + 1);
    }
    // Neither the first day nor the last one is whole.
    let days = 0;
    for (let noon = from + DAY; noon < from + (3 * 365 - 1) * DAY; noon += DAY) {
      const date = dateOf.format(noon);
      const isDay = ![2, 3, 4].includes(new Date(date).getUTCDay());
      if (isDay) days++;
      if ((runs.get(date) ?? 0) !== (isDay ? times.length : 0)) t.fail(`${time_zone} ${date}: ${runs.get(date)}`);
    }
    t.ok(days > 600, time_zone);
  }
});

const time = fc.record({ hr: fc.nat(23), min: fc.constantFrom(0, 15, 30, 59) });
const anySchedule = fc
  .record(
    {
      time_zone: fc.constantFrom(...ZONES),
      start_window: time,
      end_window: time,
      days: fc.uniqueArray(fc.constantFrom(...DAYS), { minLength: 1, maxLength: 3 }),
      run_at: fc.array(time, { minLength: 1, maxLength: 3 }),
      repeat_interval: fc.record({ value: fc.integer({ min: 1, max: 600 }), unit: fc.constant('m') }),
      start_date: fc.integer({ min: at('2026-01-01') / 1000, max: at('2026-12-31') / 1000 }),
      end_date: fc.integer({ min: at('2026-06-01') / 1000, max: at('2027-12-31') / 1000 }),
      max_execution: fc.record({ value: fc.integer({ min: 1, max: 600 }), unit: fc.constant('m') }),
    },
    { requiredKeys: ['time_zone'] },
  )
  .filter(({ start_date: start, end_date: end }) => start === undefined || end === undefined || start < end)
  .map(schedule);
const instant = fc.integer({ min: at('2026-01-01'), max: at('2027-03-01') });

t.test('a run that the hourly limit cut goes on when there are calls again, if window and days permit', async (t) => {
  const start = at('2026-06-05T01:00:00Z');
  const end = start + 10 * MINUTE;
  const again = start + HOUR;
  const cut = (now = end): ScheduleState => ({
    now,
    createdOn: start - DAY,
    previous: { start, end, status: 'not_complete', again },
    runs: 1,
  });
  const daily = { run_at: { hr: 3 } };
  t.equal(iso(nextRun(schedule(daily), cut())), '2026-06-05T02:00:00Z', 'a daily job: an hour later, not tomorrow');
  t.equal(iso(nextRun(schedule({}), cut())), '2026-06-05T02:00:00Z', 'auto: not before there are calls');
  t.equal(nextRun(schedule({}), cut(again + MINUTE)), again + MINUTE, 'late: at once');
  const night = { ...daily, start_window: { hr: 2 }, end_window: { hr: 3, min: 30 } };
  t.equal(iso(nextRun(schedule(night), cut())), '2026-06-06T00:00:00Z', 'the window is over: when it opens again');
  t.equal(nextRun(schedule({ mode: 'manual' }), cut()), undefined);
  const interrupted = { ...cut(), previous: { start, end, status: 'not_complete' as const } };
  t.equal(iso(nextRun(schedule(daily), interrupted)), '2026-06-06T01:00:00Z', 'cut by something else: tomorrow');
});

t.test('the next run is never in the past, nor outside the window, the days and the dates', async (t) => {
  let found = 0;
  fc.assert(
    fc.property(anySchedule, instant, fc.nat(20 * DAY), fc.nat(DAY), (given, now, ago, length) => {
      const previous = { start: now - ago - length, end: now - ago, status: 'completed' as const };
      for (const state of [fresh(now), { now, createdOn: previous.start, previous, runs: 1 }]) {
        const next = nextRun(given, state);
        if (next === undefined) continue;
        found++;
        if (next < now || !isAllowedAt(given, next)) return false;
        const end = latestEnd(given, next);
        if (end !== undefined && end <= next) return false;
        if (given.max_execution && end! > next + durationMs(given.max_execution)) return false;
        // Asked again, later: the same answer till then.
        const later = now + Math.floor((next - now) / 2);
        if (nextRun(given, { ...state, now: later }) !== next) return false;
      }
      return true;
    }),
    { numRuns: 1500 },
  );
  t.ok(found > 1000, `${found} runs`);
});

t.test('times and windows are those of the machine unless the schedule names a zone', async (t) => {
  const here = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const now = at('2026-06-05T10:00:00Z');
  const { time_zone: _, ...without } = schedule({ run_at: { hr: 3 } });
  t.equal(nextRun(without, fresh(now)), nextRun({ ...without, time_zone: here }, fresh(now)));
});
