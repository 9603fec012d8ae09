import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { resolveOptions } from '#src/base/options.js';
import { Connections } from '#src/connections/store.js';
import { inspect } from '#src/daemon/health/inspect.js';
import { noticesOf } from '#src/daemon/health/watch.js';
import { jobsDatabasePath } from '#src/daemon/jobs/opener.js';
import { StateFolder } from '#src/daemon/state-folder.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import { Installation, mounted } from '../helpers/mounted.js';
import { until } from '../helpers/processes.js';

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
    noticesOf(await inspect(state, options, store, Date.now() + minutes * 60_000)).map(
      ({ kind, message }) => `${kind} ${message}`,
    );
  t.strictSame(await at(40), []);
  t.match(await at(55), [/^stale job "often" is overdue: it succeeded never/]);
});

t.test('health sees a mount that is gone, a sign-in that ended, changes that wait', async (t) => {
  const { installation, simulator: running, mnt } = await mounted(t, { items: 20 });
  await installation.crawled(mnt);
  t.match(await installation.procorefs(['health']), { code: 0, stdout: /^OK: 1 mount/ });
  const state = new StateFolder(installation.state);
  const { pid } = await installation.status(mnt);
  await running.close();
  await writeFile(join(mnt, 'waits.txt'), 'waits');
  const later = async () => noticesOf(await inspect(state, options, undefined, Date.now() + 2 * 3_600_000));
  // What is only closed is not said to wait.
  await until(async () => (await later()).length > 0);
  t.match(await later(), [{ kind: 'old-outbox', subject: mnt, message: /1 change waits since/ }]);
  process.kill(pid, 'SIGKILL');
  await until(() => !existsSync(`/proc/${pid}`));
  const dead = await installation.procorefs(['health']);
  t.equal(dead.code, 2);
  t.match(dead.stdout, /^BROKEN: .*its daemon does not answer/);
  const unowned = await inspect(state, options, undefined, Date.now() + 2 * 3_600_000);
  t.match(
    unowned.findings.find(({ kind }) => kind === 'old-outbox'),
    { message: /1 change waits since .*, and it is not mounted/ },
  );

  const connections = new Connections(installation.state);
  const [connection] = connections.all();
  connections.update(connection!.id, { grant: 'authorization-code' });
  t.match(
    noticesOf(await inspect(state, options, undefined)).find(({ kind }) => kind === 'signed-out'),
    { connection: connection!.id, message: /"Procore" is signed out/ },
  );
});
