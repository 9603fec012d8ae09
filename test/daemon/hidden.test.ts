import { copyFile, mkdir, open, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Installation, run } from '../support/mounted.js';
import { must, settings } from '../support/programs.js';
import { simulator } from '../support/simulator.js';

const OPTIONS = 'settle=3600,delete_delay=3600,poll=3600,umask=022';
const HOSTILE = ['a/b:c?.pdf', 'x\u001b[31m\n.p\u001bdf', '.procore', `${'n'.repeat(251)}.txt`, '\u202egnp.exe'];
const { admin, installation, mounts } = await opened();

/** One project, mounted by both drivers of one daemon. */
async function opened() {
  const running = await simulator(t, settings);
  const { admin } = running;
  const installation = new Installation(t);
  await installation.connect(running);
  const create = (path: string, content: string) => ({ op: 'create', path, content, parents: true });
  await admin.changes([
    create('Plans/A-101.pdf', 'first'),
    { op: 'update', path: 'Plans/A-101.pdf', content: 'second!' },
    { op: 'update', path: 'Plans/A-101.pdf', content: 'third' },
    create('Plans/single.txt', 'once'),
    create('Plans/noext', '1'),
    { op: 'update', path: 'Plans/noext', content: '22' },
    ...HOSTILE.flatMap((name) => [
      { op: 'create', parent: '', name, content: 'one' },
      { op: 'update', parent: '', name, content: 'other' },
    ]),
    create('gone.txt', 'was here'),
    create('one/twin.txt', '1'),
    create('two/twin.txt', '2'),
    create('Old/inner/deep.txt', 'deep'),
    create('Old/early.txt', 'deleted before'),
    create('Old/flat.txt', 'flat'),
    { op: 'create', parent: '', name: 'sl/ash.txt', content: 'slash' },
    { op: 'delete', path: 'gone.txt' },
    { op: 'delete', path: 'one/twin.txt' },
    { op: 'delete', path: 'two/twin.txt' },
    { op: 'delete', path: 'Old' },
    { op: 'delete', parent: '', name: 'sl/ash.txt' },
  ]);
  const source = `Procore:${running.ready.projects[0]!.id}`;
  const mounts = { kernel: installation.mountpoint('kernel'), 'fuse-native': installation.mountpoint('native') };
  for (const [driver, mnt] of Object.entries(mounts))
    await installation.must(['mount', source, mnt, '--driver', driver, '-o', OPTIONS]);
  await installation.crawled(mounts.kernel);
  return { admin, installation, mounts };
}

const calls = async (): Promise<number> => (await admin.calls()).total;
const names = async (...path: string[]): Promise<string[]> => (await readdir(join(...path))).sort();
const mode = async (...path: string[]): Promise<string> => (await stat(join(...path))).mode.toString(8);
const id = async (path: string): Promise<number> =>
  (await admin.history()).find((entry) => entry.path === path || entry.path.endsWith(`/${path}`))!.id;
/** Of the one in `one`. */
const twinId = await id('one/twin.txt');

for (const [driver, mnt] of Object.entries(mounts)) {
  const versions = join(mnt, '.procore', 'versions');
  const recycle = join(mnt, '.procore', 'recycle');

  t.test(`${driver}: .procore is never listed, is reached by name, and costs nothing by itself`, async (t) => {
    await admin.reset();
    t.notOk((await readdir(mnt)).includes('.procore'));
    const found = (await run('find', [mnt])).stdout;
    t.notMatch(found, /\/\.procore/);
    t.match(found, /\/\uff0eprocore\n/, 'what is really called so has another name');
    t.strictSame(await names(mnt, '.procore'), ['recycle', 'versions']);
    for (const path of ['', 'versions', 'recycle', 'versions/Plans/A-101.pdf'])
      t.equal(await mode(mnt, '.procore', path), '40555', path);
    t.strictSame(await names(versions, 'Plans'), ['A-101.pdf', 'noext', 'single.txt']);
    t.strictSame(await names(versions, 'Plans', 'single.txt'), [], 'it has no older version');
    await t.rejects(stat(join(versions, 'Plans', 'nothing')), { code: 'ENOENT' });
    t.equal(await calls(), 0);
  });

  t.test(`${driver}: older versions: one call a file, contents, sizes, times`, async (t) => {
    const folder = join(versions, 'Plans', 'A-101.pdf');
    await admin.reset();
    t.strictSame(await names(folder), ['1.pdf', '2.pdf']);
    t.equal(await readFile(join(folder, '1.pdf'), 'utf8'), 'first');
    t.equal(await readFile(join(folder, '2.pdf'), 'utf8'), 'second!');
    t.equal(await calls(), driver === 'kernel' ? 1 : 0, 'both mounts share what is known');
    t.strictSame(await names(folder), ['1.pdf', '2.pdf']);
    const { size, mtimeMs } = await stat(join(folder, '2.pdf'));
    t.equal(size, 7);
    t.ok(Math.abs(mtimeMs - Date.now()) < 600_000);
    t.equal(await mode(folder, '2.pdf'), '100444');
    await t.rejects(stat(join(folder, '3.pdf')), { code: 'ENOENT' }, 'the current one is no older one');
    t.strictSame(await names(versions, 'Plans', 'noext'), ['1']);
    const attribute = (name: string) =>
      must('getfattr', ['--only-values', '-n', `user.procore.${name}`, join(folder, '2.pdf')]);
    t.equal(await attribute('version'), '2');
    t.equal(await attribute('id'), String(await id('Plans/A-101.pdf')));
    t.equal(await calls(), driver === 'kernel' ? 2 : 0);
    t.match((await run('find', [versions])).stderr, '', 'find sees no loop');
  });

  t.test(`${driver}: hostile names are listed once, and lead to their versions`, async (t) => {
    const shown = (await readdir(mnt)).filter((name) => name !== 'Schedules');
    t.strictSame((await readdir(versions)).filter((name) => name !== 'Schedules').sort(), shown.sort());
    for (const name of shown) {
      if (!(await stat(join(mnt, name))).isFile()) continue;
      const older = await readdir(join(versions, name));
      t.equal(older.length, 1, JSON.stringify(name));
      t.match(older[0], /^1(\.(pdf|txt|exe|procore))?$/, JSON.stringify(name));
      t.equal(await readFile(join(versions, name, older[0]!), 'utf8'), 'one');
    }
  });

  t.test(`${driver}: the recycle bin: one call, names made unique, folders walkable`, async (t) => {
    await admin.reset();
    const twins = [await id('one/twin.txt'), await id('two/twin.txt')].map((one) => `twin (${one}).txt`);
    t.strictSame(await names(recycle), ['Old', 'gone.txt', 'sl\uff0fash.txt', ...twins].sort());
    t.equal(await calls(), driver === 'kernel' ? 1 : 0);
    t.equal(await readFile(join(recycle, 'gone.txt'), 'utf8'), 'was here');
    t.equal(await readFile(join(recycle, twins[1]!), 'utf8'), '2');
    t.equal(await readFile(join(recycle, 'sl\uff0fash.txt'), 'utf8'), 'slash');
    t.strictSame(await names(recycle, 'Old'), ['early.txt', 'flat.txt', 'inner']);
    t.equal(await readFile(join(recycle, 'Old', 'inner', 'deep.txt'), 'utf8'), 'deep');
    t.equal(await mode(recycle, 'gone.txt'), '100444');
    t.equal(await mode(recycle, 'Old'), '40555');
    t.equal(await calls(), driver === 'kernel' ? 1 : 0);
    const from = ['--only-values', '-n', 'user.procore.deleted_from', join(recycle, twins[0]!)];
    t.equal(await must('getfattr', from), '/one');
    await t.rejects(stat(join(recycle, 'twin.txt')), { code: 'ENOENT' }, 'two are called so');
    await t.rejects(stat(join(recycle, 'Plans')), { code: 'ENOENT' });
    await t.rejects(rm(join(recycle, 'gone.txt')), { code: 'EROFS' });
    t.match((await run('find', [recycle])).stderr, '');
  });

  t.test(`${driver}: nothing can be changed there`, async (t) => {
    const file = join(versions, 'Plans', 'A-101.pdf', '1.pdf');
    const erofs = { code: 'EROFS' };
    await t.rejects(writeFile(file, 'x'), erofs);
    await t.rejects(open(file, 'r+'), erofs);
    await t.rejects(writeFile(join(versions, 'Plans', 'A-101.pdf', 'new'), 'x'), erofs);
    await t.rejects(rm(file), erofs);
    await t.rejects(rename(file, join(mnt, 'x')), erofs);
    await t.rejects(rename(join(mnt, 'Plans', 'single.txt'), join(versions, 'x')), erofs);
    await t.rejects(mkdir(join(recycle, 'x')), erofs);
    await t.rejects(rmdir(join(versions, 'Plans')), erofs);
    await t.rejects(rmdir(join(mnt, '.procore')), erofs);
    await t.rejects(rename(join(mnt, '.procore'), join(mnt, 'mine')), erofs);
    await t.rejects(rename(join(mnt, 'Plans'), join(mnt, '.procore')), erofs);
    await t.rejects(mkdir(join(mnt, '.procore')), { code: 'EEXIST' });
    await t.rejects(mkdir(join(mnt, 'Plans', '.procore')), { code: 'EINVAL' });
    await t.rejects(writeFile(join(mnt, 'Plans', '.procore'), 'x'), { code: 'EINVAL' });
    for (const words of [
      ['chmod', '777', file],
      ['touch', file],
      ['setfattr', '-n', 'user.procore.checkout', '-v', '1h', file],
    ] as const)
      t.match((await run(words[0], words.slice(1))).stderr, /Read-only file system/, words[0]);
    t.match(installation.log(), /nothing in \.procore can be changed/);
  });
}

t.test('expired URLs are renewed by one call', async (t) => {
  const versions = join(mounts.kernel, '.procore', 'versions');
  const recycle = join(mounts.kernel, '.procore', 'recycle');
  await admin.changes([
    { op: 'create', path: 'late.txt', content: 'late one' },
    { op: 'update', path: 'late.txt', content: 'late two' },
    { op: 'create', path: 'bin 1.txt', content: 'b1' },
    { op: 'create', path: 'bin 2.txt', content: 'b2' },
    { op: 'delete', path: 'bin 1.txt' },
    { op: 'delete', path: 'bin 2.txt' },
  ]);
  await installation.must(['refresh', mounts.kernel]);
  await installation.must(['refresh', recycle]);
  t.strictSame(await names(versions, 'late.txt'), ['1.txt']);
  await sleep(1000);
  await admin.expire({ urls: true });
  await admin.reset();
  t.equal(await readFile(join(versions, 'late.txt', '1.txt'), 'utf8'), 'late one');
  t.equal(await calls(), 1);
  await admin.reset();
  t.equal(await readFile(join(recycle, 'bin 1.txt'), 'utf8'), 'b1');
  t.equal(await readFile(join(recycle, 'bin 2.txt'), 'utf8'), 'b2');
  t.equal(await calls(), 1, 'for both');
});

t.test('a new version adds the one before; an old one comes back by cp', async (t) => {
  const { kernel: mnt } = mounts;
  const folder = join(mnt, '.procore', 'versions', 'Plans', 'A-101.pdf');
  await admin.change({ op: 'update', path: 'Plans/A-101.pdf', content: 'fourth' });
  await installation.must(['refresh', join(mnt, 'Plans')]);
  await admin.reset();
  t.strictSame(await names(folder), ['1.pdf', '2.pdf', '3.pdf']);
  t.equal(await calls(), 1);
  await copyFile(join(folder, '1.pdf'), join(mnt, 'Plans', 'A-101.pdf'));
  t.equal(await readFile(join(mnt, 'Plans', 'A-101.pdf'), 'utf8'), 'first');
  t.strictSame(await names(folder), ['1.pdf', '2.pdf', '3.pdf', '4.pdf'], 'what is at the server is an older one here');
  t.equal(await readFile(join(folder, '4.pdf'), 'utf8'), 'fourth');
  await installation.must(['drain', mnt]);
  t.strictSame(await names(folder), ['1.pdf', '2.pdf', '3.pdf', '4.pdf']);
  t.match(
    (await admin.tree()).find(({ path }) => path === 'Plans/A-101.pdf'),
    { versions: 5, size: 5 },
  );
});

const restore = async (...path: string[]): Promise<{ path: string; note?: string }> =>
  JSON.parse(await installation.must(['restore', '--json', join(mounts.kernel, ...path)]));

t.test('restore: by its place in the bin, in one call, with its inode, and at once', async (t) => {
  const { kernel: mnt } = mounts;
  const before = await stat(join(mnt, 'Plans', 'single.txt'));
  await admin.change({ op: 'delete', path: 'Plans/single.txt' });
  await installation.must(['refresh', join(mnt, '.procore', 'recycle')]);
  await t.rejects(stat(join(mnt, 'Plans', 'single.txt')), { code: 'ENOENT' });
  await admin.reset();
  t.strictSame(await restore('.procore', 'recycle', 'single.txt'), { path: 'Plans/single.txt' });
  t.equal(await calls(), 1);
  const after = await stat(join(mnt, 'Plans', 'single.txt'));
  t.equal(after.ino, before.ino);
  t.equal(await readFile(join(mnt, 'Plans', 'single.txt'), 'utf8'), 'once');
  t.ok((await admin.tree()).some(({ path }) => path === 'Plans/single.txt'));
  await t.rejects(stat(join(mnt, '.procore', 'recycle', 'single.txt')), { code: 'ENOENT' });
});

t.test('restore: by where it was; what has the place meanwhile, or is not there, is said', async (t) => {
  const { kernel: mnt } = mounts;
  t.strictSame(await restore('one', 'twin.txt'), { path: 'one/twin.txt' });
  t.equal(await readFile(join(mnt, 'one', 'twin.txt'), 'utf8'), '1');
  t.equal(await readFile(join(mnt, '.procore', 'recycle', 'twin.txt'), 'utf8'), '2', 'only one of the twins is left');
  await writeFile(join(mnt, 'gone.txt'), 'another');
  const refused = async (what: RegExp, ...path: string[]): Promise<void> => {
    const { code, stderr } = await installation.procorefs(['restore', join(mnt, ...path)]);
    t.equal(code, path[1] === 'versions' ? 2 : 1, path.join('/'));
    t.match(stderr, what);
  };
  await admin.reset();
  await refused(/another item is at \/gone\.txt; rename or move/, 'gone.txt');
  await refused(/another item is at \/gone\.txt;/, '.procore', 'recycle', 'gone.txt');
  t.equal(await calls(), 0, 'no call finds what is known');
  await rm(join(mnt, 'gone.txt'));
  await refused(/the recycle bin has no item that was at \/never\.txt/, 'never.txt');
  await refused(/its folder is not there either: restore that first/, 'Old', 'flat.txt');
  await refused(/comes back with cp/, '.procore', 'versions', 'Plans', 'A-101.pdf', '1.pdf');
  t.equal((await admin.calls()).status4xx, 0);
});

t.test('restore: a folder comes with what is in it; what was in a folder that is gone goes to the top', async (t) => {
  const { kernel: mnt } = mounts;
  t.match(await restore('.procore', 'recycle', 'Old', 'inner', 'deep.txt'), {
    path: 'deep.txt',
    note: /not there any more/,
  });
  t.equal(await readFile(join(mnt, 'deep.txt'), 'utf8'), 'deep');
  t.strictSame(await restore('Old'), { path: 'Old' });
  t.strictSame(await names(mnt, 'Old'), ['early.txt', 'flat.txt', 'inner']);
  t.equal(await readFile(join(mnt, 'Old', 'flat.txt'), 'utf8'), 'flat');
});

t.test('restore: what was deleted here and waits costs no call', async (t) => {
  const { kernel: mnt } = mounts;
  await rm(join(mnt, 'Old'), { recursive: true });
  await admin.reset();
  t.match(await restore('Old'), { path: 'Old', note: /not been deleted at the server yet/ });
  t.equal(await calls(), 0);
  t.strictSame(await names(mnt, 'Old'), ['early.txt', 'flat.txt', 'inner']);
  await rm(join(mnt, 'Old'), { recursive: true });
  await installation.must(['drain', mnt]);
  t.strictSame(await restore('Old'), { path: 'Old' }, 'and when it was sent');
  t.equal(await readFile(join(mnt, 'Old', 'inner', '..', 'flat.txt'), 'utf8'), 'flat');
});

t.test('where the server says of deleted items only that they are in the bin', async (t) => {
  const { kernel: mnt } = mounts;
  await admin.switches({ 'recycled-parent': 'bin' });
  await admin.changes([
    { op: 'create', path: 'one/unseen.txt', content: 'u' },
    { op: 'delete', path: 'one/unseen.txt' },
    { op: 'delete', path: 'one/twin.txt' },
  ]);
  await installation.must(['refresh', join(mnt, '.procore', 'recycle')]);
  t.strictSame(await restore('.procore', 'recycle', 'unseen.txt'), {
    path: 'unseen.txt',
    note: 'the folder where it was is not known or not there any more: it is in the root of the project',
  });
  const twin = (await names(mnt, '.procore', 'recycle')).find((name) => name.includes(String(twinId)));
  t.strictSame(await restore('.procore', 'recycle', twin!), { path: 'one/twin.txt' }, 'it was known where this was');
  await admin.switches({ restore: 'refused' });
  await admin.change({ op: 'delete', path: 'unseen.txt' });
  await installation.must(['refresh', join(mnt, '.procore', 'recycle')]);
  const { stderr } = await installation.procorefs(['restore', join(mnt, 'unseen.txt')]);
  t.match(stderr, /Procore refuses to restore \/unseen\.txt.*; restore it in Procore/);
});
