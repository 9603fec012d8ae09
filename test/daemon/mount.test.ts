import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readSync, rmSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { shortHash } from '#src/project/state-folder.js';
import { Installation, isMounted, mounted, run } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { simulator, unquiet } from '../support/simulator.js';

t.test('ls answers straight after mount, and the whole tree is right once the crawl is done', async (t) => {
  const { installation, simulator, mnt } = await mounted(t, { items: 6000, spike: 25, hourly: 3600 }, ['-o', 'poll=5']);
  await simulator.admin.reset();
  t.ok((await readdir(mnt)).length > 5);
  const early = await simulator.admin.calls();
  const folderCalls = Object.entries(early.byRoute).filter(([route]) => route.includes('folders'));
  t.ok(
    folderCalls.every(([, calls]) => calls <= 1),
    'the listing cost at most one call',
  );
  const status = await installation.crawled(mnt);
  t.equal(status.state, 'ready');
  await simulator.admin.reset();
  const found = await run('find', [mnt, '-mindepth', '1', '-type', 'f', '-printf', '%s\n']);
  const tree = (await simulator.admin.tree({ hash: false })).filter((entry) => entry.type === 'file');
  const sizes = found.stdout.trim().split('\n').map(Number);
  t.equal(sizes.length, tree.length);
  t.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    tree.reduce((sum, entry) => sum + entry.size, 0),
  );
  const { byRoute, total } = await simulator.admin.calls();
  t.equal(total, byRoute['GET /rest/v1.0/projects/:id/documents'] ?? 0, 'nothing but polls');
});

t.test('a new mount of a known project makes no call for five seconds', async (t) => {
  const { installation, simulator, source, mnt } = await mounted(t, { items: 500 });
  await installation.crawled(mnt);
  await installation.must(['umount', mnt]);
  t.notOk(isMounted(mnt));
  await installation.ended();
  await simulator.admin.reset();
  const began = Date.now();
  await installation.must(['mount', source, mnt]);
  await run('find', [mnt, '-ls']);
  await sleep(2500);
  t.equal(unquiet(await simulator.admin.calls(), began), undefined);
});

t.test('every file has the bytes that the server has, read twice for the price of once', async (t) => {
  const { installation, simulator, mnt } = await mounted(t, { items: 300, oddNames: 'no' });
  await installation.crawled(mnt);
  await simulator.admin.reset();
  const tree = (await simulator.admin.tree()).filter((entry) => entry.type === 'file');
  for (const pass of [1, 2]) {
    for (const entry of tree) {
      const sum = createHash('sha256')
        .update(await readFile(join(mnt, entry.path)))
        .digest('hex');
      if (sum !== entry.sha256) t.fail(`${entry.path} differs in pass ${pass}`);
    }
    const { storage } = await simulator.admin.calls();
    t.equal(
      storage.bytes,
      tree.reduce((sum, entry) => sum + entry.size, 0),
      `bytes after pass ${pass}`,
    );
  }
});

for (const driver of ['kernel', 'fuse-native'])
  t.test(`${driver}: a file replaced at the server while it is read is never mixed`, async (t) => {
    const { installation, simulator, mnt } = await mounted(t, { items: 20 }, ['--driver', driver, '-o', 'poll=1']);
    const { admin } = simulator;
    await admin.change({ op: 'create', path: 'big.bin', content: 'a'.repeat(3_000_000) });
    await installation.crawled(mnt);
    await until(async () => (await readdir(mnt)).includes('big.bin'));
    const path = join(mnt, 'big.bin');
    const before = await stat(path);
    const fd = openSync(path, 'r');
    t.teardown(() => closeSync(fd));
    const chunk = Buffer.alloc(100_000);
    readSync(fd, chunk, 0, chunk.length, 0);
    await admin.change({ op: 'update', path: 'big.bin', content: 'b'.repeat(2_000_000) });
    await until(async () => (await stat(path)).size === 2_000_000);
    if (driver === 'kernel') t.equal((await stat(path)).ino, before.ino, 'the inode number stays');
    t.equal(await readFile(path, 'utf8'), 'b'.repeat(2_000_000), 'a new open sees the new version');
    for (let at = 100_000; at < 3_000_000; at += 100_000) {
      try {
        const length = readSync(fd, chunk, 0, chunk.length, at);
        if (chunk.subarray(0, length).some((byte) => byte !== 97)) t.fail(`mixed at ${at}`);
        if (driver === 'kernel') t.equal(length, 100_000);
      } catch (error) {
        if (driver === 'kernel') throw error;
        t.match(error, { code: /ESTALE|EIO/ });
        break;
      }
    }
  });

t.test('changes at the server reach names and sizes that the kernel remembers', async (t) => {
  const { installation, simulator, mnt } = await mounted(t, { items: 50, oddNames: 'no' }, ['-o', 'poll=1']);
  const { admin } = simulator;
  await installation.crawled(mnt);
  await run('find', [mnt, '-ls']);
  await t.rejects(stat(join(mnt, 'later.txt')), { code: 'ENOENT' });
  await admin.change({ op: 'create', path: 'later.txt', content: 'hello' });
  await until(async () => (await readdir(mnt)).includes('later.txt'));
  t.equal((await stat(join(mnt, 'later.txt'))).size, 5, 'a name remembered as missing is there');
  await admin.change({ op: 'rename', path: 'later.txt', to: 'sooner.txt' });
  await until(async () => (await readdir(mnt)).includes('sooner.txt'));
  await t.rejects(stat(join(mnt, 'later.txt')), { code: 'ENOENT' });
  await admin.change({ op: 'delete', path: 'sooner.txt' });
  await until(async () => !(await readdir(mnt)).includes('sooner.txt'));
  await t.rejects(stat(join(mnt, 'sooner.txt')), { code: 'ENOENT' });
});

t.test('a folder of the project, and the same project twice, mount through one daemon', async (t) => {
  const { installation, simulator, source, mnt } = await mounted(t, { items: 200, oddNames: 'no' });
  await installation.crawled(mnt);
  const folder = (await simulator.admin.tree({ hash: false })).find(
    (e) => e.type === 'folder' && e.path.includes('/'),
  )!;
  const second = installation.mountpoint('second');
  await installation.must(['mount', `${source}/${folder.path}`, second]);
  t.strictSame((await readdir(second)).sort(), (await readdir(join(mnt, folder.path))).sort());
  t.equal((await installation.status(second)).pid, (await installation.status(mnt)).pid);
  await installation.must(['umount', mnt]);
  t.ok((await stat(second)).isDirectory(), 'the other mount goes on');
  const { pid } = await installation.status(second);
  await installation.must(['umount', second]);
  await until(async () => !isAlive(pid));
});

t.test('a killed daemon leaves a dead mount point, which the next mount clears', async (t) => {
  const { installation, source, mnt } = await mounted(t, { items: 100 });
  const { pid } = await installation.crawled(mnt);
  process.kill(pid, 'SIGKILL');
  await until(async () => !isAlive(pid));
  await t.rejects(stat(mnt), { code: 'ENOTCONN' });
  t.match(await installation.must(['status']), /dead/);
  await installation.must(['mount', source, mnt]);
  t.ok((await readdir(mnt)).length > 0);
});

t.test('umount(8) and SIGTERM end the daemon and leave nothing', async (t) => {
  const { installation, source, mnt } = await mounted(t, { items: 50 });
  const first = await installation.status(mnt);
  t.equal((await run('umount', [mnt])).code, 0);
  await until(async () => !isAlive(first.pid));
  t.strictSame(JSON.parse(await installation.must(['status', '--json'])), []);
  await installation.must(['mount', source, mnt]);
  const second = await installation.status(mnt);
  process.kill(second.pid, 'SIGTERM');
  await until(async () => !isAlive(second.pid));
  t.notOk(isMounted(mnt));
});

t.test('a mount of which no record can be kept is none; one whose record stays ends in order', async (t) => {
  const { installation, source, mnt } = await mounted(t, { items: 0 });
  const record = (place: string): string => join(installation.state, 'mounts', `${shortHash(place)}.json`);
  const second = installation.mountpoint('second');
  const third = installation.mountpoint('third');
  // Folders where the records belong.
  for (const place of [second, third]) mkdirSync(record(place));
  const refused = await installation.procorefs(['mount', source, second]);
  t.match(refused.stderr, /the state folder .* cannot be written/);
  t.notOk(isMounted(second), 'by a daemon that has mounts');
  const { pid } = await installation.status(mnt);
  rmSync(record(mnt));
  mkdirSync(record(mnt));
  t.equal((await run('umount', [mnt])).code, 0);
  await until(async () => !isAlive(pid));
  t.match(installation.log(), /the record of a mount that is gone cannot be removed/);
  t.notMatch(installation.log(), /nobody expected/);
  t.match((await installation.procorefs(['mount', source, third])).stderr, /the state folder .* cannot be written/);
  t.notOk(isMounted(third), 'by a daemon of its own');
});

t.test('mount by name; a bound connection needs none', async (t) => {
  const running = await simulator(t, { items: 20 });
  const installation = new Installation(t);
  const project = running.ready.projects[0]!;
  await installation.connect(running, ['--project', String(project.id)]);
  const mnt = installation.mountpoint();
  await installation.must(['mount', 'Procore:', mnt]);
  t.ok((await readdir(mnt)).length > 0);
  const other = installation.mountpoint('other');
  await installation.must(['mount', `Procore:${project.name}`, other]);
  t.strictSame(await readdir(other), await readdir(mnt));
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
