import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { FLAGGED } from '#src/jobs/definition/words.js';
import { heed, ignore } from '#src/jobs/flagged.js';
import { Trial } from '../support/job-trial.js';
import { contentOf, put } from '../support/jobs.js';
import { Installation } from '../support/mounted.js';

const LIMIT = { rules: { maxFileSize: 3 } };

t.test('what is flagged is flagged in every run, until it is ignored, and tried again when it is named', async (t) => {
  const trial = new Trial(t, LIMIT);
  put(trial.a, { 'large.txt': 'large', 'd/large.txt': 'large', 'one.txt': '1' });
  const { id } = trial.add();
  const flagged = (execution: number): string[] =>
    [...trial.store.items(execution).rows(FLAGGED)].map(({ folder, name }) => join(folder, name)).sort();
  const first = await trial.run(id);
  t.strictSame(flagged(first.id), ['d/large.txt', 'large.txt']);
  t.strictSame(flagged((await trial.run(id)).id), ['d/large.txt', 'large.txt'], 'and again');

  const job = trial.store.get(id);
  t.equal(job.status, 'warn');
  for (const word of ['one.txt', 'nothing', '999', ''])
    t.throws(() => ignore(trial.store, job, ['large.txt', word]), { code: 'not-flagged' }, `"${word}"`);
  t.equal(flagged(trial.store.executions(id)[0]!.id).length, 2, 'then nothing is ignored at all');
  t.strictSame(ignore(trial.store, job, ['/large.txt']), ['large.txt']);
  t.equal(trial.store.get(id).status, 'warn', 'one is left');
  const byId = [...trial.store.items(trial.store.executions(id)[0]!.id).rows(FLAGGED)][0]!.id;
  t.strictSame(ignore(trial.store, job, [String(byId)]), ['d/large.txt']);
  t.match(trial.store.get(id), { status: 'success', health: 'healthy' }, 'nothing is left to look at');
  const third = await trial.run(id);
  t.match(third, { status: 'no_changes', stats: { failed: 0, skipped: 2 } });
  t.match([...trial.store.items(third.id).rows()][0]?.reason, /ignored/);

  heed(trial.store, job, ['large.txt']);
  const fourth = await trial.run(id);
  t.strictSame(flagged(fourth.id), ['large.txt']);
  put(trial.a, { 'large.txt': 'ok' }, 1_600_000_100);
  t.match(await trial.run(id), { status: 'completed', stats: { copied: 1 } });
  t.throws(() => heed(trial.store, job, ['one.txt']), { code: 'not-flagged' });
});

t.test('an ignored folder is left with all below it; what is deleted there stays at the other side', async (t) => {
  const trial = new Trial(t);
  put(trial.a, { 'd/one.txt': '1', 'd/two.txt': '2', 'kept.txt': 'k' });
  const { id } = trial.add({ delete_propagation: 'mirror', delete_guard: 0 });
  await trial.run(id);
  rmSync(join(trial.a, 'd'), { recursive: true });
  t.match((await trial.run(id)).stats, { deleted: 0, failed: 3 }, 'held');
  t.strictSame(ignore(trial.store, trial.store.get(id), []), ['d']);
  put(trial.a, { 'kept.txt': 'changed' }, 1_600_000_100);
  t.match(await trial.run(id), { status: 'completed', stats: { copied: 1, deleted: 0, failed: 0, skipped: 1 } });
  t.strictSame(contentOf(trial.b), { 'd/one.txt': '1', 'd/two.txt': '2', 'kept.txt': 'changed' });
  heed(trial.store, trial.store.get(id), ['d']);
  t.match((await trial.run(id, { allowDeletions: true })).stats, { deleted: 3 });
  t.strictSame(contentOf(trial.b), { 'kept.txt': 'changed' });
});

t.test('on the command line', async (t) => {
  const installation = new Installation(t);
  const { folder } = installation;
  put(join(folder, 'from'), { 'one.txt': '1' });
  put(join(folder, 'to'), { 'one.txt/': '' });
  await installation.must(['jobs', 'add', 'x', '--from', join(folder, 'from'), '--to', join(folder, 'to')]);
  const first = await installation.procorefs(['jobs', 'run', 'x', '--wait']);
  t.match(first, { code: 1, stderr: /1 items? failed|failed/ });
  t.equal(await installation.must(['jobs', 'ignore', 'x']), 'ignored: one.txt\n');
  rmSync(join(folder, 'to', 'one.txt'), { recursive: true });
  writeFileSync(join(folder, 'from', 'two.txt'), '2');
  await installation.must(['jobs', 'retry', 'x', 'one.txt', '--wait']);
  t.equal(readFileSync(join(folder, 'to', 'one.txt'), 'utf8'), '1');
  t.match(await installation.must(['jobs', 'report', 'x', '--audit']), /^at,level,event,path,reason\r\n.*info,begin/);
});
