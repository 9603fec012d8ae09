import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Failure } from '#src/base/errors.js';
import { silentLog } from '#src/base/log.js';
import { Secret } from '#src/base/secret.js';
import { Connections } from '#src/connections/store.js';
import { JobOpener, jobsDatabasePath } from '#src/daemon/jobs/opener.js';
import { StateFolder } from '#src/daemon/state-folder.js';
import { type Job, parseJobBody } from '#src/jobs/definition/job-schema.js';
import { JobEngine } from '#src/jobs/engine.js';
import type { Opener } from '#src/jobs/opener.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import { contentOf, put } from '../helpers/jobs.js';
import { simulator } from '../helpers/simulator.js';

/** Two projects of one account, a folder, and an engine in this process whose writes into projects can be made to fail. */
async function setUp(t: Test) {
  const { ready, admin } = await simulator(t, {
    items: 0,
    oddNames: 'no',
    projects: 2,
    spike: 3000,
    hourly: 1_000_000,
  });
  const top = mkdtempSync(join(tmpdir(), 'procorefs-test-'));
  const state = new StateFolder(join(top, 'state'));
  const connections = new Connections(state.path);
  const { id } = connections.add(
    {
      apiUrl: ready.api,
      loginUrl: ready.login,
      clientId: ready.client_id,
      grant: 'client-credentials',
      company: ready.company_id as never,
    },
    new Secret(ready.client_secret),
  );
  const folder = join(top, 'folder');
  put(folder, { 'one.txt': '1' });
  const disk = connections.addTarget({ name: 'disk', platform: 'fs', uri: folder }, undefined, {});
  const projectOptions = {
    cacheLimit: 2 ** 30,
    cacheReserve: 0,
    pollInterval: 3600,
    settle: 0,
    deleteDelay: 0,
    holdAfter: 1_000_000,
    noDelete: false,
    temporary: [],
  };
  const own = new JobOpener({ state, options: {}, projectOptions, log: silentLog });
  const failing = { at: 0, writes: 0 };
  const opener: Opener = {
    place: (reference) => own.place(reference),
    async open(reference, request) {
      const side = await own.open(reference, request);
      const write = side.write.bind(side);
      side.write = (path, content, options) => {
        if (++failing.writes === failing.at)
          return Promise.reject(new Failure('target-denied', { target: side.root, path }));
        return write(path, content, options);
      };
      return side;
    },
  };
  const store = new JobStore(jobsDatabasePath(state));
  const engine = new JobEngine({ store, opener, folder: state.jobs(), log: silentLog });
  t.teardown(async () => {
    await engine.close();
    store.close();
    rmSync(top, { recursive: true, force: true });
  });
  const [a, b] = ready.projects.map((project) => ({ connection: { id }, target: { path: `/${project.id}` } }));
  // Held from the first run to the last: to open them anew for each would take most of the time.
  const both = parseJobBody({ name: 'both', transfer: { source: a, destination: b } }) as unknown as Job;
  const claim = await own.claim(both, 'manual', {});
  t.teardown(() => claim?.release());
  const add = async (transfer: object) => {
    const body = parseJobBody({ name: `job ${store.list().length}`, transfer, schedule: { mode: 'manual' } });
    await engine.check(body.name, body.transfer);
    return store.add(body);
  };
  const project = ready.projects[1]!.id;
  /** Hashes of the versions of a file of the second project, the oldest first, by the place of their content. */
  const versions = async (path: string) =>
    (await admin.history({ project })).find((one) => one.path === path && !one.deleted)?.history.toReversed();
  return {
    admin,
    folder,
    failing,
    engine,
    store,
    add,
    versions,
    ends: { a: a!, b: b!, disk: { connection: { id: disk.id } } },
  };
}

const { admin, failing, engine, add, versions, ends, folder } = await setUp(t);

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

const below = (end: { connection: { id: string }; target: { path: string } }, name: string) => ({
  ...end,
  target: { path: `${end.target.path}/${name}` },
});
