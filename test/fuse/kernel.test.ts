import assert from 'node:assert';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { silentLog } from '#src/base/log.js';
import type { Mounted } from '#src/fuse/driver.js';
import { kernelDriver } from '#src/fuse/kernel/driver.js';
import { isBeingEnded } from '#src/fuse/kernel/interrupt.js';
import { mountedAt } from '#src/fuse/mountpoint.js';
import { takeDescriptors } from '../support/descriptors.js';
import { Client } from '../support/fuse-client.js';
import { MemoryFileSystem } from '../support/fuse-memory.js';
import { WritableMemoryFileSystem } from '../support/fuse-memory-writable.js';
import { fuseFolder, mountFor } from '../support/fuse-mount.js';
import { until } from '../support/processes.js';
import { randomBy } from '../support/random.js';

const run = promisify(execFile);
const client = new Client();
t.teardown(() => client.close());

/** A program and its fate. */
function program(command: string, ...args: string[]): { process: ChildProcess; ended: Promise<string> } {
  const process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  return {
    process,
    ended: new Promise((resolve) => process.on('exit', (status, signal) => resolve(signal ?? String(status)))),
  };
}

/** Lets an operation on a node wait until `open` is called. */
function gate(
  fs: MemoryFileSystem,
  operation: string,
  node: number,
): { open(): void; entered(): number; aborted(): number } {
  let open = (): void => {};
  let entered = 0;
  let aborted = 0;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  fs.before = (name, which, context) => {
    if (name !== operation || which !== node) return;
    entered++;
    context.signal.addEventListener('abort', () => aborted++);
    return opened;
  };
  return { open: () => open(), entered: () => entered, aborted: () => aborted };
}

t.test('the kernel keeps names, attributes, listings and pages, and forgets what it is told to', async (t) => {
  const fs = new MemoryFileSystem();
  const folder = fs.folder(fs.root, 'folder');
  const file = fs.file(folder, 'file', 'old content');
  const { mnt, mounted } = await mountFor(t, kernelDriver, fs);
  const look = async (): Promise<unknown[]> => [
    await client.call('readdirSync', `${mnt}/folder`),
    (await client.call('statSync', `${mnt}/folder/file`)).size,
    await client.text(`${mnt}/folder/file`),
    await client.code('statSync', `${mnt}/folder/late`),
  ];
  const expected = [['file'], 11, 'old content', 'ENOENT'];
  t.same(await look(), expected);
  const spent = { ...fs.calls };
  t.same(await look(), expected);
  t.same(
    ['lookup', 'getattr', 'readdir', 'read'].map((name) => fs.calls[name]),
    ['lookup', 'getattr', 'readdir', 'read'].map((name) => spent[name]),
    'nothing was asked again',
  );

  file.content = Buffer.from('new!');
  fs.file(folder, 'late', '');
  await mounted.kernel.invalidateNode(file.node, 0);
  await mounted.kernel.invalidateNode(folder.node, 0);
  await mounted.kernel.invalidateEntry(folder.node, 'late');
  t.same(await look(), [['file', 'late'], 4, 'new!', 'none']);

  file.mode = 0o100600;
  await mounted.kernel.invalidateNode(file.node, -1);
  t.equal((await client.call('statSync', `${mnt}/folder/file`)).mode, 0o100600);
  fs.remove(folder, 'late');
  await mounted.kernel.invalidateEntry(folder.node, 'late');
  t.equal(await client.code('statSync', `${mnt}/folder/late`), 'ENOENT');
  await mounted.kernel.invalidateEntry(folder.node, 'never there');
  await mounted.kernel.invalidateNode(file.node, 10_000_000);
});

t.test('an open handle keeps its version, a new open sees the new one, under one inode number', async (t) => {
  const fs = new MemoryFileSystem();
  const file = fs.file(fs.root, 'doc', 'version one'.repeat(20_000));
  const { mnt, mounted } = await mountFor(t, kernelDriver, fs);
  const path = `${mnt}/doc`;
  const before = await client.call('statSync', path);
  await client.withOpen(path, 'r', async (fd) => {
    t.equal(await client.read(fd, 0, 11), 'version one');
    fs.newVersion(file, 'VERSION TWO');
    await mounted.kernel.invalidateEntry(fs.root.node, 'doc');
    t.equal(await client.text(path), 'VERSION TWO');
    const after = await client.call('statSync', path);
    t.equal(after.ino, before.ino);
    t.equal(after.size, 11);
    t.equal(await client.read(fd, 219_989, 100), 'version one', 'also where nothing was read yet');
    t.equal((await client.call('fstatSync', fd)).size, 220_000);
  });
});

t.test('a notification for a folder with a waiting request holds up neither other ones nor the daemon', async (t) => {
  const fs = new MemoryFileSystem();
  const slow = fs.folder(fs.root, 'slow');
  const file = fs.file(fs.root, 'file', 'old');
  const { mnt, mounted } = await mountFor(t, kernelDriver, fs);
  t.equal(await client.text(`${mnt}/file`), 'old');
  const wait = gate(fs, 'readdir', slow.node);
  const ls = program('ls', `${mnt}/slow`);
  await until(() => wait.entered() > 0);
  let told = false;
  const kept = mounted.kernel.invalidateEntry(slow.node, 'x').then(() => {
    told = true;
  });
  fs.newVersion(file, 'new');
  await mounted.kernel.invalidateEntry(fs.root.node, 'file');
  t.equal(await client.text(`${mnt}/file`), 'new');
  t.notOk(told, 'the one for the waiting folder is kept back');
  wait.open();
  await kept;
  t.equal(await ls.ended, '0');
});

t.test('a node that the kernel is about to know is told of after a notification of its name', async (t) => {
  const fs = new MemoryFileSystem();
  const { mnt, mounted } = await mountFor(t, kernelDriver, fs);
  const busy = program('taskset', '-c', '0', 'sh', '-c', 'echo; while :; do :; done');
  t.teardown(() => busy.process.kill('SIGKILL'));
  await once(busy.process.stdout!, 'data');
  let tooEarly = false;
  for (let n = 0; n < 20 && !tooEarly; n++) {
    const file = fs.file(fs.root, `f${n}`, 'old');
    const wait = gate(fs, 'lookup', fs.root.node);
    const stat = program('taskset', '-c', '0', 'stat', '--format=%s', `${mnt}/f${n}`);
    await until(() => wait.entered() > 0);
    // SCHED_IDLE of sched(7): it runs when nobody else wants to.
    await run('chrt', ['--idle', '--pid', '0', String(stat.process.pid)]);
    wait.open();
    await setImmediate();
    file.content = Buffer.from('newer');
    tooEarly = !(await mounted.kernel.invalidateNode(file.node, -1));
    await mounted.kernel.invalidateEntry(fs.root.node, `f${n}`);
    await mounted.kernel.invalidateNode(file.node, -1);
    fs.before = undefined;
    t.equal((await client.call('statSync', `${mnt}/f${n}`)).size, 5);
    stat.process.kill('SIGKILL');
    await stat.ended;
  }
  t.ok(tooEarly, 'the kernel was told before who asked ran again');
});

t.test('a folder that always has a request waiting is invalidated all the same', async (t) => {
  const fs = new MemoryFileSystem();
  const slow = fs.folder(fs.root, 'slow');
  const file = fs.file(slow, 'file', 'old');
  const { mnt, mounted } = await mountFor(t, kernelDriver, fs);
  t.equal(await client.text(`${mnt}/slow/file`), 'old');
  const wait = gate(fs, 'readdir', slow.node);
  const ls = program('ls', `${mnt}/slow`);
  await until(() => wait.entered() > 0);
  fs.newVersion(file, 'new');
  const told = mounted.kernel.invalidateEntry(slow.node, 'file');
  const kernel = (await run('uname', ['-r'])).stdout.split('.').map(Number);
  if (kernel[0]! > 6 || (kernel[0] === 6 && kernel[1]! >= 16)) {
    await told;
    t.equal(await client.text(`${mnt}/slow/file`), 'new', 'while the listing still waits');
  }
  wait.open();
  await told;
  t.equal(await client.text(`${mnt}/slow/file`), 'new');
  t.equal(await ls.ended, '0');
});

t.test('a thousand notifications during many slow requests end, as do the requests', async (t) => {
  const fs = new MemoryFileSystem();
  const files = Array.from({ length: 100 }, (_, i) => fs.file(fs.root, `f${i}`, `content ${i}`));
  fs.timeout = 0;
  const random = randomBy(1);
  fs.before = () => new Promise((resolve) => setTimeout(resolve, random() * 3));
  const { mnt, mounted } = await mountFor(t, kernelDriver, fs);
  const readers = Array.from({ length: 8 }, () => run('sh', ['-c', 'cd "$0" && for i in 1 2 3; do cat f*; done', mnt]));
  const notices = Array.from({ length: 1000 }, (_, i) =>
    i % 2 === 0
      ? mounted.kernel.invalidateEntry(fs.root.node, `f${i % 100}`)
      : mounted.kernel.invalidateNode(files[i % 100]!.node, 0),
  );
  const expected = Array.from({ length: 100 }, (_, i) => `content ${i}`).sort();
  for (const { stdout } of await Promise.all(readers)) {
    t.same([...new Set(stdout.match(/content \d+?(?=content|$)/g))].sort(), expected);
  }
  await Promise.all(notices);
});

t.test('a waiting caller can be interrupted; others go on; what comes too late is given back', async (t) => {
  const fs = new MemoryFileSystem();
  const file = fs.file(fs.root, 'file', 'content');
  fs.file(fs.root, 'other', 'other');
  const { mnt } = await mountFor(t, kernelDriver, fs);
  for (const operation of ['read', 'open'] as const) {
    const wait = gate(fs, operation, file.node);
    const cats = ['SIGINT', 'SIGTERM', 'SIGKILL'].map((signal) => ({ signal, ...program('cat', `${mnt}/file`) }));
    // The kernel asks for a page once, for all readers.
    const expected = operation === 'read' ? 1 : 3;
    await until(() => wait.entered() >= expected);
    t.equal(await client.text(`${mnt}/other`), 'other', 'others are served');
    for (const { process, signal } of cats) process.kill(signal as NodeJS.Signals);
    t.same(await Promise.all(cats.map(({ ended }) => ended)), ['SIGINT', 'SIGTERM', 'SIGKILL'], operation);
    // The kernel reads pages ahead on its own account: nobody's signal ends that.
    if (operation === 'open') t.ok(wait.aborted() > 0, 'the file system is told');
    wait.open();
    await until(() => fs.open_.size === 0);
  }
  fs.before = undefined;
  t.equal(await client.text(`${mnt}/file`), 'content');
});

t.test('signals that mean nothing to a file operation do not interrupt it', async (t) => {
  const fs = new MemoryFileSystem();
  const file = fs.file(fs.root, 'file', 'content');
  const { mnt } = await mountFor(t, kernelDriver, fs);
  const wait = gate(fs, 'open', file.node);
  // A shell with traps handles both signals; its own open of the file is what waits.
  const shell = program(
    'bash',
    '-c',
    'trap : CHLD WINCH; trap "echo caught" USR1; echo "$(<"$0")"; exit 0',
    `${mnt}/file`,
  );
  let output = '';
  shell.process.stdout?.on('data', (chunk) => (output += chunk));
  await until(() => wait.entered() > 0);
  const children = (await run('sh', ['-c', `pgrep -P ${shell.process.pid} || true`])).stdout.trim().split('\n');
  for (const pid of [shell.process.pid!, ...children.map(Number)].filter((pid) => pid > 0)) {
    process.kill(pid, 'SIGWINCH');
    process.kill(pid, 'SIGCHLD');
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.equal(wait.aborted(), 0);
  wait.open();
  t.equal(await shell.ended, '0');
  t.equal(output, 'content\n');
  t.ok(isBeingEnded(0), 'a caller that cannot be seen');
  t.ok(isBeingEnded(2 ** 22 + 1), 'a caller that has gone');
  t.notOk(isBeingEnded(process.pid));
});

t.test('unmounting ends what waits', async (t) => {
  const fs = new MemoryFileSystem();
  const file = fs.file(fs.root, 'file', 'content');
  const { mnt, mounted } = await mountFor(t, kernelDriver, fs);
  const wait = gate(fs, 'read', file.node);
  const cat = program('cat', `${mnt}/file`);
  await until(() => wait.entered() > 0);
  await t.rejects(mounted.unmount(false), { code: 'unmount-busy' });
  await mounted.unmount(true);
  t.equal(await cat.ended, '1');
  t.equal(wait.aborted(), 1);
  t.equal(fs.destroyed, 1);
  wait.open();
  await mounted.kernel.invalidateEntry(fs.root.node, 'file');
});

t.test('an idle mount uses no processor time', async (t) => {
  const { mnt } = await mountFor(t, kernelDriver, new MemoryFileSystem());
  await client.call('readdirSync', mnt);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const { user, system } = process.cpuUsage(before);
  t.ok(user + system < 200_000, `${user + system} µs of 1,000,000`);
});

t.test('passthrough: cached files are served by the kernel, each version by its own file', async (t) => {
  const base = fuseFolder(t);
  const local = (name: string, content: string): number => {
    writeFileSync(join(base, name), content);
    const fd = openSync(join(base, name), 'r');
    t.teardown(() => closeSync(fd));
    return fd;
  };
  const fs = new MemoryFileSystem();
  const file = fs.file(fs.root, 'doc', 'from the daemon');
  const { mnt, mounted } = await mountFor(t, kernelDriver, fs);
  if (!mounted.passthrough) {
    t.comment('skipped: this kernel has no FUSE passthrough (Linux 6.9 brought it)');
    return;
  }
  const path = `${mnt}/doc`;
  const reads = (): number => fs.calls.read ?? 0;

  t.equal(await client.text(path), 'from the daemon');
  await until(() => fs.open_.size === 0);
  const byDaemon = reads();
  file.backingFd = local('one', 'first passed on');
  await client.withOpen(path, 'r', async (first) => {
    t.equal(await client.read(first, 0, 100), 'first passed on');
    await client.withOpen(path, 'r', async (second) => {
      t.equal(await client.read(second, 6, 6), 'passed', 'a second open shares the backing file');
    });
    t.equal(reads(), byDaemon, 'the daemon was not asked');

    file.backingFd = undefined;
    t.equal(await client.text(path), 'from the daemon', 'an open without a local file, uncached meanwhile');

    fs.newVersion(file, 'SECOND');
    file.backingFd = local('two', 'second passed on, and it is longer');
    file.size = 34;
    await mounted.kernel.invalidateEntry(fs.root.node, 'doc');
    t.equal(await client.text(path), 'second passed on, and it is longer');
    t.equal(await client.read(first, 0, 100), 'first passed on', 'the old handle keeps its version');
  });
  await until(() => fs.open_.size === 0);

  file.backingFd = undefined;
  file.size = undefined;
  fs.newVersion(file, 'cached by the daemon');
  await mounted.kernel.invalidateEntry(fs.root.node, 'doc');
  await client.withOpen(path, 'r', async (fd) => {
    t.equal(await client.read(fd, 0, 6), 'cached');
    file.backingFd = local('three', 'backing for later..');
    t.equal(await client.text(path), 'cached by the daemon', 'cached and passed on do not mix');
  });
  await until(() => fs.open_.size === 0);
  t.equal(await client.text(path), 'backing for later..', 'after the last close the local file serves');
});

t.test('a local file that cannot be passed through is read by the daemon', async (t) => {
  const fs = new MemoryFileSystem();
  const file = fs.file(fs.root, 'doc', 'from the daemon');
  // What is not a regular file on a disk is refused by the kernel.
  file.backingFd = openSync('/dev/null', 'r');
  t.teardown(() => closeSync(file.backingFd!));
  const { mnt } = await mountFor(t, kernelDriver, fs);
  t.equal(await client.text(`${mnt}/doc`), 'from the daemon');
  t.equal(await client.text(`${mnt}/doc`), 'from the daemon');
});

t.test('a mount that the kernel refuses says why', async (t) => {
  const base = fuseFolder(t);
  const mountAt = (mountpoint: string, generic: string[] = []): Promise<{ mounted: Mounted }> =>
    mountFor(t, kernelDriver, new MemoryFileSystem(), { mountpoint, generic });
  await t.rejects(mountAt(join(base, 'absent')), { code: 'mountpoint-missing' });
  writeFileSync(join(base, 'file'), '');
  await t.rejects(mountAt(join(base, 'file')), { code: 'mountpoint-not-folder' });
  await t.rejects(mountAt(base, ['no-such-option']), { code: 'usage', message: /no-such-option/ });
});

t.test('a mount that cannot begin leaves none behind', async (t) => {
  for (const fails of ['begin', 'tell']) {
    const fs = new WritableMemoryFileSystem();
    const mnt = join(fuseFolder(t), 'mnt');
    mkdirSync(mnt);
    const { writable } = fs;
    let asked = 0;
    // Asked a second time when it is mounted, and the device is to be taken up.
    const get = () => {
      if (++asked === 2) queueMicrotask(takeDescriptors());
      return writable;
    };
    if (fails === 'begin') Object.defineProperty(fs, 'writable', { get });
    else fs.mounted = () => assert.fail('no');
    const options = { allowOther: false, readOnly: false, uid: 0, gid: 0, generic: [], log: silentLog };
    await t.rejects(kernelDriver.mount(fs, { ...options, source: 'memory', mountpoint: mnt }), {
      code: 'mount-failed',
    });
    t.equal(await mountedAt(mnt), undefined, fails);
  }
});
