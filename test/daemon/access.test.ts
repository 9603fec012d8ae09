import { spawn } from 'node:child_process';
import { open, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type MountedProject, mounted, run } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { SimulatorClient } from '../support/simulator-client.js';

const QUICK = 'settle=0,delete_delay=0,poll=1';
const settings = { items: 30, oddNames: 'no', spike: 1000, hourly: 100_000 } as const;

async function drained({ installation, mnt }: MountedProject): Promise<void> {
  await installation.must(['drain', mnt, '--timeout', '240']);
}

/** A file as the API shows it. */
async function remoteFile(project: MountedProject, path: string) {
  const { id } = (await project.simulator.admin.tree()).find((entry) => entry.path === path)!;
  const raw = await SimulatorClient.signedIn(project.simulator);
  const { body } = await raw.ask(`/rest/v1.0/files/${id}?project_id={project}`);
  return body as {
    checked_out_by: { login: string } | null;
    checked_out_until: string | null;
    file_versions: { number: number; notes: string | null }[];
  };
}

const attribute = async (path: string, name: string): Promise<string> =>
  (await run('getfattr', ['--only-values', '-n', `user.procore.${name}`, path])).stdout;

for (const driver of ['kernel', 'fuse-native'] as const)
  t.test(`${driver}: what another person has checked out is EBUSY at open, and says who has it`, async (t) => {
    const project = await mounted(t, settings, ['-o', QUICK, '--driver', driver]);
    const { installation, simulator, mnt } = project;
    const path = join(mnt, 'plan.txt');
    await writeFile(path, 'mine');
    await drained(project);
    await simulator.admin.change({ op: 'checkout', path: 'plan.txt' });
    await until(async () => (await attribute(path, 'checked_out_by')) !== '');
    const holder = await attribute(path, 'checked_out_by');
    await simulator.admin.reset();
    await t.rejects(open(path, 'r+'), { code: 'EBUSY' });
    await t.rejects(truncate(path, 1), { code: 'EBUSY' });
    await t.rejects(rename(path, `${path}~`), { code: 'EBUSY' }, 'as editors save');
    await writeFile(join(mnt, 'other.txt'), 'x');
    await t.rejects(rename(join(mnt, 'other.txt'), path), { code: 'EBUSY' }, 'as rsync saves');
    t.equal(await readFile(path, 'utf8'), 'mine', 'it can be read');
    t.equal((await simulator.admin.calls()).status4xx, 0, 'nobody asked the server');
    t.match(installation.log(), new RegExp(`plan.txt is checked out by ${holder}`));
    await simulator.admin.change({ op: 'checkout', path: 'plan.txt', by: null });
    await until(async () => (await attribute(path, 'checked_out_by')) === '');
    await writeFile(path, 'mine again');
    await drained(project);
  });

t.test('what the account may not write is EACCES at open or create, without a call', async (t) => {
  const project = await mounted(t, { ...settings, items: 400 }, ['-o', QUICK]);
  const { installation, simulator, mnt } = project;
  await installation.crawled(mnt);
  const scheduled = (await simulator.admin.tree()).find(({ path }) => /^Schedules\/[^/]+$/.test(path))!;
  await simulator.admin.reset();
  await t.rejects(open(join(mnt, scheduled.path), 'r+'), { code: 'EACCES' });
  await t.rejects(rm(join(mnt, scheduled.path)), { code: 'EACCES' });
  await t.rejects(rename(join(mnt, scheduled.path), join(mnt, 'x')), { code: 'EACCES' });
  await t.rejects(writeFile(join(mnt, 'Schedules', 'new.txt'), 'x'), { code: 'EACCES' });
  t.equal((await run('mkdir', [join(mnt, 'Schedules', 'new')])).code, 1);
  t.equal((await simulator.admin.calls()).status4xx, 0);
  t.equal((await installation.status(mnt)).outbox.failed, 0);
});

t.test('a project that may only be read says so at the first create', async (t) => {
  const project = await mounted(t, { ...settings, switch: ['project-access=read'] }, ['-o', QUICK]);
  await t.rejects(writeFile(join(project.mnt, 'new.txt'), 'x'), { code: 'EACCES' });
  t.match(project.installation.log(), /the project \(it is read-only\)/);
});

t.test('a permission revoked meanwhile: the bytes wait in the outbox, and the next create is refused', async (t) => {
  const project = await mounted(t, settings, ['-o', QUICK]);
  const { installation, simulator, mnt } = project;
  await installation.crawled(mnt);
  await simulator.admin.switches({ 'project-access': 'not-permitted' });
  await writeFile(join(mnt, 'waiting.txt'), 'kept');
  await until(async () => (await installation.status(mnt)).outbox.failed === 1);
  const [line] = JSON.parse(await installation.must(['uploads', mnt, '--json'])) as { reason: string; state: string }[];
  t.match(line, { state: 'failed', reason: /permit/ });
  await t.rejects(writeFile(join(mnt, 'next.txt'), 'x'), { code: 'EACCES' });
  t.equal(await readFile(join(mnt, 'waiting.txt'), 'utf8'), 'kept');
  await simulator.admin.switches({ 'project-access': 'write' });
  await installation.must(['uploads', mnt, 'retry']);
  await drained(project);
  await writeFile(join(mnt, 'next.txt'), 'x');
  await drained(project);
  t.ok((await simulator.admin.tree()).some(({ path }) => path === 'waiting.txt'));
});

t.test('-o checkout: checked out while open for writing, in again afterwards, whatever happened', async (t) => {
  const project = await mounted(t, settings, ['-o', `${QUICK},checkout`]);
  const { installation, simulator, source, mnt } = project;
  const path = join(mnt, 'plan.txt');
  await writeFile(path, 'one');
  await drained(project);
  const isOut = async (): Promise<boolean> => (await remoteFile(project, 'plan.txt')).checked_out_by !== null;

  await simulator.admin.reset();
  const file = await open(path, 'r+');
  t.ok(await isOut(), 'out while open');
  await file.write('two');
  await file.close();
  await drained(project);
  t.notOk(await isOut(), 'the new version checked it in');

  const unchanged = await open(path, 'r+');
  t.ok(await isOut());
  await unchanged.close();
  await until(async () => !(await isOut()));
  t.pass('closed unchanged: checked in');

  // In a process of its own: here, a descriptor that cannot be closed would be an error later.
  const holding = spawn('sh', ['-c', 'exec 3<>"$1"; sleep 60', 'sh', path], { stdio: 'ignore' });
  t.teardown(() => holding.kill('SIGKILL'));
  await until(isOut);
  process.kill((await installation.status(mnt)).pid, 'SIGKILL');
  holding.kill('SIGKILL');
  t.ok(await isOut(), 'the crash left it checked out');
  await installation.must(['mount', source, mnt, '-o', `${QUICK},checkout`]);
  await until(async () => !(await isOut()));
  t.pass('the next mount released it');

  await simulator.admin.change({ op: 'checkout', path: 'plan.txt' });
  await t.rejects(open(path, 'r+'), { code: 'EBUSY' }, 'also before a poll has told');
});

t.test('user.procore.checkout checks out and in', async (t) => {
  const project = await mounted(t, settings, ['-o', QUICK]);
  const { mnt } = project;
  const path = join(mnt, 'plan.txt');
  await writeFile(path, 'one');
  await drained(project);
  t.equal((await run('setfattr', ['-n', 'user.procore.checkout', '-v', '3h', path])).code, 0);
  const out = await remoteFile(project, 'plan.txt');
  const hours = (Date.parse(out.checked_out_until!) - Date.now()) / 3_600_000;
  t.ok(hours > 2.9 && hours <= 3, `${hours} hours`);
  t.match(await attribute(path, 'checkout'), /^\d{4}-\d\d-\d\dT/);
  t.equal((await run('setfattr', ['-x', 'user.procore.checkout', path])).code, 0);
  t.equal((await remoteFile(project, 'plan.txt')).checked_out_by, null);
  t.equal(await attribute(path, 'checkout'), '');
  t.match((await run('setfattr', ['-n', 'user.procore.checkout', '-v', 'soon', path])).stderr, /Invalid argument/);
});

t.test('a version says which local user and host saved it', async (t) => {
  const project = await mounted(t, settings, ['-o', QUICK]);
  await writeFile(join(project.mnt, 'plan.txt'), 'one');
  await drained(project);
  await writeFile(join(project.mnt, 'plan.txt'), 'two');
  await drained(project);
  const { file_versions: versions } = await remoteFile(project, 'plan.txt');
  t.equal(versions.find(({ number }) => number === 2)?.notes, `Saved by ${userInfo().username} on ${hostname()}`);
});

t.test('fsync=remote returns when Procore has it, and says EIO with the reason when it cannot', async (t) => {
  const project = await mounted(t, settings, ['-o', 'settle=3600,poll=3600,fsync=remote']);
  const { installation, simulator, mnt } = project;
  t.equal((await run('mkdir', [join(mnt, 'deep')])).code, 0);
  const file = await open(join(mnt, 'deep', 'ledger.txt'), 'w');
  await file.write('paid');
  await file.sync();
  const tree = await simulator.admin.tree();
  t.match(
    tree.find(({ path }) => path === 'deep/ledger.txt'),
    { size: 4, versions: 1 },
    'there while still open',
  );
  await file.write(' twice');
  await simulator.admin.switches({ 'project-access': 'not-permitted' });
  await t.rejects(file.sync(), { code: 'EIO' });
  t.match(installation.log(), /ledger.txt is saved on this machine, but is not at Procore yet: .*permit/);
  await simulator.admin.switches({ 'project-access': 'write' });
  await file.sync();
  await file.close();
  await drained(project);
  t.match(
    (await simulator.admin.tree()).find(({ path }) => path === 'deep/ledger.txt'),
    { size: 10, versions: 2 },
  );
});
