import { createHash } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { type MountedProject, mounted, run } from '../support/mounted.js';
import type { TreeEntry } from '../support/simulator.js';

const QUICK = ['-o', 'settle=0,delete_delay=0,poll=3600'];
const settings = { items: 30, oddNames: 'no', spike: 1000, hourly: 100_000 } as const;

async function drained({ installation, mnt }: MountedProject): Promise<void> {
  await installation.must(['drain', mnt, '--timeout', '240']);
}

async function byPath({ simulator }: MountedProject): Promise<Map<string, TreeEntry>> {
  return new Map((await simulator.admin.tree()).map((entry) => [entry.path, entry]));
}

const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

/** API calls but polls. */
async function callsOf(project: MountedProject): Promise<number> {
  const { total, byRoute } = await project.simulator.admin.calls();
  return total - (byRoute['GET /rest/v1.0/projects/:id/documents'] ?? 0);
}

t.test('each change costs the calls that it must and no more', async (t) => {
  // What one command deletes may be a moment apart: nothing of it goes before all is deleted.
  const project = await mounted(t, settings, ['-o', 'settle=0,delete_delay=600,poll=3600']);
  const { installation, simulator, mnt } = project;
  await installation.crawled(mnt);
  const cost = async (what: () => Promise<unknown>): Promise<number> => {
    await simulator.admin.reset();
    await what();
    await drained(project);
    return callsOf(project);
  };
  t.equal(await cost(() => writeFile(join(mnt, 'new.txt'), 'hello')), 2, 'a new file');
  t.ok((await cost(() => writeFile(join(mnt, 'new.txt'), 'hello again'))) <= 3, 'a new version');
  t.equal(await cost(() => mkdir(join(mnt, 'folder'))), 1, 'a folder');
  t.equal(await cost(() => rename(join(mnt, 'new.txt'), join(mnt, 'other.txt'))), 1, 'a rename');
  t.equal(
    await cost(() => rename(join(mnt, 'other.txt'), join(mnt, 'folder', 'moved.txt'))),
    1,
    'a move, with a new name',
  );
  t.equal(await cost(() => rename(join(mnt, 'folder'), join(mnt, 'binder'))), 1, 'a folder renamed');
  // It is listed again before it goes: what somebody put into it meanwhile is kept.
  t.equal(await cost(() => rm(join(mnt, 'binder'), { recursive: true })), 2, 'a folder with its content deleted');
  const tree = await byPath(project);
  t.notOk([...tree.keys()].some((path) => /new|other|folder$|binder/.test(path)));
});

t.test('what was written is what the server has, with one version each', async (t) => {
  const project = await mounted(t, settings, QUICK);
  const { mnt } = project;
  await mkdir(join(mnt, 'a', 'b'), { recursive: true });
  const big = Buffer.alloc(3_000_000, 'x');
  await writeFile(join(mnt, 'a', 'b', 'big.bin'), big);
  await writeFile(join(mnt, 'a', 'empty'), '');
  await writeFile(join(mnt, 'a', 'log.txt'), 'one\n');
  await appendFile(join(mnt, 'a', 'log.txt'), 'two\n');
  t.equal(await readFile(join(mnt, 'a', 'log.txt'), 'utf8'), 'one\ntwo\n');
  await drained(project);
  const tree = await byPath(project);
  t.match(tree.get('a/b/big.bin'), { sha256: sha256(big), versions: 1 });
  t.match(tree.get('a/empty'), { size: 0 });
  t.match(tree.get('a/log.txt'), { sha256: sha256('one\ntwo\n'), versions: 1 });
  t.equal(await readFile(join(mnt, 'a', 'log.txt'), 'utf8'), 'one\ntwo\n', 'after it went up as before');
  t.strictSame(await readdir(join(mnt, 'a')), ['b', 'empty', 'log.txt']);
});

/** `other` lies outside of the mount and has the new content. */
const saves: Readonly<Record<string, (path: string, other: string) => Promise<unknown>>> = {
  'over the file': (path) => writeFile(path, 'second'),
  append: (path) => appendFile(path, ' more'),
  'rename over (rsync, os.replace)': async (path) => {
    await writeFile(`${path}.x1y2z3`, 'second');
    await rename(`${path}.x1y2z3`, path);
  },
  'rename away, create, delete (vim, Word)': async (path) => {
    await rename(path, `${path}~`);
    await writeFile(path, 'second');
    await rm(`${path}~`);
  },
  'delete, create': async (path) => {
    await rm(path);
    await writeFile(path, 'second');
  },
  'rename away, rename in, delete': async (path) => {
    await writeFile(`${path}.tmp`, 'second');
    await rename(path, `${path}.bak~`);
    await rename(`${path}.tmp`, path);
    await rm(`${path}.bak~`);
  },
  'sed -i': async (path) => {
    const ran = await run('sed', ['-i', 's/first/second/', path]);
    if (ran.code !== 0) throw new Error(ran.stderr);
  },
  rsync: async (path, other) => {
    const ran = await run('rsync', ['-a', other, path]);
    if (ran.code !== 0) throw new Error(ran.stderr);
  },
  'rsync --inplace': async (path, other) => {
    const ran = await run('rsync', ['-a', '--inplace', other, path]);
    if (ran.code !== 0) throw new Error(ran.stderr);
  },
  cp: async (path, other) => {
    const ran = await run('cp', [other, path]);
    if (ran.code !== 0) throw new Error(ran.stderr);
  },
};

t.test('every way to save makes one new version of the same document', async (t) => {
  const project = await mounted(t, settings, ['-o', 'settle=600,delete_delay=600,poll=3600']);
  const { installation, mnt } = project;
  const other = join(installation.folder, 'other');
  for (const [name, save] of Object.entries(saves)) {
    const file = `${Object.keys(saves).indexOf(name)}.txt`;
    const path = join(mnt, file);
    await writeFile(path, 'first');
    await drained(project);
    const before = (await byPath(project)).get(file);
    await writeFile(other, 'second');
    await save(path, other);
    const content = await readFile(path, 'utf8');
    await drained(project);
    const after = (await byPath(project)).get(file);
    t.equal(after?.id, before?.id, `${name}: the same id`);
    t.equal(after?.versions, 2, `${name}: one more version`);
    t.equal(after?.sha256, sha256(content), `${name}: the content`);
    t.not(content, 'first');
  }
  const left = [...(await byPath(project)).keys()].filter((path) => /~|tmp|bak|x1y2z3/.test(path));
  t.strictSame(left, [], 'nothing else is at the server');
});

t.test('rsync -a into the mount finds nothing to do the second time, also after a new mount', async (t) => {
  const project = await mounted(t, settings, QUICK);
  const { installation, source, mnt } = project;
  const from = join(installation.folder, 'from');
  await mkdir(join(from, 'deep'), { recursive: true });
  for (let i = 0; i < 20; i++) {
    const path = join(from, 'deep', `file ${i}.txt`);
    await writeFile(path, `content ${i}`);
    await utimes(path, 1_600_000_000 + i, 1_600_000_000 + i);
  }
  const sync = async (): Promise<string> => {
    const ran = await run('rsync', ['-a', '--stats', `${from}/`, `${mnt}/in/`]);
    t.equal(ran.code, 0, ran.stderr);
    return /transferred: (\d+)/.exec(ran.stdout)![1]!;
  };
  t.equal(await sync(), '20');
  t.equal(await sync(), '0', 'while it is on its way');
  await drained(project);
  t.equal(await sync(), '0', 'at the server');
  await installation.must(['umount', mnt]);
  await installation.must(['mount', source, mnt, ...QUICK]);
  t.equal(await sync(), '0', 'mounted anew');
  t.equal(Math.floor((await stat(join(mnt, 'in', 'deep', 'file 3.txt'))).mtimeMs / 1000), 1_600_000_003);
});

t.test('somebody else was faster: both contents are kept', async (t) => {
  const project = await mounted(t, settings, ['-o', 'settle=3600,poll=3600']);
  const { simulator, mnt } = project;
  await writeFile(join(mnt, 'shared.txt'), 'first');
  await drained(project);
  await writeFile(join(mnt, 'shared.txt'), 'mine');
  await simulator.admin.change({ op: 'update', path: 'shared.txt', content: 'theirs' });
  await drained(project);
  const tree = await byPath(project);
  t.match(tree.get('shared.txt'), { sha256: sha256('theirs') });
  const conflict = [...tree.keys()].find((path) => path.startsWith('shared (conflict '));
  t.ok(conflict);
  t.match(tree.get(conflict!), { sha256: sha256('mine') });
  t.equal(await readFile(join(mnt, 'shared.txt'), 'utf8'), 'theirs');
  t.equal(await readFile(join(mnt, conflict!), 'utf8'), 'mine');
});

t.test('mass deletion is held with an alarm; release and discard do what they say', async (t) => {
  const project = await mounted(t, settings, ['-o', 'settle=0,delete_delay=600,poll=3600,hold_after=20']);
  const { installation, simulator, mnt } = project;
  for (const folder of ['one', 'two'])
    for (let i = 0; i < 15; i++)
      await simulator.admin.change({ op: 'create', path: `${folder}/${i}.txt`, parents: true, content: `${i}` });
  for (const folder of ['', 'one', 'two']) await installation.must(['refresh', join(mnt, folder)]);
  await rm(join(mnt, 'one'), { recursive: true });
  await rm(join(mnt, 'two'), { recursive: true });
  const drain = await installation.procorefs(['drain', mnt, '--timeout', '10']);
  t.equal(drain.code, 1);
  t.ok((await installation.status(mnt)).outbox.braked);
  t.ok((await byPath(project)).has('two/3.txt'), 'still at the server');
  const lines = JSON.parse(await installation.must(['uploads', mnt, '--json'])) as {
    id: number;
    path: string;
    what: string;
  }[];
  const folder = (name: string): string => String(lines.find((line) => line.path === name)!.id);
  await installation.must(['uploads', mnt, 'discard', folder('two')]);
  t.equal((await readdir(join(mnt, 'two'))).length, 15, 'discarded: it is back');
  await installation.must(['uploads', mnt, 'release', folder('one')]);
  await project.simulator.admin.reset();
  await drained(project);
  t.notOk((await byPath(project)).has('one'), 'released: it is gone');
  t.ok((await byPath(project)).has('two/3.txt'));
});

t.test('names that Procore refuses are refused at once, with the rule in status', async (t) => {
  const project = await mounted(t, settings, QUICK);
  const { installation, mnt } = project;
  for (const name of ['a:b', 'a*b', 'what?.txt', 'a<b', 'a>b', 'a|b', 'a\\b', 'a .pdf', 'a.pdf ', 'a\uff0fb'])
    await t.rejects(writeFile(join(mnt, name), 'x'), { code: 'EINVAL' }, name);
  await t.rejects(mkdir(join(mnt, 'a:b')), { code: 'EINVAL' });
  await t.rejects(writeFile(join(mnt, 'x'.repeat(254), 'y'), 'x'), { code: 'ENOENT' });
  await mkdir(join(mnt, 'x'.repeat(200)));
  await t.rejects(writeFile(join(mnt, 'x'.repeat(200), 'y'.repeat(100)), 'x'), { code: 'ENAMETOOLONG' });
  await writeFile(join(mnt, 'it"s fine.txt'), 'x');
  const { refusedNames } = await installation.status(mnt);
  t.ok(refusedNames.length >= 11);
  t.match(refusedNames[0], { path: 'a:b', rule: /:/ });
});

t.test('a killed daemon loses nothing that was acknowledged', async (t) => {
  const project = await mounted(t, settings, ['-o', 'settle=3600,poll=3600']);
  const { installation, source, mnt } = project;
  await mkdir(join(mnt, 'kept'));
  await writeFile(join(mnt, 'kept', 'file.txt'), 'acknowledged');
  await rename(join(mnt, 'kept', 'file.txt'), join(mnt, 'kept', 'renamed.txt'));
  const { pid } = await installation.status(mnt);
  process.kill(pid, 'SIGKILL');
  await installation.must(['mount', source, mnt, ...QUICK]);
  t.equal(await readFile(join(mnt, 'kept', 'renamed.txt'), 'utf8'), 'acknowledged');
  await drained(project);
  const tree = await byPath(project);
  t.match(tree.get('kept/renamed.txt'), { sha256: sha256('acknowledged'), versions: 1 });
  t.notOk(tree.has('kept/file.txt'));
});
