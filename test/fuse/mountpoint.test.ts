import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { silentLog } from '#src/base/log.js';
import { drivers } from '#src/fuse/drivers.js';
import { kernelDriver } from '#src/fuse/kernel/driver.js';
import { ConnectionGuard } from '#src/fuse/kernel/guard.js';
import { checkMountpoint, clearDeadMount, detach, mountTable, parseMountTable, unmount } from '#src/fuse/mountpoint.js';
import { Client } from '../support/fuse-client.js';
import { MemoryFileSystem } from '../support/fuse-memory.js';
import { fuseFolder, mountFor } from '../support/fuse-mount.js';
import { until } from '../support/processes.js';

const run = promisify(execFile);
const daemonScript = join(dirname(fileURLToPath(import.meta.url)), '../support/fuse-daemon.js');
const client = new Client();
t.teardown(() => client.close());

/** Starts a process that mounts at `mnt`, to be killed; resolves when it has mounted. */
async function daemon(
  t: { teardown(run: () => unknown): unknown },
  driver: string,
  mnt: string,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [daemonScript, 'hold', driver, mnt], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout! })) {
    if (JSON.parse(line).mounted) return child;
    throw new Error(line);
  }
  throw new Error('the daemon ended');
}

t.test('mountinfo is parsed, also names with blanks, backslashes and umlauts', async (t) => {
  const [first, second] = parseMountTable(
    [
      '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue',
      '41 36 0:52 / /mnt/a\\040b\\134c\\011d/Plä\\012ne ro,nosuid shared:2 master:3 - fuse.procorefs acme:Tower\\040(N) rw,user_id=0',
      'not a line of it',
      '',
    ].join('\n'),
  );
  t.same(first, {
    id: 36,
    device: '98:0',
    mountpoint: '/mnt2',
    type: 'ext3',
    source: '/dev/root',
    options: ['rw', 'noatime', 'rw', 'errors=continue'],
  });
  t.match(second, { mountpoint: '/mnt/a b\\c\td/Plä\nne', source: 'acme:Tower (N)', type: 'fuse.procorefs' });
  t.ok((await mountTable()).some(({ mountpoint }) => mountpoint === '/proc'));
});

const skip = process.getuid?.() === 0 ? false : 'needs root: it mounts a file system in memory';

t.test('a link that was put in the place of a mount point unmounts nothing else', { skip }, async (t) => {
  const base = fuseFolder(t);
  const [real, link] = [join(base, 'of-another'), join(base, 'link')];
  mkdirSync(real);
  symlinkSync(real, link);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'procorefs-test', real]);
  t.teardown(() => run('umount', [real]));
  for (const force of [false, true]) {
    await t.rejects(detach(link, force), { code: 'not-mounted' });
    t.ok((await mountTable()).some(({ mountpoint }) => mountpoint === real));
  }
});

t.test('a mount point must be an empty folder that nothing is mounted on', async (t) => {
  const base = fuseFolder(t);
  const at = (name: string): string => join(base, name);
  writeFileSync(at('file'), '');
  mkdirSync(at('full'));
  writeFileSync(at('full/file'), '');
  mkdirSync(at('empty'));
  symlinkSync('empty', at('link'));
  symlinkSync('nowhere', at('dangling'));
  await t.rejects(checkMountpoint(at('absent'), 0), { code: 'mountpoint-missing' });
  await t.rejects(checkMountpoint(at('absent/below'), 0), { code: 'mountpoint-missing' });
  await t.rejects(checkMountpoint(at('dangling'), 0), { code: 'mountpoint-missing' });
  await t.rejects(checkMountpoint(at('file'), 0), { code: 'mountpoint-not-folder' });
  await t.rejects(checkMountpoint(at('file/below'), 0), { code: 'mountpoint-not-folder' });
  await t.rejects(checkMountpoint(at('full'), 0), { code: 'mountpoint-not-empty' });
  await t.rejects(checkMountpoint('/proc', 0), { code: 'mountpoint-busy' });
  t.equal(await checkMountpoint(`${at('empty')}/`, 0), at('empty'));
  t.equal(await checkMountpoint(at('link'), 0), at('empty'), 'symbolic links are followed');

  const { mnt } = await mountFor(t, kernelDriver, new MemoryFileSystem(), { mountpoint: at('empty') });
  await t.rejects(checkMountpoint(mnt, 0), { code: 'mountpoint-busy', message: /memory/ });
  await t.rejects(checkMountpoint(at('link'), 0), { code: 'mountpoint-busy' });
});

t.test('a mount point in a folder with blanks and umlauts works', async (t) => {
  const mountpoint = join(fuseFolder(t), 'Pläne (neu) \\ 図');
  mkdirSync(mountpoint);
  for (const driver of Object.values(drivers)) {
    const fs = new MemoryFileSystem();
    fs.file(fs.root, 'file', 'content');
    const { mounted } = await mountFor(t, driver, fs, { mountpoint });
    t.equal(await client.text(`${mountpoint}/file`), 'content', driver.name);
    await mounted.unmount(false);
  }
});

for (const driver of ['kernel', 'fuse-native']) {
  t.test(`${driver}: what a killed daemon left behind is cleared, nothing else`, async (t) => {
    const base = fuseFolder(t);
    const mnt = join(base, 'mnt');
    mkdirSync(mnt);
    t.notOk(await clearDeadMount(mnt), 'an ordinary folder');
    const killed = await daemon(t, driver, mnt);
    t.equal(await client.text(`${mnt}/hello`), 'hello from a mount');
    t.notOk(await clearDeadMount(mnt), 'a live mount');
    t.equal(await client.text(`${mnt}/hello`), 'hello from a mount');
    killed.kill('SIGKILL');
    await until(async () => (await client.code('statfsSync', mnt)) === 'ENOTCONN');
    await t.rejects(checkMountpoint(mnt, 0), { code: 'mountpoint-busy' });
    t.ok(await clearDeadMount(mnt));
    t.equal(await checkMountpoint(mnt, 0), mnt);
    const other = await daemon(t, driver, mnt);
    t.equal(await client.text(`${mnt}/hello`), 'hello from a mount');
    const ended = new Promise((resolve) => other.on('exit', resolve));
    await unmount(mnt, { force: false });
    t.equal(await ended, 0, 'its daemon ends');
  });
}

t.test('the mount of another process is unmounted, by force also while it is used', async (t) => {
  const mnt = join(fuseFolder(t), 'mnt');
  mkdirSync(mnt);
  await t.rejects(unmount(mnt, { force: false }), { code: 'not-mounted' });
  await t.rejects(unmount('/proc', { force: true }), { code: 'not-mounted' });
  const child = await daemon(t, 'kernel', mnt);
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const fd = await client.call('openSync', `${mnt}/hello`, 'r');
  await t.rejects(unmount(mnt, { force: false }), { code: 'unmount-busy' });
  t.equal(await client.read(fd, 0, 5), 'hello', 'it goes on');
  await unmount(mnt, { force: true });
  t.equal(await ended, 0, 'its daemon ends although something is open');
  t.equal(await client.code('closeSync', fd), 'ENOTCONN');
  t.notOk((await mountTable()).some(({ mountpoint }) => mountpoint === mnt));
});

t.test(
  'the guard of a mount that is gone leaves the one alone that has its place and number now',
  { skip },
  async (t) => {
    const { mnt, mounted } = await mountFor(t, kernelDriver, new MemoryFileSystem());
    const at = async (path: string) => (await mountTable()).find(({ mountpoint }) => mountpoint === path)!;
    const first = await at(mnt);
    const guards = async (): Promise<number[]> => {
      const found = await run('pgrep', ['-f', `procorefs-guard .*${mnt}$`]).catch(() => ({ stdout: '' }));
      return found.stdout.split('\n').filter(Boolean).map(Number);
    };
    const own = await guards();
    const guard = new ConnectionGuard(first, silentLog);
    const waitsForTerm = (pid: number): boolean => {
      const status = `/proc/${pid}/status`;
      const [, caught = '0'] = /^SigCgt:\s*(\w+)/m.exec(existsSync(status) ? readFileSync(status, 'utf8') : '') ?? [];
      return !own.includes(pid) && (BigInt(`0x${caught}`) & (1n << 14n)) !== 0n;
    };
    await until(async () => (await guards()).some(waitsForTerm));
    const [waiting] = (await guards()).filter(waitsForTerm);
    await mounted.unmount(false);
    // The kernel gives the lowest number that is free. What takes lower ones stays; another test may have it meanwhile.
    for (;;) {
      await until(async () => !(await mountTable()).some(({ device }) => device === first.device));
      const next = await mountFor(t, kernelDriver, new MemoryFileSystem(), { mountpoint: mnt });
      if ((await at(mnt)).device === first.device) break;
      await next.mounted.unmount(false);
      const lower = await mountFor(t, kernelDriver, new MemoryFileSystem());
      if ((await at(lower.mnt)).device === first.device) await lower.mounted.unmount(false);
    }
    process.kill(waiting!, 'SIGTERM');
    await until(async () => !(await guards()).includes(waiting!));
    t.strictSame(await client.call('readdirSync', mnt), [], 'it answers');
    t.equal((await at(mnt))?.device, first.device, 'it is there');
    await guard.close();
  },
);

t.test('a mount that hangs is neither waited for nor touched', async (t) => {
  const mnt = join(fuseFolder(t), 'mnt');
  mkdirSync(mnt);
  const child = await daemon(t, 'kernel', mnt);
  child.kill('SIGSTOP');
  t.notOk(await clearDeadMount(mnt));
  await t.rejects(checkMountpoint(mnt, 0), { code: 'mountpoint-busy' });
  child.kill('SIGCONT');
  t.equal(await client.text(`${mnt}/hello`), 'hello from a mount');
  await unmount(mnt, { force: false });
});

t.test('a connection that was aborted leaves no dead mount behind', async (t) => {
  const fs = new MemoryFileSystem();
  const { mnt, mounted } = await mountFor(t, kernelDriver, fs);
  const { device } = (await mountTable()).find(({ mountpoint }) => mountpoint === mnt)!;
  const connection = `/sys/fs/fuse/connections/${device.split(':')[1]}/abort`;
  if (readFileSync('/proc/mounts', 'utf8').includes('/sys/fs/fuse/connections')) {
    writeFileSync(connection, '1');
  } else {
    await run('sh', [
      '-c',
      `mount -t fusectl none /sys/fs/fuse/connections && echo 1 > ${connection}; umount /sys/fs/fuse/connections`,
    ]);
  }
  await mounted.ended;
  t.equal(fs.destroyed, 1);
  t.notOk((await mountTable()).some(({ mountpoint }) => mountpoint === mnt));
  rmSync(mnt, { recursive: true });
});
