import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Daemon } from '../support/daemon.js';
import { until } from '../support/desktop.js';
import { mounted } from '../support/mounted.js';
import { callsOf, must } from '../support/programs.js';

const MIB = 2 ** 20;
const FILES = 40;
const content = (n: number, version = 1): string => `${n}.${version} `.repeat(20_000);

/** Sets, reads or removes an attribute; what the kernel says to it. */
const attribute = (...words: string[]): Promise<string> =>
  must('python3', [
    '-c',
    `
import errno, os, sys
path, value = sys.argv[1:3]
try:
    if value == 'get': print(os.getxattr(path, 'user.procore.pin').decode())
    elif value == 'remove': os.removexattr(path, 'user.procore.pin')
    else: os.setxattr(path, 'user.procore.pin', value.encode())
except OSError as error: print(errno.errorcode[error.errno])`,
    ...words,
  ]).then((text) => text.trim());

t.test('what is pinned is here, stays here, and is current', async (t) => {
  const words = ['-o', 'poll=3600,cache=24M,cache_reserve=0'];
  const project = await mounted(t, { items: 0, oddNames: 'no', spike: 1000 }, words);
  const { installation, simulator, source, mnt } = project;
  const daemon = new Daemon(project);
  const { admin } = simulator;
  const create = (path: string, content: string) => ({ op: 'create' as const, path, content });
  await admin.changes([
    { op: 'create', path: 'plans', type: 'folder' },
    { op: 'create', path: 'plans/deep', type: 'folder' },
    ...Array.from({ length: FILES }, (_, n) => create(`plans/${n % 2 ? 'deep/' : ''}${n}.txt`, content(n))),
    ...Array.from({ length: 12 }, (_, n) => create(`other ${n}.bin`, `${n}`.repeat(3 * MIB))),
  ]);
  await installation.crawled(mnt);
  for (const folder of ['', 'plans', 'plans/deep']) await daemon.refresh(folder);
  const isHere = (): Promise<void> =>
    until('all that is pinned is here', async () => (await daemon.status()).pins.missing === 0);
  const storage = async () => (await admin.calls()).storage;

  await admin.expire({ urls: true });
  await admin.reset();
  t.match(await installation.must(['pin', join(mnt, 'plans')]), /^1 pin: 40 files, 3\.\d MiB, 3\.\d MiB to fetch\n$/);
  await isHere();
  const all = Array.from({ length: FILES }, (_, n) => content(n).length).reduce((sum, size) => sum + size, 0);
  t.equal((await storage()).bytes, all, 'each byte was fetched once');
  const calls = await admin.calls();
  // One of them may be the look for changes that follows the crawl.
  t.ok(calls.total <= 2, `${calls.total} calls for 40 files whose URLs had all expired`);
  t.match(await installation.must(['status', mnt]), /pinned +1 pin: 40 files, 3\.\d MiB\n/);
  t.equal(await attribute(join(mnt, 'plans', 'deep', '1.txt'), 'get'), '1', 'also what is below');
  t.equal(await attribute(join(mnt, 'other 1.bin'), 'get'), '0');

  await admin.reset();
  await admin.change({ op: 'update', path: 'plans/deep/1.txt', content: content(1, 2) });
  await admin.change({ op: 'create', path: 'plans/deep/new.txt', content: content(99) });
  await daemon.refresh('plans/deep');
  await until('the new version and the new file are here', async () => {
    const { pins } = await daemon.status();
    return pins.files === FILES + 1 && pins.missing === 0 && (await storage()).requests >= 2;
  });
  t.equal((await storage()).bytes, content(1, 2).length + content(99).length);
  t.equal(await callsOf(project), 1, 'the refresh alone');

  // Twice as much as the cache holds.
  for (let n = 0; n < 12; n++) await readFile(join(mnt, `other ${n}.bin`));
  t.ok((await daemon.status()).cache.bytes <= 24 * MIB);
  await installation.must(['umount', mnt]);
  await installation.must(['mount', source, mnt, ...words]);
  await readFile(join(mnt, 'other 0.bin'));
  await admin.reset();
  for (let n = 0; n < FILES; n++)
    t.equal(
      await readFile(join(mnt, 'plans', n % 2 ? 'deep' : '', `${n}.txt`), 'utf8'),
      content(n, n === 1 ? 2 : 1),
      `${n} is what the server has`,
    );
  t.equal((await storage()).requests, 0, 'from the disk');
  await until('the pin is there after a restart', async () => (await daemon.status()).pins.files === FILES + 1);

  t.equal(await attribute(join(mnt, 'plans', 'deep'), '0'), 'EINVAL', 'what a folder above keeps cannot be let go');
  t.equal(await attribute(join(mnt, 'other 0.bin'), 'maybe'), 'EINVAL');
  const whole = await installation.procorefs(['pin', mnt]);
  t.equal(whole.code, 1);
  t.match(
    whole.stderr,
    /cannot be pinned: together with what is pinned already it is 4\d MiB, and the cache holds 24 MiB/,
  );
  t.equal(await attribute(join(mnt, 'other 0.bin'), '1'), '', 'a file alone');
  await isHere();
  t.equal((await daemon.status()).pins.items, 2);
  t.equal(await attribute(join(mnt, 'other 0.bin'), 'remove'), '');
  t.match(await installation.must(['unpin', join(mnt, 'plans')]), /^0 pins: 0 files/);
  t.equal(await attribute(join(mnt, 'plans'), 'get'), '0');
});

t.test('a pin goes with the document when a program saves by renaming', async (t) => {
  const project = await mounted(t, { items: 0, oddNames: 'no' }, ['-o', 'poll=3600,settle=0']);
  const { simulator, mnt, installation } = project;
  const daemon = new Daemon(project);
  await simulator.admin.change({ op: 'create', path: 'a.txt', content: 'first' });
  await installation.crawled(mnt);
  await daemon.refresh();
  const file = join(mnt, 'a.txt');
  t.equal(await attribute(file, '1'), '');
  await must('sed', ['-i', 's/first/second/', file]);
  t.equal(await attribute(file, 'get'), '1');
  t.strictSame(await daemon.drain(), []);
  t.equal(await attribute(file, 'get'), '1');
  await until('what is pinned is counted', async () => (await daemon.status()).pins.bytes === 6);
  t.match((await daemon.status()).pins, { items: 1, files: 1, bytes: 6, missing: 0 });
});
