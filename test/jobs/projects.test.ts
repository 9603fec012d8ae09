import t from 'tap';
import { jobProjects } from '../support/job-projects.js';
import { contentOf } from '../support/jobs.js';

const { admin, failing, engine, store, add, mirror, versions, ends, folder } = await jobProjects(t);

t.test('all versions go, the oldest first, then only the new ones; cut in the middle, it goes on there', async (t) => {
  const change = (op: 'create' | 'update', content: string) => admin.change({ op, path: 'one.txt', content });
  await change('create', 'first');
  for (const content of ['second', 'third', 'fourth']) await change('update', content);
  const all = async () => (await admin.history()).find(({ path }) => path === 'one.txt')!.history.toReversed();
  const transfer = { transfer_type: 'copy', source: ends.a, versioning: { select: 'all' } };

  const whole = await add({ ...transfer, destination: below(ends.b, 'whole') });
  const { estimate } = (await engine.run(whole.id, 'manual', { simulate: true })).stats;
  t.match(await engine.run(whole.id, 'manual'), { status: 'completed', calls: estimate!.calls }, 'calls as estimated');
  t.strictSame(await versions('whole/one.txt'), await all());

  const job = await add({ ...transfer, destination: below(ends.b, 'cut') });
  Object.assign(failing, { writes: 0, at: 3 });
  t.match(await engine.run(job.id, 'manual'), { status: 'warn', stats: { copied: 0, failed: 1 } });
  t.strictSame(await versions('cut/one.txt'), (await all()).slice(0, 2), 'two whole versions');
  t.match(await engine.run(job.id, 'manual'), { status: 'completed', stats: { copied: 1, bytes: 5 + 6 } });
  t.strictSame(await versions('cut/one.txt'), await all(), 'each version once');

  await change('update', 'fifth');
  await change('update', 'sixth');
  t.match(await engine.run(job.id, 'manual'), { status: 'completed', stats: { copied: 1, bytes: 10 } });
  t.strictSame(await versions('cut/one.txt'), await all(), 'each version once');
  t.equal((await all()).length, 6);
  t.match(await engine.run(job.id, 'manual'), { status: 'no_changes' });
});

t.test('of the latest alone, older versions stay where they are', async (t) => {
  const job = await add({
    transfer_type: 'copy',
    source: ends.a,
    destination: below(ends.b, 'latest'),
    versioning: { preserve: 'none' },
  });
  t.match(await engine.run(job.id, 'manual'), { status: 'completed' });
  t.equal((await versions('latest/one.txt'))?.length, 1);
});

t.test('what is in a folder has one version, which goes to a project; back all of them cannot', async (t) => {
  const all = { versioning: { select: 'all' } };
  const why = /versioning.select: "all" cannot be: a folder keeps one version of a file/;
  for (const transfer of [
    { transfer_type: 'copy', source: ends.a, destination: ends.disk },
    { transfer_type: 'sync', source: ends.disk, destination: ends.b },
  ])
    await t.rejects(add({ ...transfer, ...all }), { code: 'job-refused', details: { why } }, transfer.transfer_type);
  await t.rejects(
    add({ transfer_type: 'copy', source: ends.disk, destination: ends.b, timestamps: true }),
    { code: 'job-refused', details: { why: /transfer.timestamps: Procore gives times itself/ } },
    'times into Procore',
  );
  const job = await add({ transfer_type: 'copy', source: ends.disk, destination: below(ends.b, 'disk'), ...all });
  t.match(await engine.run(job.id, 'manual'), { status: 'completed', stats: { copied: 1 } });
  t.equal((await versions('disk/one.txt'))?.length, 1);
  t.strictSame(contentOf(folder), { 'one.txt': '1' });
});

t.test('the interval of a job counts as somebody who looks at its source', async (t) => {
  const looks: unknown[] = [];
  for (const n of [0, 1] as const) {
    const one = await mirror(n);
    const { looksEvery } = one;
    one.looksEvery = (job, seconds) => {
      looks.push([n, job, seconds]);
      looksEvery.call(one, job, seconds);
    };
  }
  const { id } = await add({
    transfer_type: 'copy',
    source: ends.a,
    destination: below(ends.disk, 'often'),
  });
  const slow = await add({
    transfer_type: 'copy',
    source: ends.a,
    destination: below(ends.disk, 'slow'),
  });
  const schedule = { mode: 'auto', repeat_interval: { value: 7, unit: 's' } } as const;
  for (const job of [id, slow.id])
    store.replace(job, {
      ...store.get(job),
      category: undefined,
      schedule: job === id ? schedule : { mode: 'manual' },
    });
  t.match(await engine.run(id, 'schedule'), { status: /completed|no_changes/ });
  t.strictSame(looks, [[0, id, 7]], 'the mirror of the source is told');
  const { estimate } = (await engine.run(id, 'manual', { simulate: true })).stats;
  t.match(estimate, { polls_per_hour: Math.ceil(3600 / 7) }, 'what that costs is in the estimate');
  t.match((await engine.run(slow.id, 'manual', { simulate: true })).stats.estimate, { polls_per_hour: 0 });
});

const below = (end: { connection: { id: string }; target?: { path: string } }, name: string) => ({
  ...end,
  target: { path: `${end.target?.path ?? ''}/${name}` },
});

t.test('a project that the account may only read is known before the first call that would be refused', async (t) => {
  const { admin, engine, add, ends } = await jobProjects(t, { 'project-access': 'read' });
  await admin.reset();
  for (const destination of [ends.b, below(ends.b, 'new')]) {
    const { id } = await add({ transfer_type: 'copy', source: ends.disk, destination });
    t.match(await engine.run(id, 'manual'), {
      status: 'failed_to_start',
      reason: /no permission on .* for writing: the account may only read there/,
      calls: 0,
    });
  }
  t.equal((await admin.calls()).status4xx, 0);
});
