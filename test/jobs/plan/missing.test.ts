import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FLAGGED } from '#src/jobs/definition/words.js';
import type { JobStore } from '#src/jobs/store/job-store.js';
import { jobProjects } from '../../support/job-projects.js';
import { contentOf } from '../../support/jobs.js';

const { signal } = new AbortController();
const MIRROR = { delete_propagation: 'mirror' };

const flagged = (store: JobStore, execution: number): string[] =>
  [...store.items(execution).rows(FLAGGED)].map(({ folder, name }) => join(folder, name)).sort();

/** As an older release has recorded it. */
function forgetIds(store: JobStore, job: string): void {
  const records = store.records(job);
  for (const folder of ['', 'Permits', 'Permits/deep'])
    for (const record of records.ofFolder(folder).values())
      records.put({ ...record, source: { ...record.source!, id: undefined } });
}

/** A project with a few files that jobs have copied to folders. */
async function copied(t: Test, transfers: Readonly<Record<string, object>>, switches?: Record<string, string>) {
  const bench = await jobProjects(t, switches);
  const { admin, folder, engine, add, ends } = bench;
  rmSync(join(folder, 'one.txt'));
  for (const path of ['Permits', 'Permits/deep']) await admin.change({ op: 'create', type: 'folder', path });
  for (const path of ['kept.txt', 'letter.txt', 'plan.txt', 'Permits/a.txt', 'Permits/deep/b.txt'])
    await admin.change({ op: 'create', path, content: path });
  const jobs = [];
  for (const [name, transfer] of Object.entries(transfers)) {
    const destination = { ...ends.disk, target: { path: `/${name}` } };
    const { id } = await add({ source: ends.a, destination, ...transfer });
    const run = () => engine.run(id, 'manual');
    t.match(await run(), { status: 'completed', stats: { copied: 5 } });
    const here = () => Object.keys(contentOf(join(folder, name))).filter((path) => path !== 'Schedules/');
    jobs.push({ id, name, run, here });
  }
  const mirror = await bench.mirror(0);
  const swept = () => mirror.sweepNow('background', signal);
  return { ...bench, jobs, swept };
}

t.test('what may not be seen any more is not deleted, and goes on when it can be seen', async (t) => {
  const { admin, store, jobs, swept } = await copied(t, {
    copy: { transfer_type: 'copy', ...MIRROR },
    sync: { transfer_type: 'sync', ...MIRROR },
    publish: { transfer_type: 'publish' },
  });
  const show = async (visible: boolean) => {
    for (const path of ['letter.txt', 'Permits']) await admin.change({ op: 'permission', path, visible });
    await swept();
  };
  await show(false);
  for (const [n, { name, run, here }] of jobs.entries()) {
    await admin.reset();
    const blind = await run();
    t.match(blind, { status: 'warn', stats: { deleted: 0, copied: 0, failed: 2 } }, name);
    t.strictSame(flagged(store, blind.id), ['Permits', 'letter.txt'], 'a folder once, with all that is in it');
    for (const { reason } of store.items(blind.id).rows(FLAGGED)) t.match(reason, /no longer visible/);
    t.strictSame(here(), ['Permits/a.txt', 'Permits/deep/b.txt', 'kept.txt', 'letter.txt', 'plan.txt']);
    t.equal((await admin.calls()).total, n === 0 ? 2 : 1, 'the poll, and once a look into the recycle bin');
  }
  await show(true);
  for (const { name, run } of jobs) t.match(await run(), { status: 'no_changes', stats: { failed: 0 } }, name);
  await admin.change({ op: 'delete', path: 'letter.txt' });
  await admin.change({ op: 'move', path: 'plan.txt', to: 'Permits/plan.txt' });
  await admin.change({ op: 'delete', path: 'Permits/deep' });
  for (const { name, run, here } of jobs) {
    await admin.reset();
    t.match(await run(), { status: 'completed', stats: { copied: 1, deleted: 4, failed: 0 } }, name);
    t.strictSame(here(), ['Permits/a.txt', 'Permits/plan.txt', 'kept.txt'], 'what was deleted or moved is carried');
    t.equal((await admin.calls()).total, 1, 'the poll says so');
  }
});

for (const switches of [
  { 'bump-delete': 'no', 'recycled-parent': 'bin' },
  { 'recycled-in-index': 'excluded', 'bump-delete': 'no', 'recycled-subtree': 'kept' },
])
  t.test(`deletions are told from what is not seen: ${JSON.stringify(switches)}`, async (t) => {
    const { admin, store, jobs, swept } = await copied(t, { copy: MIRROR }, switches);
    if ('recycled-parent' in switches) forgetIds(store, jobs[0]!.id);
    await admin.change({ op: 'permission', path: 'letter.txt', visible: false });
    for (const path of ['plan.txt', 'Permits']) await admin.change({ op: 'delete', path });
    await swept();
    await admin.reset();
    const second = await jobs[0]!.run();
    t.match(second, { status: 'warn', stats: { failed: 1, deleted: 5 } });
    t.ok((await admin.calls()).total <= 2, 'the poll, and a look into the recycle bin');
    t.strictSame(flagged(store, second.id), ['letter.txt']);
    t.strictSame(jobs[0]!.here(), ['kept.txt', 'letter.txt']);
  });

t.test('what may not be seen at the destination is not deleted at the source', async (t) => {
  const { admin, folder, store, engine, add, ends, mirror } = await jobProjects(t);
  const project = Number(ends.b.target.path.slice(1));
  await admin.change({ op: 'create', type: 'folder', path: 'Permits', project });
  for (const path of ['Permits/a.txt', 'letter.txt'])
    await admin.change({ op: 'create', path, content: path, project });
  const job = await add({ source: ends.disk, destination: ends.b, transfer_type: 'sync', ...MIRROR });
  t.match(await engine.run(job.id, 'manual'), { status: 'completed', stats: { copied: 3 } });
  for (const path of ['letter.txt', 'Permits']) await admin.change({ op: 'permission', path, visible: false, project });
  await (await mirror(1)).sweepNow('background', signal);
  const blind = await engine.run(job.id, 'manual');
  t.match(blind, { status: 'warn', stats: { deleted: 0, copied: 0, failed: 2 } });
  t.strictSame(flagged(store, blind.id), ['Permits', 'letter.txt']);
  t.match(contentOf(folder), { 'letter.txt': 'letter.txt', 'Permits/a.txt': 'Permits/a.txt' });
});
