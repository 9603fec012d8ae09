import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { linuxNames } from '#src/names/linux.js';
import { oddNames } from '#src/simulator/generate/odd-names.js';
import { mounted, run } from '../support/mounted.js';
import { until } from '../support/processes.js';

const DRIVERS = ['kernel', 'fuse-native'] as const;

/** The value of an attribute of each path, undefined where there is none. */
async function attributes(name: string, paths: readonly string[]): Promise<(string | undefined)[]> {
  const values: (string | undefined)[] = [];
  for (let at = 0; at < paths.length; at += 500) {
    const some = paths.slice(at, at + 500);
    const { stdout, stderr } = await run('getfattr', ['--absolute-names', '-e', 'hex', '-n', name, '--', ...some]);
    const found = [...stdout.matchAll(/^user\.[^=]+=0x([0-9a-f]*)$/gm)].map((match) => match[1]!);
    if (found.length !== some.length) return paths.map(() => (stderr === '' ? 'nothing' : undefined));
    values.push(...found.map((hex) => Buffer.from(hex, 'hex').toString()));
  }
  return values;
}

t.test('every awkward name is listed once, opens by that name, and reads right', async (t) => {
  const { installation, simulator, mnt } = await mounted(t, { items: 300 });
  await installation.crawled(mnt);
  const tree = await simulator.admin.tree();
  const entries = (await readdir(mnt, { recursive: true, withFileTypes: true })).map((entry) => ({
    path: join(entry.parentPath, entry.name),
    name: entry.name,
    isFile: entry.isFile(),
  }));
  const ids = (
    await attributes(
      'user.procore.id',
      entries.map(({ path }) => path),
    )
  ).map(Number);
  t.strictSame(
    [...ids].sort((a, b) => a - b),
    tree.map(({ id }) => id).sort((a, b) => a - b),
    'each item once',
  );
  t.equal(new Set(entries.map(({ path }) => path)).size, entries.length, 'no name twice in a folder');
  const items = new Map(tree.map((item) => [item.id, item]));
  for (const [n, { path, name, isFile }] of entries.entries()) {
    const item = items.get(ids[n]!)!;
    if (isFile !== (item.type === 'file')) t.fail(`${path} is a ${item.type} at the server`);
    const plain = linuxNames.decode(name.replace(` (${item.id})`, ''));
    if (!item.path.endsWith(plain) && Buffer.byteLength(name) < 240) t.fail(`${name} was ${item.path}`);
    if (!isFile) continue;
    const hash = createHash('sha256');
    if (hash.update(await readFile(path)).digest('hex') !== item.sha256) t.fail(`${path} differs`);
  }
  const shown = new Set(entries.map(({ name }) => name));
  const plain = oddNames.filter(({ name }) => linuxNames.encode(name) === name && Buffer.byteLength(name) <= 255);
  t.ok(plain.length > 40);
  t.strictSame(
    plain.filter(({ name }) => !shown.has(name)),
    [],
    'what Linux can hold is shown as it is',
  );
});

t.test('user.procore.* answer by name and are never listed', async (t) => {
  const { installation, simulator, mnt } = await mounted(t, { items: 20, oddNames: 'no' }, ['-o', 'poll=1']);
  const { admin } = simulator;
  await admin.change({ op: 'create', path: 'plan.txt', content: 'one', by: null });
  await admin.change({ op: 'update', path: 'plan.txt', content: 'two' });
  await admin.change({ op: 'checkout', path: 'plan.txt' });
  await installation.crawled(mnt);
  const path = join(mnt, 'plan.txt');
  // It was the last of what changed.
  await until(async () => (await attributes('user.procore.checked_out_by', [path]))[0] !== undefined);
  const item = (await admin.tree()).find((one) => one.path === 'plan.txt')!;
  const value = async (name: string, of = path): Promise<string | undefined> =>
    (await attributes(`user.procore.${name}`, [of]))[0];
  t.equal(await value('id'), String(item.id));
  t.match(await value('web_url'), new RegExp(`^http.*${item.id}`));
  t.equal(await value('state'), 'synced');
  t.equal(await value('private'), 'false');
  t.ok(await value('created_by'));
  t.ok(await value('checked_out_by'));
  t.equal(await value('version', mnt), undefined, 'a folder has no version');
  t.equal(await value('no_such_thing'), undefined);
  t.equal((await run('getfattr', ['-d', '-m', '-', path, mnt])).stdout, '', 'none is listed');
  const copy = join(installation.folder, 'copy.txt');
  await run('cp', ['-a', path, copy]);
  t.equal((await run('getfattr', ['-d', '-m', '-', copy])).stdout, '', 'and none goes along with cp -a');
});

for (const driver of DRIVERS)
  t.test(`${driver}: with -o ro every kind of change is refused with EROFS, and changes nothing`, async (t) => {
    const { installation, simulator, mnt } = await mounted(t, { items: 30, oddNames: 'no' }, [
      '--driver',
      driver,
      '-o',
      'ro',
    ]);
    const status = await installation.crawled(mnt);
    t.equal(status.driver, driver);
    const tree = await simulator.admin.tree();
    const file = join(mnt, tree.find(({ type }) => type === 'file')!.path);
    const folder = join(mnt, tree.find(({ type }) => type === 'folder')!.path);
    const commands: readonly (readonly string[])[] = [
      ['sh', '-c', `echo x >'${file}'`],
      ['sh', '-c', `echo x >>'${file}'`],
      ['sh', '-c', `echo x >'${mnt}/new'`],
      ['sh', '-c', `exec 3<>'${file}'`],
      ['truncate', '-s', '1', file],
      ['touch', file],
      ['touch', join(mnt, 'new')],
      ['mkdir', join(mnt, 'new')],
      ['rmdir', folder],
      ['rm', '-f', file],
      ['mv', file, join(mnt, 'new')],
      ['mv', '-f', file, folder],
      ['cp', '/etc/passwd', join(mnt, 'new')],
      ['ln', file, join(mnt, 'new')],
      ['ln', '-s', 'target', join(mnt, 'new')],
      ['mknod', join(mnt, 'new'), 'p'],
      ['chmod', '600', file],
      ['chown', '1', file],
      ['chgrp', '1', folder],
      ['setfattr', '-n', 'user.procore.pin', '-v', '1', file],
      ['setfattr', '-x', 'user.procore.id', file],
      ['fallocate', '-l', '10', file],
    ];
    for (const [program, ...words] of commands) {
      const ran = await run(program!, words, { env: { ...process.env, LC_ALL: 'C' } });
      t.not(ran.code, 0, `${program} ${words.join(' ')}`);
      t.match(ran.stderr, /Read-only file system/, `${program} ${words.join(' ')}`);
    }
    t.strictSame(await simulator.admin.tree(), tree, 'the project is as it was');
    t.equal((await stat(file)).size, tree.find(({ type }) => type === 'file')!.size);
  });
