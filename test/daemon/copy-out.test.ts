import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { JobLine } from '#src/daemon/jobs/job-lines.js';
import type { Job } from '#src/jobs/definition/job-schema.js';
import type { Execution } from '#src/jobs/store/executions.js';
import { Installation, isMounted, mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { simulator } from '../support/simulator.js';

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** The latest twenty runs that have ended, the last one first: the next may be under way at any time. */
async function runsOf(installation: Installation, id: string): Promise<Execution[]> {
  const shown = JSON.parse(await installation.must(['jobs', 'show', id, '--json'])) as { executions: Execution[] };
  return shown.executions.filter(({ ended }) => ended !== undefined);
}

/** The run of a job that is as wanted, once there is one. */
async function runWhen(
  installation: Installation,
  id: string,
  isWanted: (run: Execution) => boolean,
): Promise<Execution> {
  for (;;) {
    const run = (await runsOf(installation, id)).find(isWanted);
    if (run) return run;
    await sleep(250);
  }
}

/** The one job of a mount. */
async function jobOf(installation: Installation, mnt: string): Promise<JobLine> {
  for (;;) {
    const [job] = (await installation.status(mnt)).jobs;
    if (job) return job;
    await sleep(250);
  }
}

t.test('a mount with copy_out keeps a folder as the project is, without calls of its own', async (t) => {
  const target = `/tmp/procorefs-copy-out-${process.pid}`;
  t.teardown(() => rmSync(target, { recursive: true, force: true }));
  const {
    installation,
    simulator: running,
    source,
    mnt,
  } = await mounted(t, { items: 60, oddNames: 'no' }, [...['-o', `copy_out=${target},every=1s,poll=2s`]]);
  const { id } = await jobOf(installation, mnt);
  const copied = await runWhen(installation, id, ({ status }) => status === 'completed');
  t.match(await jobOf(installation, mnt), { id, type: 'copy', health: 'healthy', disabled: false });
  t.ok(copied.stats.copied! > 0);
  t.equal(copied.calls, 0, 'the crawl had found everything');
  const files = (await running.admin.tree()).filter(({ type }) => type === 'file');
  for (const { path, sha256: sum } of files) t.equal(sha256(join(target, path)), sum, path);
  await until(async () =>
    /copy-out of .* to .*: (completed|no changes)/.test(await installation.must(['status', mnt])),
  );

  for (const words of [
    ['--from', target, '--to', join(mnt, 'not there yet')],
    ['--from', mnt, '--to', target, '--type', 'move'],
  ]) {
    const ran = await installation.procorefs(['jobs', 'add', 'by the mount', ...words]);
    t.equal(ran.code, 1, words.join(' '));
    t.match(ran.stderr, /^[^\n]*it would write into the mount at [^\n]*CONNECTION:PROJECT[^\n]*\n$/);
  }

  const before = (await runsOf(installation, id))[0]!;
  await running.admin.reset();
  await until(async () => !(await runsOf(installation, id)).slice(0, 3).some((run) => run.id === before.id));
  const calls = await running.admin.calls();
  const polls = Object.entries(calls.byRoute).filter(([route]) => /^GET .*\/documents$/.test(route));
  t.equal(
    polls.reduce((sum, [, count]) => sum + count, 0),
    calls.total,
    'only the polls of the mount went out',
  );
  const idle = (await runsOf(installation, id))[0]!;
  t.match(idle, { status: 'no_changes', calls: 0, reason: 'nothing has changed at the source since the last run' });

  await running.admin.change({ op: 'create', path: 'fresh from the site.txt', content: 'new' });
  while (!existsSync(join(target, 'fresh from the site.txt'))) await sleep(250);
  t.equal(readFileSync(join(target, 'fresh from the site.txt'), 'utf8'), 'new', 'a change at the server arrives');
  const carrier = await runWhen(installation, id, ({ stats }) => stats.copied === 1);
  t.match(carrier, { calls: 0, stats: { copied: 1, bytes: 3 } }, 'exactly that one, and no call to find it');

  await installation.must(['umount', mnt]);
  await installation.must(['mount', source, mnt, '-o', `copy_out=${target},every=7m`]);
  const again = JSON.parse(await installation.must(['jobs', 'list', '--json'])) as Job[];
  t.match(again, [{ id, disabled: false, schedule: { repeat_interval: { value: 420, unit: 's' } } }]);
  t.equal(again.length, 1, 'the same job, with the new interval');
  await installation.must(['umount', mnt]);
  await installation.must(['mount', source, mnt]);
  t.match(await installation.status(mnt), { jobs: [{ id, disabled: true, next_run: undefined }] });
});

t.test('a copy_out that cannot be is refused before anything is mounted', async (t) => {
  const running = await simulator(t, { items: 10 });
  const installation = new Installation(t);
  await installation.connect(running);
  const source = `Procore:${running.ready.projects[0]!.id}`;
  const mnt = installation.mountpoint();
  for (const [to, why] of [
    ['Nowhere', /there is no connection "Nowhere"/],
    [join(mnt, 'inside'), /lies in the mount itself/],
    [`Procore:${running.ready.projects[0]!.id}/copy`, /contain each other/],
  ] as const) {
    const ran = await installation.procorefs(['mount', source, mnt, '-o', `copy_out=${to}`]);
    t.equal(ran.code, 1, to);
    t.match(ran.stderr, why);
    t.notOk(isMounted(mnt));
  }
  t.strictSame(JSON.parse(await installation.must(['jobs', 'list', '--json'])), []);
});
