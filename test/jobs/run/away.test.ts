import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Clock, systemClock } from '#src/base/clock.js';
import { Failure } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import { parseJobBody } from '#src/jobs/definition/job-schema.js';
import { JobEngine } from '#src/jobs/engine.js';
import type { Opener } from '#src/jobs/opener.js';
import { contentOf, Folders, folderOpener, put } from '../../support/jobs.js';

const at = (time: string): number => Date.parse(`2026-06-03T${time}:00Z`);
const DAY = 24 * 3_600_000;

/** Two folders, one of which is away between two times of a clock that is set by hand, or runs as fast as it can. */
function nights(t: Test, schedule: object, away: { from: number; to: number; what?: 'open' | 'list' }) {
  const state = { now: at('01:30'), looks: [] as string[], isFast: false };
  const clock: Clock = {
    ...systemClock,
    now: () => state.now,
    async sleep(ms, signal) {
      if (!state.isFast) return systemClock.sleep(ms, signal);
      state.now += ms;
      await nextTurn();
      if (signal?.aborted) throw signal.reason;
    },
  };
  const opener: Opener = {
    ...folderOpener,
    async open(reference, request) {
      const isAway = () => reference.connection.id === folders.b && state.now >= away.from && state.now < away.to;
      const gone = () => new Failure('target-unreachable', { target: '/srv/nas', why: 'nothing is mounted there' });
      if (reference.connection.id === folders.b) state.looks.push(new Date(state.now).toISOString().slice(11, 16));
      if (isAway() && away.what !== 'list') throw gone();
      const side = await folderOpener.open(reference, request);
      const stat = side.stat.bind(side);
      side.stat = (path, signal) => (isAway() ? Promise.reject(gone()) : stat(path, signal));
      return side;
    },
  };
  const folders = new Folders(t, opener);
  const { store } = folders;
  const engine = new JobEngine({ store, opener, folder: `${folders.top}/jobs`, log: silentLog, clock });
  t.teardown(() => engine.close());
  put(folders.a, { 'one.txt': '1', 'd/two.txt': '2' });
  const body = {
    name: 'nightly',
    transfer: {
      transfer_type: 'copy',
      source: { connection: { id: folders.a } },
      destination: { connection: { id: folders.b } },
    },
    schedule: { mode: 'auto', time_zone: 'UTC', ...schedule },
  };
  const { id } = store.add(parseJobBody(body));
  /** The run that is due, at its time. */
  const next = async () => {
    state.now = Math.max(state.now, store.get(id).execute_on! * 1000);
    return engine.run(id, 'schedule');
  };
  return { ...folders, store, engine, state, id, next, here: () => contentOf(folders.b) };
}

for (const what of ['open', 'list'] as const)
  t.test(`a nightly run whose target is away (${what}) waits, looks more and more seldom, and goes on`, async (t) => {
    const { store, state, id, next, a, here } = nights(
      t,
      { run_at: { hr: 2 } },
      { from: at('01:00'), to: at('03:10'), what },
    );
    store.setState(id, { executeOn: at('02:00') });
    const first = await next();
    t.match(first, { status: 'not_complete', reason: /^it waits: .*\/srv\/nas.*next run/ });
    t.match(store.get(id), { status: 'not-complete', health: 'unavailable', counts: { executions: 0, failures: 0 } });
    for (let n = 0; n < 8; n++) await next();
    t.strictSame(state.looks, ['02:00', '02:01', '02:03', '02:07', '02:15', '02:30', '02:45', '03:00', '03:15']);
    t.strictSame(here(), contentOf(a), 'it went on as soon as the target was back');
    t.match(store.executions(id), [{ id: first.id, status: 'completed', started: first.started }]);
    t.equal(store.executions(id).length, 1, 'in the same run');
    t.match(store.get(id), { status: 'success', health: 'healthy', counts: { executions: 1, failures: 0 } });
    t.equal(store.get(id).execute_on! * 1000, at('02:00') + DAY, 'and comes again the next night');
  });

t.test('it waits within the window of the schedule, and begins again with the next', async (t) => {
  const window = { start_window: { hr: 1 }, end_window: { hr: 2, min: 20 }, run_at: { hr: 2 } };
  const { store, state, id, next } = nights(t, window, { from: at('01:00'), to: at('05:00') });
  store.setState(id, { executeOn: at('02:00') });
  for (let n = 0; n < 6; n++) await next();
  t.strictSame(state.looks, ['02:00', '02:01', '02:03', '02:07', '02:15', '01:00']);
  t.equal(state.now, at('01:00') + DAY);
  t.equal(store.executions(id)[0]!.status, 'completed');
});

t.test('the runner of the jobs looks by itself, also after it was started anew', async (t) => {
  const bench = nights(t, { run_at: { hr: 2 } }, { from: at('01:00'), to: at('02:10') });
  const { engine, store, id, state, here, a } = bench;
  store.setState(id, { executeOn: at('02:00') });
  await bench.next();
  await bench.next();
  state.isFast = true;
  engine.start();
  const isDone = () => store.executions(id)[0]!.status === 'completed';
  while (!isDone() && state.now < at('23:00')) await nextTurn();
  t.ok(isDone());
  t.strictSame(here(), contentOf(a));
});

t.test('a run that somebody starts by hand says at once that an end is away', async (t) => {
  const { engine, id } = nights(t, { run_at: { hr: 2 } }, { from: at('01:00'), to: at('03:10') });
  t.match(await engine.run(id, 'manual'), { status: 'failed_to_start', reason: /cannot be reached/ });
});
