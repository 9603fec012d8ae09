import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import type { Opener } from '#src/jobs/opener.js';
import { Trial } from '../support/job-trial.js';
import { contentOf, Folders, folderOpener, put, trashOf } from '../support/jobs.js';
import { until } from '../support/processes.js';

t.test('copy: the first run takes everything, the second nothing, the third what changed', async (t) => {
  const folders = new Folders(t);
  const { a, b } = folders;
  put(a, { 'one.txt': '1', 'deep/er/two.txt': '22', 'empty/': '' });
  const job = folders.add();
  const first = await folders.run(job.id);
  t.match(first, { status: 'completed', stats: { copied: 2, bytes: 3 } });
  t.strictSame(contentOf(b), contentOf(a));
  t.equal(statSync(join(b, 'one.txt')).mtimeMs / 1000, 1_600_000_000, 'times are kept');
  const second = await folders.run(job.id);
  t.match(second, { status: 'no_changes', stats: { copied: 0, bytes: 0, unchanged: 2 } });
  put(a, { 'one.txt': 'changed' }, 1_600_000_100);
  const third = await folders.run(job.id);
  t.match(third, { status: 'completed', stats: { copied: 1, bytes: 7 } });
  t.strictSame(contentOf(b), contentOf(a));
  t.strictSame(trashOf(b), ['1'], 'what was overwritten is in the trash');
  t.match(readFileSync(join(third.stats.report!, 'items.csv'), 'utf8'), /one.txt,one.txt,file,copy,success/);
});

t.test('a run that shows as ended has its report', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1' });
  const job = folders.add();
  const seen: boolean[] = [];
  const { store } = folders;
  const update = store.update.bind(store);
  store.update = (id, change) => {
    update(id, change);
    const { phase, stats } = store.execution(id)!;
    if (phase === 'complete') seen.push(existsSync(join(stats.report ?? '/nowhere', 'summary.json')));
  };
  await folders.run(job.id);
  t.ok(seen.length);
  t.notOk(seen.includes(false));
});

t.test('a report that cannot be written does not make a failure of what the run did', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1' });
  const job = folders.add();
  writeFileSync(join(folders.top, 'jobs', 'reports'), 'in the way');
  const done = await folders.run(job.id);
  t.match(done, { status: 'completed', stats: { copied: 1 } });
  t.equal(done.stats.report, undefined);
  t.strictSame(contentOf(folders.b), contentOf(folders.a));
});

t.test('a simulation touches nothing and says what a run would do', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1', 'deep/two.txt': '22' });
  const job = folders.add();
  const dry = await folders.run(job.id, { simulate: true });
  t.match(dry, { status: 'completed', simulation: true, stats: { pending: 3 } });
  t.strictSame(contentOf(folders.b), {});
  t.equal(folders.store.get(job.id).counts.executions, 0);
  t.match(await folders.run(job.id), { stats: { copied: 2 } });
});

t.test('publish deletes what is foreign, into the trash; a folder goes as a whole', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1' });
  put(folders.b, { 'one.txt': 'other', 'foreign/a.txt': 'a', 'foreign/b/c.txt': 'c' });
  const job = folders.add({ transfer_type: 'publish' });
  t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 1, deleted: 4 } });
  t.strictSame(contentOf(folders.b), { 'one.txt': '1' });
  t.strictSame(trashOf(folders.b), ['a', 'c', 'other']);
});

t.test('many deletions are held until they are allowed', async (t) => {
  const folders = new Folders(t);
  for (let n = 0; n < 30; n++) put(folders.a, { [`${n}.txt`]: 'x' });
  const job = folders.add({ delete_propagation: 'mirror' });
  await folders.run(job.id);
  for (let n = 0; n < 30; n++) rmSync(join(folders.a, `${n}.txt`));
  t.match(await folders.run(job.id), { status: 'warn', stats: { deleted: 0, failed: 30 } });
  t.equal(Object.keys(contentOf(folders.b)).length, 30);
  t.match(await folders.run(job.id, { allowDeletions: true }), { stats: { deleted: 30 } });
  t.strictSame(contentOf(folders.b), {});
});

t.test('move leaves nothing at the source, but for what could not go', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1', 'deep/er/two.txt': '22' });
  const job = folders.add({ transfer_type: 'move' });
  t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 2 } });
  t.strictSame(contentOf(folders.b), { 'one.txt': '1', 'deep/er/two.txt': '22' });
  t.notOk(existsSync(join(folders.a, 'one.txt')));
  t.notOk(existsSync(join(folders.a, 'deep/er/two.txt')));
});

t.test('sync both ways carries changes, new items and deletions, and keeps both sides of a conflict', async (t) => {
  const folders = new Folders(t);
  const { a, b } = folders;
  put(a, { 'one.txt': '1', 'two.txt': '2', 'gone.txt': 'g' });
  put(b, { 'three.txt': '3' });
  const job = folders.add({ transfer_type: 'sync', delete_propagation: 'mirror' });
  await folders.run(job.id);
  t.strictSame(contentOf(a), contentOf(b));
  put(a, { 'one.txt': 'a changed' }, 1_600_000_100);
  put(b, { 'one.txt': 'b changed too', 'three.txt': '33' }, 1_600_000_200);
  rmSync(join(b, 'gone.txt'));
  await folders.run(job.id);
  await folders.run(job.id);
  t.strictSame(contentOf(a), contentOf(b));
  const names = Object.keys(contentOf(a));
  t.equal(contentOf(a)['one.txt'], 'b changed too', 'the later one has the name');
  const kept = names.find((name) => name.startsWith('one (conflict'));
  t.equal(contentOf(a)[kept!], 'a changed');
  t.notOk(names.includes('gone.txt'));
  t.equal(contentOf(a)['three.txt'], '33');
});

t.test('a run that no engine looks after obeys people as well', async (t) => {
  const trial = new Trial(t, { slow: 100 });
  put(trial.a, Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`${n}.txt`, 'x'])));
  const { id } = trial.add({ performance: { parallel_writes: { requested: 1 } } });
  const run = trial.run(id);
  await until(() => Object.keys(contentOf(trial.b)).length > 2);
  trial.store.ask(id, 'cancel');
  t.match(await run, { status: 'cancelled' });
  t.match(await trial.run(id), { status: 'completed' });
  t.strictSame(contentOf(trial.b), contentOf(trial.a));
});

t.test('when an end is gone for a while, the run waits and goes on', async (t) => {
  let looks = 0;
  const opener: Opener = {
    ...folderOpener,
    async open(reference, request) {
      const side = await folderOpener.open(reference, request);
      const gone = () => new Failure('target-unreachable', { target: side.root });
      const [write, stat] = [side.write.bind(side), side.stat.bind(side)];
      let isGone = false;
      side.write = (path, content, options) => {
        if (looks === 0 && path === '1.txt') isGone = true;
        return isGone ? Promise.reject(gone()) : write(path, content, options);
      };
      side.stat = (path, signal) => {
        if (isGone && ++looks > 3) isGone = false;
        return isGone ? Promise.reject(gone()) : stat(path, signal);
      };
      return side;
    },
  };
  const folders = new Folders(t, opener);
  put(folders.a, { '1.txt': '1', '2.txt': '2', '3.txt': '3' });
  const one = { retries: 0, parallel_writes: { requested: 1 } };
  t.match(await folders.run(folders.add({ performance: one }).id), { status: 'completed', stats: { copied: 3 } });
  t.ok(looks > 3, 'it looked until it was back');
  t.strictSame(contentOf(folders.b), contentOf(folders.a));
});

t.test('a source that is not there fails to start and touches nothing', async (t) => {
  const folders = new Folders(t);
  put(folders.b, { 'kept.txt': 'x' });
  const job = folders.add({
    transfer_type: 'publish',
    source: { connection: { id: folders.a }, target: { path: '/nowhere' } },
  });
  t.match(await folders.run(job.id), { status: 'failed_to_start' });
  t.strictSame(contentOf(folders.b), { 'kept.txt': 'x' });
  t.equal(folders.store.get(job.id).status, 'failed-to-start');
});

t.test('a destination inside its own source is refused before anything is touched', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1' });
  mkdirSync(join(folders.a, 'inner'));
  const job = folders.add({ destination: { connection: { id: folders.a }, target: { path: '/inner' } } });
  const run = await folders.run(job.id);
  t.match(run, { status: 'failed_to_start', reason: /contain each other/ });
  t.strictSame(contentOf(join(folders.a, 'inner')), {});
});

t.test('names that the destination cannot hold are in the manifest', async (t) => {
  const folders = new Folders(t);
  put(folders.a, { 'one.txt': '1' });
  const job = folders.add();
  const run = await folders.run(job.id);
  t.equal(readFileSync(join(run.stats.report!, 'manifest.csv'), 'utf8').split('\r\n').length, 2, 'only its head');
});

t.test('a disk that takes no results for a while ends neither the run nor its process', async (t) => {
  const trial = new Trial(t, { slow: 700 });
  const { store } = trial;
  let failed = 0;
  const update = store.update.bind(store);
  store.update = (id, changes) => {
    // While the first bytes are under way.
    if (trial.writes.tried === 0 || failed++ > 0) return update(id, changes);
    throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });
  };
  put(trial.a, { 'one.txt': '1', 'two.txt': '22' });
  const run = await trial.ran({});
  t.ok(failed > 0);
  t.match(run, { status: 'completed', stats: { copied: 2 } });
  t.strictSame(contentOf(trial.b), contentOf(trial.a));
});
