import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import { Somebody } from '../../support/acting-sides.js';
import { contentOf, Folders, put, trashOf } from '../../support/jobs.js';

const LATER = 1_700_000_000;

t.test('a file that is edited while it is moved stays at the source', async (t) => {
  for (const days of [0, 30]) {
    const somebody = new Somebody();
    const folders = new Folders(t, somebody.opener());
    const job = folders.add({ transfer_type: 'move', trash_days: days });
    put(folders.a, { 'plan.txt': 'as it was copied' });
    // The run has made sure of both ends: what is left is the removal itself.
    somebody.acts('before a.discard', () => put(folders.a, { 'plan.txt': 'edited since' }, LATER));
    const run = await folders.run(job.id);
    t.equal(run.status, 'warn', 'it is flagged');
    t.match([...folders.store.items(run.id).rows()], [{ status: 'retry' }]);
    t.strictSame(contentOf(folders.a), { 'plan.txt': 'edited since' });
    t.strictSame(contentOf(folders.b), { 'plan.txt': 'as it was copied' });
    t.equal((await folders.run(job.id)).status, 'completed', 'the next run moves the change');
    t.strictSame(contentOf(folders.a), {});
    t.strictSame(contentOf(folders.b), { 'plan.txt': 'edited since' });
  }
});

t.test('what was moved without an answer is not replaced by a new file that got its name', async (t) => {
  const somebody = new Somebody();
  const folders = new Folders(t, somebody.opener());
  const job = folders.add({ transfer_type: 'move', conflict_resolution: 'failure' });
  put(folders.a, { 'plan.txt': 'the first' });
  somebody.acts('after a.discard', () => {
    put(folders.a, { 'plan.txt': 'another file' }, LATER);
    throw new Failure('target-unreachable', { target: folders.a });
  });
  for (let runs = 0; runs < 2; runs++) {
    t.equal((await folders.run(job.id)).status, 'warn', 'it is flagged');
    t.strictSame(contentOf(folders.a), { 'plan.txt': 'another file' });
    t.strictSame(contentOf(folders.b), { 'plan.txt': 'the first' });
  }
});

t.test('nothing is moved whose copy is not what was written any more', async (t) => {
  for (const change of ['changed', 'removed']) {
    const somebody = new Somebody();
    const folders = new Folders(t, somebody.opener());
    const job = folders.add({ transfer_type: 'move', trash_days: 0 });
    put(folders.a, { 'file.txt': 'the bytes' });
    somebody.acts('after b.write', () =>
      change === 'removed' ? rmSync(join(folders.b, 'file.txt')) : put(folders.b, { 'file.txt': 'others' }, LATER),
    );
    t.equal((await folders.run(job.id)).status, 'warn', change);
    t.strictSame(contentOf(folders.a), { 'file.txt': 'the bytes' });
    t.strictSame(contentOf(folders.b), change === 'removed' ? {} : { 'file.txt': 'others' });
  }
});

t.test('a file that only looks like the one at the destination is not moved away unread', async (t) => {
  const folders = new Folders(t);
  const job = folders.add({ transfer_type: 'move', conflict_resolution: 'failure' });
  put(folders.a, { 'same.txt': 'equal bytes', 'like.txt': 'these bytes' });
  put(folders.b, { 'same.txt': 'equal bytes', 'like.txt': 'other bytes' });
  t.equal((await folders.run(job.id)).status, 'warn');
  t.strictSame(contentOf(folders.a), { 'like.txt': 'these bytes' }, 'of one size and time, and another file');
  t.strictSame(contentOf(folders.b), { 'same.txt': 'equal bytes', 'like.txt': 'other bytes' });
});

for (const type of ['sync', 'publish'])
  for (const days of [0, 30])
    t.test(`${type}, trash_days=${days}: what came into a folder since the plan stays`, async (t) => {
      const somebody = new Somebody();
      const folders = new Folders(t, somebody.opener());
      const job = folders.add({
        transfer_type: type,
        delete_propagation: 'mirror',
        delete_guard: false,
        trash_days: days,
      });
      put(folders.a, { 'gone/known.txt': 'known', 'gone/deep/er.txt': 'known too', 'stays.txt': 'stays' });
      await folders.run(job.id);
      rmSync(join(folders.a, 'gone'), { recursive: true });
      somebody.actsAfterThePlan(() => put(folders.b, { 'gone/deep/new.txt': 'nobody has seen it' }, LATER));
      const run = await folders.run(job.id);
      t.equal(run.status, 'warn', 'it is flagged');
      t.equal(contentOf(folders.b)['gone/deep/new.txt'], 'nobody has seen it');
      if (type === 'publish') return;
      t.equal((await folders.run(job.id)).status, 'completed');
      const both = { 'gone/deep/new.txt': 'nobody has seen it', 'stays.txt': 'stays' };
      t.strictSame(contentOf(folders.b), both, 'what was known goes with the next run');
      t.strictSame(contentOf(folders.a), both, 'and what is new is brought to the other end');
    });

t.test('what was changed in a folder since the plan stays, at either end', async (t) => {
  for (const end of ['a', 'b'] as const) {
    const somebody = new Somebody();
    const folders = new Folders(t, somebody.opener());
    const job = folders.add({ transfer_type: 'sync', delete_propagation: 'mirror' });
    put(folders.a, { 'gone/one.txt': 'one', 'gone/two.txt': 'two', 'stays.txt': 'stays' });
    await folders.run(job.id);
    const other = end === 'a' ? 'b' : 'a';
    rmSync(join(folders[other], 'gone'), { recursive: true });
    somebody.actsAfterThePlan(() => put(folders[end], { 'gone/two.txt': 'changed' }, LATER));
    t.equal((await folders.run(job.id)).status, 'warn');
    t.equal(contentOf(folders[end])['gone/two.txt'], 'changed');
    t.strictSame(trashOf(folders[end]), []);
    await folders.run(job.id);
    t.strictSame(contentOf(folders[other]), { 'gone/two.txt': 'changed', 'stays.txt': 'stays' });
  }
});

t.test('publishing replaces and deletes what the plan has seen, and nothing else', async (t) => {
  const somebody = new Somebody();
  const folders = new Folders(t, somebody.opener());
  const job = folders.add({ transfer_type: 'publish' });
  put(folders.a, { 'both.txt': 'published', 'same.txt': 'published too' });
  put(folders.b, {
    'both.txt': 'foreign',
    'same.txt': 'foreign too',
    'only.txt': 'foreign',
    'folder/in.txt': 'foreign',
  });
  const changes = { 'both.txt': 'changed', 'only.txt': 'changed', 'folder/in.txt': 'changed' };
  somebody.actsAfterThePlan(() => put(folders.b, changes, LATER));
  t.match(await folders.run(job.id), { status: 'warn', stats: { failed: 3, copied: 1 } });
  t.strictSame(contentOf(folders.b), { ...changes, 'same.txt': 'published too' });
  t.match(await folders.run(job.id), { status: 'completed' });
  t.strictSame(contentOf(folders.b), contentOf(folders.a), 'the next plan has seen it');
});

t.test('publishing leaves alone what was kept beside something, and flags it', async (t) => {
  const folders = new Folders(t);
  const job = folders.add({ transfer_type: 'publish' });
  const [file, folder, published] = ['file', 'folder', 'published'].map(
    (n) => `${n} (conflict host 2026-01-31 12.00.00)`,
  );
  put(folders.a, { 'file.txt': 'one', [`${published}.txt`]: 'a conflict of the source' });
  const kept = { [`sub/${file}.txt`]: 'somebody', [`${folder}/in.txt`]: 'somebody else' };
  put(folders.b, { ...kept, 'sub/other.txt': 'foreign', 'file (conflict).txt': 'foreign' });
  for (const status of ['warn', 'warn']) {
    const run = await folders.run(job.id);
    t.match(run, { status, stats: { failed: 2 } });
    t.strictSame(contentOf(folders.b), { ...contentOf(folders.a), ...kept });
  }
  rmSync(join(folders.a, `${published}.txt`));
  await folders.run(job.id);
  t.strictSame(contentOf(folders.b), { 'file.txt': 'one', ...kept }, 'what was published goes as everything does');
});

t.test('what is made again at the other end since the plan is not deleted', async (t) => {
  const somebody = new Somebody();
  const folders = new Folders(t, somebody.opener());
  const job = folders.add({ transfer_type: 'sync', delete_propagation: 'mirror' });
  put(folders.a, { 'file.txt': 'one', 'folder/file.txt': 'two', 'stays.txt': 'stays' });
  await folders.run(job.id);
  for (const gone of ['file.txt', 'folder']) rmSync(join(folders.a, gone), { recursive: true });
  somebody.actsAfterThePlan(() => put(folders.a, { 'file.txt': 'made again', 'folder/': '' }, LATER));
  t.equal((await folders.run(job.id)).status, 'warn');
  t.match(contentOf(folders.b), { 'file.txt': 'one', 'folder/file.txt': 'two' });
});

t.test('a folder that was removed since the plan is not made at the other end', async (t) => {
  const somebody = new Somebody();
  const folders = new Folders(t, somebody.opener());
  const job = folders.add({ transfer_type: 'sync' });
  put(folders.a, { 'new/': '' });
  somebody.actsAfterThePlan(() => rmSync(join(folders.a, 'new'), { recursive: true }));
  t.equal((await folders.run(job.id)).status, 'warn');
  t.strictSame(contentOf(folders.b), {});
});

t.test(
  'a job empties the trash of the sides that it writes, of what has been there as long as was noted',
  async (t) => {
    for (const type of ['copy', 'sync']) {
      const folders = new Folders(t);
      const job = folders.add({ transfer_type: type, trash_days: 1 });
      put(folders.a, { 'file.txt': 'x' });
      for (const folder of [folders.a, folders.b]) {
        put(folder, {
          '.procorefs-trash/2020-01-01/nobody noted it': 'old',
          '.procorefs-trash/2020-01-02/kept for long': 'kept',
          '.procorefs-trash/2020-01-02.keep-36500.another-job.json': '{}',
          '.procorefs-trash/2020-01-03/over': 'over',
          [`.procorefs-trash/2020-01-03.keep-7.${job.id}.json`]: '{}',
        });
        const days = new Date(Date.now() - 20 * 86_400_000).toISOString().slice(0, 10);
        put(folder, { [`.procorefs-trash/${days}/younger than 30 days`]: 'young' });
      }
      const run = await folders.run(job.id);
      t.equal(run.status, 'completed');
      t.strictSame(trashOf(folders.b), ['kept', 'young']);
      t.strictSame(trashOf(folders.a), type === 'sync' ? ['kept', 'young'] : ['kept', 'old', 'over', 'young']);
      const emptied = [...folders.store.auditOf(run.id)].filter(({ event }) => event === 'empty-trash');
      const lines = emptied.map(({ path, reason }) => `${path.slice(folders.top.length)}: ${reason}`);
      const ofB = [
        '/b/.procorefs-trash/2020-01-01: kept for 30 days; put there by: nobody knows',
        `/b/.procorefs-trash/2020-01-03: kept for 7 days; put there by: ${job.name}`,
      ];
      t.strictSame(
        lines.filter((line) => line.startsWith('/b/')),
        ofB,
        'the audit says what went',
      );
      t.equal(lines.length, type === 'sync' ? 4 : 2);
    }
  },
);
