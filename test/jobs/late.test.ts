import { createHash } from 'node:crypto';
import t from 'tap';
import { jobProjects } from '../support/job-projects.js';
import { put } from '../support/jobs.js';
import { until } from '../support/processes.js';

const { admin, engine, add, versions, ends, folder } = await jobProjects(t);
const sum = (text: string): string => createHash('sha256').update(text).digest('hex');
const project = Number(ends.b.target.path.slice(1));

const job = (name: string, type = 'copy') =>
  add({
    transfer_type: type,
    source: { ...ends.disk, target: { path: name } },
    destination: { ...ends.b, target: { path: `${ends.b.target.path}/${name}` } },
    performance: { retries: 0 },
  });

/** Paths of what is at the server below a folder. */
const paths = async (name: string): Promise<string[]> =>
  (await admin.tree({ project })).map(({ path }) => path).filter((path) => path.startsWith(`${name}/`));

t.test('a file or a version that comes while the call is repeated is the one that was sent', async (t) => {
  const { id } = await job('repeated');
  put(folder, { 'repeated/a.txt': 'one' });
  for (const [route, content] of [
    ['POST /rest/v1.0/files', 'one'],
    ['POST /rest/v1.0/file_versions', 'number two'],
  ] as const) {
    put(folder, { 'repeated/a.txt': content }, 1_600_000_000 + content.length);
    await admin.faults({ late: { count: 1, ms: 300, route }, slow: { ms: 900, on: ['api'], route, after: 1 } });
    t.match(await engine.run(id, 'manual'), { status: 'completed', stats: { copied: 1 } });
    await admin.noFaults();
  }
  t.strictSame(await versions('repeated/a.txt'), [sum('one'), sum('number two')]);
  t.match(await engine.run(id, 'manual'), { status: 'no_changes' });
});

t.test('a file of the same account and size that has other bytes is not taken for the one that was sent', async (t) => {
  const { id } = await job('other');
  put(folder, { 'other/a.txt': 'ours' });
  await admin.reset();
  await admin.faults({
    '500-html': { count: 1, route: 'POST /rest/v1.0/files' },
    slow: { ms: 700, on: ['api'], route: 'GET /rest/v1.0/folders' },
  });
  const running = engine.run(id, 'manual');
  await until(async () => (await admin.calls()).byRoute['POST /rest/v1.0/files'] === 1);
  await admin.change({ op: 'create', project, path: 'other/a.txt', content: 'them', by: 'Procorefs Service Account' });
  t.match(await running, { stats: { copied: 0 } });
  await admin.noFaults();
  t.strictSame(await versions('other/a.txt'), [sum('them')]);
});

t.test('what comes when the run is over is known by the next', async (t) => {
  for (const type of ['copy', 'sync']) {
    const { id } = await job(`over ${type}`, type);
    const path = `over ${type}/a.txt`;
    put(folder, { [path]: 'one' });
    await admin.faults({ late: { route: 'POST /rest/v1.0/files' } });
    t.match(await engine.run(id, 'manual'), { stats: { copied: 0 } });
    await admin.noFaults();
    await admin.finishLate();
    await engine.run(id, 'manual');
    t.strictSame(await versions(path), [sum('one')], type);
    t.strictSame(await paths(`over ${type}`), [path]);
    t.match(await engine.run(id, 'manual'), { status: 'no_changes' }, type);
  }
});
