import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import { isMounted, type MountedProject, mounted, run } from '../support/mounted.js';
import { until } from '../support/processes.js';
import type { TreeEntry } from '../support/simulator.js';

const QUICK = ['-o', 'settle=0,delete_delay=0,poll=3600'];
const settings = { items: 10, oddNames: 'no', spike: 1000, hourly: 100_000 } as const;
const sum = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

async function tree({ simulator }: Pick<MountedProject, 'simulator'>): Promise<Map<string, TreeEntry>> {
  return new Map((await simulator.admin.tree()).map((entry) => [entry.path, entry]));
}

async function uploads({ installation, mnt }: MountedProject): Promise<UploadLine[]> {
  return JSON.parse(await installation.must(['uploads', mnt, '--json'])) as UploadLine[];
}

t.test(
  'a folder that is deleted at the server while a file is written in it: the file waits, and is not lost',
  async (t) => {
    const project = await mounted(t, settings, QUICK);
    const { installation, simulator, mnt } = project;
    await mkdir(join(mnt, 'folder'));
    await installation.must(['drain', mnt]);
    const file = await open(join(mnt, 'folder', 'file.txt'), 'w');
    await file.write('kept');
    await simulator.admin.change({ op: 'delete', path: 'folder' });
    await file.close();
    const drained = await installation.procorefs(['drain', mnt, '--timeout', '240']);
    const there = [...(await tree(project)).values()].find(({ path }) => path.endsWith('file.txt'));
    if (there) t.equal(there.sha256, sum('kept'));
    else {
      t.equal(drained.code, 1);
      t.match(await uploads(project), [{ path: /file\.txt$/, state: /failed|held/, reason: String }]);
      await installation.must(['uploads', mnt, 'discard']);
      const lost = join(
        installation.state,
        'projects',
        readdirSync(join(installation.state, 'projects'))[0]!,
        'lost+found',
      );
      t.strictSame(
        readdirSync(lost).map((name) => readFileSync(join(lost, name), 'utf8')),
        ['kept'],
        'the bytes are in lost+found',
      );
    }
  },
);

t.test('a server that cleans names: the file is there once, under the name that the server gave it', async (t) => {
  const project = await mounted(t, { ...settings, switch: ['name-edges=trimmed', 'name-unicode=nfc'] }, QUICK);
  const { installation, mnt } = project;
  for (const name of [' edges', 'e\u0301.txt']) await writeFile(join(mnt, name), name);
  await installation.must(['drain', mnt, '--timeout', '240']);
  const found = await tree(project);
  t.match(found.get('edges'), { sha256: sum(' edges'), versions: 1 });
  t.match(found.get('\u00e9.txt'), { sha256: sum('e\u0301.txt'), versions: 1 });
  t.equal(await readFile(join(mnt, 'edges'), 'utf8'), ' edges');
  await installation.must(['drain', mnt, '--timeout', '240']);
  t.equal((await tree(project)).size, found.size, 'and nothing goes up again');
});

t.test('a server that refuses an extension: a visible entry that says why, and goes when it is renamed', async (t) => {
  const project = await mounted(t, { ...settings, switch: ['executables=refused'] }, QUICK);
  const { installation, mnt } = project;
  await writeFile(join(mnt, 'tool.exe'), 'program');
  t.equal((await installation.procorefs(['drain', mnt, '--timeout', '240'])).code, 1);
  t.match(await uploads(project), [{ path: 'tool.exe', state: 'failed', reason: /tool\.exe/ }]);
  t.equal(await readFile(join(mnt, 'tool.exe'), 'utf8'), 'program');
  await rename(join(mnt, 'tool.exe'), join(mnt, 'tool.txt'));
  await installation.must(['drain', mnt, '--timeout', '240']);
  t.match((await tree(project)).get('tool.txt'), { sha256: sum('program'), versions: 1 });
});

t.test(
  'a permission that is revoked after the file was saved: it waits, and goes up when it is given back',
  async (t) => {
    const project = await mounted(t, settings, ['-o', 'settle=3600,poll=3600']);
    const { installation, simulator, mnt } = project;
    await writeFile(join(mnt, 'mine.txt'), 'mine');
    await simulator.admin.switches({ 'project-access': 'read' });
    t.equal((await installation.procorefs(['drain', mnt, '--timeout', '240'])).code, 1);
    t.match(await uploads(project), [{ path: 'mine.txt', state: 'failed', reason: /permit/ }]);
    t.equal(await readFile(join(mnt, 'mine.txt'), 'utf8'), 'mine');
    await simulator.admin.switches({ 'project-access': 'write' });
    await installation.must(['drain', mnt, '--timeout', '240']);
    t.match((await tree(project)).get('mine.txt'), { sha256: sum('mine') });
  },
);

const ways: Readonly<Record<string, (project: MountedProject) => Promise<unknown>>> = {
  'our umount': ({ installation, mnt }) => installation.procorefs(['umount', mnt]),
  'umount(8)': ({ mnt }) => run('umount', [mnt]),
  SIGTERM: async ({ installation, mnt }) => process.kill((await installation.status(mnt)).pid, 'SIGTERM'),
};
for (const [way, end] of Object.entries(ways))
  t.test(`${way} with work left: what cannot go up is there at the next mount`, async (t) => {
    const project = await mounted(t, { ...settings, switch: ['executables=refused'] }, ['-o', 'settle=3600,poll=3600']);
    const { installation, source, mnt } = project;
    await writeFile(join(mnt, 'goes.txt'), 'goes');
    await writeFile(join(mnt, 'stays.exe'), 'stays');
    const { pid } = await installation.status(mnt);
    await end(project);
    await until(() => !isMounted(mnt) && !existsSync(`/proc/${pid}`));
    t.match((await tree(project)).get('goes.txt'), { sha256: sum('goes') }, 'what could go up did');
    await installation.must(['mount', source, mnt, ...QUICK]);
    t.equal(await readFile(join(mnt, 'stays.exe'), 'utf8'), 'stays');
    t.ok((await uploads(project)).some(({ path }) => path === 'stays.exe'));
  });
