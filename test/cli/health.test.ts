import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { resolveOptions } from '#src/base/options.js';
import { Connections } from '#src/connections/store.js';
import { type HealthReport, inspectHealth } from '#src/daemon/health/inspect.js';
import { noticesOf } from '#src/daemon/health/watch.js';
import { jobsDatabasePath } from '#src/daemon/jobs/opener.js';
import { waitFor } from '#src/jobs/run/away.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import { StateFolder } from '#src/project/state-folder.js';
import { Installation, mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';

const options = resolveOptions({ given: {}, environment: {}, file: {} });

t.test('a state folder with nothing in it is fine, and stays so', async (t) => {
  const installation = new Installation(t);
  const ran = await installation.procorefs(['health']);
  t.strictSame([ran.code, ran.stdout], [0, 'OK: 0 mounts, 0 jobs, 0 connections\n']);
});

t.test('health sees jobs: flagged, failed, without anybody who runs them', async (t) => {
  const installation = new Installation(t);
  const [from, to] = [join(installation.folder, 'from'), join(installation.folder, 'to')];
  mkdirSync(from);
  writeFileSync(join(from, 'a.txt'), 'a');
  await installation.must([
    'jobs',
    'add',
    'out',
    '--from',
    from,
    '--to',
    to,
    '--set',
    `notify.command=cat >> ${installation.folder}/told`,
  ]);
  await installation.must(['jobs', 'run', 'out', '--wait']);
  t.match(await installation.procorefs(['health']), { code: 0, stdout: 'OK: 0 mounts, 1 job, 2 connections\n' });
  rmSync(from, { recursive: true });
  t.equal((await installation.procorefs(['jobs', 'run', 'out', '--wait'])).code, 1);
  const broken = await installation.procorefs(['health']);
  t.equal(broken.code, 2);
  t.match(broken.stdout, /^BROKEN: job "out" failed to start: .*\n$/);
  const told = JSON.parse(readFileSync(join(installation.folder, 'told'), 'utf8'));
  t.match(told, { event: 'failed', status: 'failed_to_start', job: { name: 'out' } }, 'who was to be told was told');
  mkdirSync(from);
  writeFileSync(join(from, 'a.txt'), 'a');
  await installation.must(['jobs', 'run', 'out', '--wait']);
  await installation.must(['jobs', 'add', 'often', '--from', from, '--to', `${to}2`, '--schedule', 'every 15m']);
  const json = await installation.procorefs(['health', '--json']);
  t.equal(json.code, 1);
  t.match(JSON.parse(json.stdout), { level: 'warning', jobs: 2, findings: [{ kind: 'no-runner' }] });

  const state = new StateFolder(installation.state);
  const store = new JobStore(jobsDatabasePath(state));
  t.teardown(() => store.close());
  const at = async (minutes: number) =>
    noticesOf(await inspectHealth(state, options, store, Date.now() + minutes * 60_000)).map(
      ({ kind, message }) => `${kind} ${message}`,
    );
  t.strictSame(await at(40), []);
  t.match(await at(55), [/^stale job "often" is overdue: it succeeded never/]);
});

t.test('health sees a job that waits for what is away; people are told when that lasts', async (t) => {
  const installation = new Installation(t);
  const { folder } = installation;
  for (const name of ['from', 'to']) mkdirSync(join(folder, name));
  await installation.must(['jobs', 'add', 'nightly', '--from', join(folder, 'from'), '--to', join(folder, 'to')]);
  const state = new StateFolder(installation.state);
  const store = new JobStore(jobsDatabasePath(state));
  t.teardown(() => store.close());
  const now = Date.now();
  const { id } = store.begin(store.get('nightly').id, 'schedule', false, now);
  const reason = 'it waits: /srv/nas cannot be reached: nothing is mounted at /srv/nas; next run 02:04';
  store.update(id, { status: 'not_complete', ended: now, reason, stats: waitFor(undefined, now, false) });
  const since = new Date(now).toISOString().slice(0, 16).replace('T', ' ');
  t.match(await installation.procorefs(['health']), {
    code: 1,
    stdout: `WARNING: job "nightly" waits since ${since} UTC: ${reason}\n`,
  });
  const told = async (minutes: number) => noticesOf(await inspectHealth(state, options, store, now + minutes * 60_000));
  t.strictSame(await told(59), []);
  t.match(await told(60), [{ kind: 'waiting', job: { name: 'nightly' } }]);
  store.reopen(id);
  t.match((await inspectHealth(state, options, store)).findings, [{ kind: 'waiting' }], 'also while it looks');
  store.update(id, { status: 'completed', ended: now, stats: {} });
  t.strictSame((await inspectHealth(state, options, store)).findings, []);
});

t.test('health sees a mount that is gone, a sign-in that ended, changes that wait', async (t) => {
  const { installation, simulator: running, mnt } = await mounted(t, { items: 20 });
  await installation.crawled(mnt);
  t.match(await installation.procorefs(['health']), { code: 0, stdout: /^OK: 1 mount/ });
  const state = new StateFolder(installation.state);
  const { pid } = await installation.status(mnt);
  await running.close();
  await writeFile(join(mnt, 'waits.txt'), 'waits');
  const later = async () => noticesOf(await inspectHealth(state, options, undefined, Date.now() + 2 * 3_600_000));
  // What is only closed is not said to wait.
  await until(async () => (await later()).length > 0);
  t.match(await later(), [{ kind: 'old-outbox', subject: mnt, message: /1 change waits since/ }]);
  process.kill(pid, 'SIGKILL');
  await until(() => !existsSync(`/proc/${pid}`));
  const dead = await installation.procorefs(['health']);
  t.equal(dead.code, 2);
  t.match(dead.stdout, /^BROKEN: .*its daemon does not answer/);
  const unowned = await inspectHealth(state, options, undefined, Date.now() + 2 * 3_600_000);
  t.match(
    unowned.findings.find(({ kind }) => kind === 'old-outbox'),
    { message: /1 change waits since .*, and it is not mounted/ },
  );

  const connections = new Connections(installation.state);
  const [connection] = connections.all();
  connections.update(connection!.id, { grant: 'authorization-code' });
  t.match(
    noticesOf(await inspectHealth(state, options, undefined)).find(({ kind }) => kind === 'signed-out'),
    { connection: connection!.id, message: /"Procore" is signed out/ },
  );
});

t.test('health says first that deletions are held, then what a person must decide or permit', async (t) => {
  const words = ['-o', 'settle=0,delete_delay=0,hold_after=3,poll=3600'];
  const { installation, simulator, source, mnt } = await mounted(
    t,
    { items: 0, oddNames: 'no', switch: ['executables=refused'] },
    words,
  );
  const health = async () => {
    const { code, stdout } = await installation.procorefs(['health', '--json']);
    const { level, findings } = JSON.parse(stdout) as HealthReport;
    return { code, level, findings: findings.map(({ kind, message }) => `${kind} ${message.replace(mnt, 'MNT')}`) };
  };
  for (const n of [1, 2, 3, 4]) await simulator.admin.change({ op: 'create', path: `${n}.txt`, content: `${n}` });
  await installation.must(['refresh', mnt]);
  await writeFile(join(mnt, 'tool.exe'), 'program');
  t.equal((await installation.procorefs(['drain', mnt])).code, 1);
  t.match(await health(), {
    code: 1,
    findings: [/^needs-person MNT: 1 change waits for a person .*, first tool\.exe: /],
  });
  await simulator.admin.switches({ 'project-access': 'read' });
  await writeFile(join(mnt, 'new.txt'), 'new');
  t.equal((await installation.procorefs(['drain', mnt])).code, 1);
  const refused = /^refused MNT: Procore refuses 1 change in 1 folder \(the top of the project\)/;
  t.match(await health(), { code: 1, level: 'warning', findings: [/^needs-person/, refused] });
  await simulator.admin.switches({ 'project-access': 'write' });
  await installation.must(['uploads', mnt, 'discard']);
  for (const n of [1, 2, 3]) rmSync(join(mnt, `${n}.txt`));
  t.equal((await installation.procorefs(['drain', mnt])).code, 1);
  const held = /: 3 deletions or overwrites held, as they were many at once \(procorefs uploads release or discard\)$/;
  t.match(await health(), { code: 2, level: 'broken', findings: [held] });
  t.match((await installation.procorefs(['health'])).stdout, /^BROKEN: \S+: 3 deletions or overwrites held/);
  await installation.must(['umount', mnt]);
  await installation.ended();
  t.match(await health(), { code: 2, findings: [/3 deletions or overwrites held/] }, 'also when it is not mounted');
  await installation.must(['mount', source, mnt, ...words]);
  await installation.must(['uploads', mnt, 'release']);
  await installation.must(['drain', mnt]);
  t.match(await health(), { code: 0, level: 'ok', findings: [] });
});
