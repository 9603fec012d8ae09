import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { jobBodySchema, parseJobBody } from '#src/jobs/definition/job-schema.js';
import { type Schedule, scheduleSchema } from '#src/jobs/definition/schedule-schema.js';
import { latestEnd, nextRun } from '#src/jobs/schedule/next-run.js';
import { contentOf, Folders, put } from '../support/jobs.js';
import { until } from '../support/processes.js';

// The keys of a job beside its transfer: what each does, or the reason for which it is refused.
const transfer = { source: { connection: { id: 'a' } }, destination: { connection: { id: 'b' } } };
const refused: readonly (readonly [string, object, RegExp])[] = [
  ['kind', { kind: 'convention' }, /kind: only jobs of kind "transfer" can be run here/],
  ['name', { name: ' ' }, /name/],
  ['category', { category: { colour: 'red' } }, /category.colour: no such key/],
  ['priority', { priority: 101 }, /priority/],
  ['priority', { priority: 'high' }, /priority/],
  ['disabled', { disabled: 'no' }, /disabled/],
  ['retention', { retention: { days: 0 } }, /retention.days/],
  ['retention', { retention: { runs: 3 } }, /retention.runs: no such key/],
  ['notify', { notify: { pager: '1' } }, /notify.pager: no such key/],
  ['notify', { notify: { url: 'ftp://x' } }, /notify.url/],
  ['schedule', { schedule: { mode: 'sometimes' } }, /schedule.mode/],
  ['schedule', { schedule: { mode: 'auto', run_at: { hour: 3 } } }, /schedule.run_at/],
  ['schedule', { schedule: { mode: 'auto', cron: '* * * * *' } }, /schedule.cron: no such key/],
  ['schedule', { schedule: { mode: 'auto', days: ['someday'] } }, /schedule.days/],
  ['schedule', { schedule: { mode: 'auto', time_zone: 'Europe/Nowhere' } }, /schedule.time_zone: no such time zone/],
  ['schedule', { schedule: { mode: 'auto', repeat_count: 0 } }, /schedule.repeat_count/],
  ['schedule', { schedule: { mode: 'auto', max_execution: { value: 1, unit: 'week' } } }, /schedule.max_execution/],
  ['schedule', { schedule: { mode: 'auto', start_date: 5, end_date: 5 } }, /schedule.end_date: it is not after/],
  ...['start_date', 'end_date', 'repeat_count'].map(
    (key) =>
      [
        'schedule',
        { schedule: { mode: 'manual', [key]: 5 } },
        new RegExp(`schedule.${key}: a manual job runs only when it is started`),
      ] as const,
  ),
  ['schedule', { schedule: { mode: 'manual', run_at: { hr: 3 } } }, /schedule.run_at: a manual job/],
  ['schedule', { schedule: { mode: 'manual', days: ['monday'] } }, /schedule.days: a manual job/],
  ['schedule', { schedule: { mode: 'ad-hoc', repeat_count: 3 } }, /schedule.repeat_count: an ad-hoc job runs once/],
  ['stop_policy', { stop_policy: { on_failure: -1 } }, /stop_policy.on_failure/],
  ['stop_policy', { stop_policy: { on_success: 1, completions: 2 } }, /stop_policy.completions: on_success says/],
  ['owner', { owner: 'x' }, /owner: no such key/],
];

t.test('what cannot be is refused by name', async (t) => {
  for (const [key, more, why] of refused)
    t.throws(
      () => parseJobBody({ name: 'x', transfer, ...more }),
      { code: 'job-refused', details: { why } },
      `${key}: ${JSON.stringify(more)}`,
    );
});

const NOW = Date.parse('2026-06-03T10:00:00Z');
const next = (given: object, ran?: { end: number }): number | undefined => {
  const schedule: Schedule = scheduleSchema.parse({ time_zone: 'UTC', ...given });
  const previous = ran ? { start: ran.end - 1000, end: ran.end, status: 'completed' as const } : undefined;
  return nextRun(schedule, { now: NOW, createdOn: NOW, runs: ran ? 1 : 0, ...(previous ? { previous } : {}) });
};
const at = (iso: string): number => Date.parse(iso);

t.test('every key of a schedule moves a run', async (t) => {
  const shown: Readonly<Record<string, () => void>> = {
    mode: () => {
      t.equal(next({ mode: 'auto' }), NOW);
      t.equal(next({ mode: 'manual' }), undefined);
      t.equal(next({ mode: 'ad-hoc' }), NOW);
      t.equal(next({ mode: 'ad-hoc' }, { end: NOW }), undefined);
    },
    start_date: () => t.equal(next({ start_date: NOW / 1000 + 60 }), NOW + 60_000),
    end_date: () => t.equal(next({ end_date: NOW / 1000 }), undefined),
    start_window: () => t.equal(next({ start_window: { hr: 11 } }), at('2026-06-03T11:00:00Z')),
    end_window: () => t.equal(next({ end_window: { hr: 9 } }), at('2026-06-04T00:00:00Z')),
    days: () => t.equal(next({ days: ['friday'] }), at('2026-06-05T00:00:00Z')),
    run_at: () => t.equal(next({ run_at: { hr: 12, min: 5 } }), at('2026-06-03T12:05:00Z')),
    repeat_count: () => t.equal(next({ repeat_count: 1 }, { end: NOW }), undefined),
    repeat_interval: () =>
      t.equal(next({ repeat_interval: { value: 2, unit: 'h' } }, { end: NOW }), NOW + 2 * 3_600_000),
    max_execution: () =>
      t.equal(latestEnd(scheduleSchema.parse({ max_execution: { value: 5, unit: 'm' } }), NOW), NOW + 300_000),
    time_zone: () =>
      t.equal(next({ run_at: { hr: 12, min: 5 }, time_zone: 'Europe/Berlin' }), at('2026-06-03T10:05:00Z')),
  };
  for (const show of Object.values(shown)) show();
  t.strictSame(Object.keys(shown).sort(), Object.keys(scheduleSchema.shape).sort(), 'every key is shown');
});

t.test('stop policies by both of their names', async (t) => {
  for (const [word, older] of [
    ['on_execute', 'executions'],
    ['on_success', 'completions'],
    ['on_failure', 'failures'],
  ] as const)
    for (const name of [word, older]) {
      const folders = new Folders(t);
      put(folders.a, { 'one.txt': '1' });
      if (word === 'on_failure') put(folders.b, { 'one.txt/': '' });
      const { id } = folders.add({}, { stop_policy: { [name]: 1 } });
      await folders.run(id);
      if (word === 'on_success') {
        t.not(folders.store.get(id).status, 'complete', 'a run with changes is not counted');
        await folders.run(id);
      }
      t.equal(folders.store.get(id).status, 'complete', name);
    }
});

t.test('a body as other programs write it is taken as it is', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'sourceDocumentLibrary/one.txt': '1' });
  const body = parseJobBody({
    name: 'Simple Job',
    kind: 'transfer',
    transfer: {
      transfer_type: 'copy',
      source: { connection: { id: folders.a }, target: { path: '/sourceDocumentLibrary' } },
      destination: { connection: { id: folders.b }, target: { path: '/destinationFolder' } },
      simulation_mode: false,
    },
    schedule: { mode: 'manual' },
    stop_policy: { on_success: 5, on_failure: 5, on_execute: 25 },
    category: { name: 'Report {Name}' },
  });
  const job = folders.store.add(body);
  t.match(job, { stop_policy: { on_success: 5, on_failure: 5, on_execute: 25 }, category: { name: 'Report {Name}' } });
  t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 1 } });
  t.strictSame(contentOf(folders.b), { 'destinationFolder/one.txt': '1' }, 'a missing destination is made');
});

t.test('what lists and people need is kept; a category is made, a parent must be there', async (t) => {
  const folders = new Folders(t);
  const parent = folders.add();
  const job = folders.add({}, { description: 'why', category: { name: 'Report {Name}' }, parent_id: parent.id });
  t.match(job, { description: 'why', category: { name: 'Report {Name}' }, parent_id: parent.id });
  t.equal(folders.add({}, { category: { id: job.category!.id } }).category?.name, 'Report {Name}');
  t.equal(folders.store.categories().length, 1, 'a name stands for one category');
  t.throws(() => folders.add({}, { category: { id: 'nobody' } }), { code: 'no-such-category' });
  t.throws(() => folders.add({}, { parent_id: 'nobody' }), {
    code: 'job-refused',
    details: { why: /parent_id: .*nobody/ },
  });
});

t.test('of jobs that are due the greater priority goes first, a disabled one never by itself', async (t) => {
  const folders = new Folders(t, undefined, { parallel: 1 });
  put(folders.a, { 'one.txt': '1' });
  const to = (path: string) => ({ destination: { connection: { id: folders.b }, target: { path } } });
  const auto = { schedule: { mode: 'auto' } };
  const low = folders.add(to('/low'), { ...auto, priority: 10 });
  const high = folders.add(to('/high'), { ...auto, priority: 90 });
  const off = folders.add(to('/off'), { ...auto, priority: 100, disabled: true });
  folders.engine.start();
  const first = (id: string): number | undefined => folders.store.executions(id)[0]?.id;
  await until(() => first(low.id) !== undefined && first(high.id) !== undefined);
  t.ok(first(high.id)! < first(low.id)!, 'the greater one first');
  t.equal(first(off.id), undefined);
  await folders.run(off.id);
  t.ok(existsSync(join(folders.b, 'off', 'one.txt')), 'by hand it runs');
});

t.test('runs and their reports are kept for the days of retention', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1' });
  const { id } = folders.add({}, { retention: { days: 2 } });
  const runs = [await folders.run(id), await folders.run(id)];
  const day = 86_400_000;
  folders.store.update(runs[0]!.id, { ended: Date.now() - 3 * day });
  folders.store.update(runs[1]!.id, { ended: Date.now() - day });
  const last = await folders.run(id);
  t.strictSame(
    folders.store.executions(id).map((run) => run.id),
    [last.id, runs[1]!.id],
  );
  t.notOk(existsSync(runs[0]!.stats.report!), 'its report goes with it');
  t.ok(existsSync(runs[1]!.stats.report!));
});

t.test('every key of a job is looked at here', async (t) => {
  const seen = new Set([
    ...refused.map(([key]) => key),
    ...['transfer', 'description', 'category', 'parent_id', 'priority', 'disabled', 'retention'],
  ]);
  t.strictSame(
    Object.keys(jobBodySchema.shape).filter((key) => !seen.has(key)),
    [],
  );
});
