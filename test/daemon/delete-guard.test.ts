import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import { removedFolder } from '../scenarios/removal.js';
import { callsButPolls } from '../scenarios/scenarios.js';
import { type MountedProject, mounted, run } from '../support/mounted.js';

const settings = { items: 0, oddNames: 'no', spike: 1000, hourly: 100_000 } as const;
const FILES = 510;

/** A project of seventeen folders with thirty files each, mounted. */
async function full(t: Parameters<typeof mounted>[0], words: string): Promise<MountedProject> {
  const project = await mounted(t, settings, ['-o', words]);
  const { admin } = project.simulator;
  for (let n = 0; n < FILES / 30; n++)
    await admin.change({ op: 'create', path: `folder ${n}/# file`, parents: true, content: 'original', count: 30 });
  await project.installation.must(['umount', project.mnt]);
  const { installation, source, mnt } = project;
  await installation.must(['mount', source, mnt, '-o', words]);
  for (;;) {
    for (const folder of ['', ...(await readdir(mnt))]) await installation.must(['refresh', join(mnt, folder)]);
    if ((await readdir(mnt, { recursive: true })).length > FILES) return project;
  }
}

const uploads = async ({ installation, mnt }: MountedProject): Promise<UploadLine[]> =>
  JSON.parse(await installation.must(['uploads', mnt, '--json'])) as UploadLine[];

const filesOf = async ({ simulator }: MountedProject) =>
  (await simulator.admin.tree()).filter(({ type }) => type === 'file');

async function alarmed(t: Test, project: MountedProject): Promise<void> {
  const { installation, mnt } = project;
  t.ok((await installation.status(mnt)).outbox.braked);
  t.match(await installation.must(['status', mnt]), /ALARM +many deletions or overwrites at once are held/);
  t.match(installation.log(), /many deletions or overwrites at once/);
}

t.test(
  'rm -rf of the project is held; discarded, all of it is back; released, it goes with a call a folder',
  async (t) => {
    const project = await full(t, 'delete_delay=600,poll=3600');
    const { installation, simulator, mnt } = project;
    await run('sh', ['-c', `rm -rf ${mnt}/folder*`]);
    t.strictSame(
      (await readdir(mnt)).filter((name) => name !== 'Schedules'),
      [],
    );
    t.equal((await installation.procorefs(['drain', mnt, '--timeout', '240'])).code, 1);
    await alarmed(t, project);
    t.ok((await uploads(project)).every(({ state, reason }) => state === 'held' && /release or discard/.test(reason!)));
    t.equal((await filesOf(project)).length, FILES, 'nothing is gone at the server');
    await installation.must(['uploads', mnt, 'discard']);
    t.equal((await uploads(project)).length, 0);
    t.equal((await readdir(mnt, { recursive: true })).filter((path) => path.endsWith(' file')).length, FILES);
    t.equal(await readFile(join(mnt, 'folder 3', '7 file'), 'utf8'), 'original');
    t.notOk((await installation.status(mnt)).outbox.braked);
    await run('sh', ['-c', `rm -rf ${mnt}/folder*`]);
    t.equal((await installation.procorefs(['drain', mnt, '--timeout', '240'])).code, 1);
    await simulator.admin.reset();
    await installation.must(['uploads', mnt, 'release']);
    await installation.must(['drain', mnt, '--timeout', '240']);
    t.equal((await filesOf(project)).length, 0);
    t.equal(callsButPolls(await simulator.admin.calls()), (2 * FILES) / 30, 'each folder is listed and deleted');
  },
);

t.test('500 files overwritten within ten minutes are held; discarded, the bytes are in lost+found', async (t) => {
  const project = await full(t, 'settle=600,poll=3600');
  const { installation, mnt } = project;
  for (let n = 0; n < FILES / 30; n++)
    await run('sh', ['-c', `cd "${mnt}/folder ${n}" && for f in *; do echo "encrypted $f" >"$f"; done`]);
  t.equal((await installation.procorefs(['drain', mnt, '--timeout', '240'])).code, 1);
  await alarmed(t, project);
  t.ok(
    (await filesOf(project)).every(({ versions }) => versions === 1),
    'nothing went up',
  );
  const lines = await uploads(project);
  t.equal(lines.length, FILES);
  const some = lines.filter(({ path }) => path.startsWith('folder 1/'));
  await installation.must(['uploads', mnt, 'release', ...some.map(({ id }) => String(id))]);
  await installation.procorefs(['drain', mnt, '--timeout', '240']);
  t.equal(
    (await filesOf(project)).filter(({ versions }) => versions === 2).length,
    some.length,
    'what was released went',
  );
  await installation.must(['uploads', mnt, 'discard']);
  const lost = join(
    installation.state,
    'projects',
    readdirSync(join(installation.state, 'projects'))[0]!,
    'lost+found',
  );
  const kept = readdirSync(lost);
  t.equal(kept.length, FILES - some.length);
  t.match(readFileSync(join(lost, kept[0]!), 'utf8'), /^encrypted \d+ file\n$/);
  t.equal(await readFile(join(mnt, 'folder 5', '9 file'), 'utf8'), 'original', "the server's content shows");
  t.equal(await readFile(join(mnt, 'folder 1', '9 file'), 'utf8'), 'encrypted 9 file\n');
  await installation.must(['drain', mnt, '--timeout', '240']);
  const original = createHash('sha256').update('original').digest('hex');
  t.equal((await filesOf(project)).filter(({ sha256 }) => sha256 === original).length, FILES - some.length);
});

t.test('a folder of 400 files that rm -rf removes is listed, deleted and looked at in the bin', (t) =>
  removedFolder(t, 400),
);

t.test('-o no_delete: nothing that the server has can be deleted; saving works', async (t) => {
  const project = await mounted(t, settings, ['-o', 'no_delete,settle=0,poll=3600']);
  const { installation, simulator, mnt } = project;
  const at = (name: string): string => join(mnt, name);
  for (const name of ['a.txt', 'b.txt']) await writeFile(at(name), name);
  for (const name of ['empty', 'other']) await mkdir(at(name));
  await t.rejects(rm(at('a.txt')), { code: 'EPERM' }, 'also what is still to go up');
  await installation.must(['drain', mnt, '--timeout', '240']);
  const before = await simulator.admin.tree();
  await t.rejects(rm(at('a.txt')), { code: 'EPERM' });
  await t.rejects(rmdir(at('empty')), { code: 'EPERM' });
  await t.rejects(rename(at('a.txt'), at('b.txt')), { code: 'EPERM' }, 'a document over another one');
  await t.rejects(rename(at('empty'), at('other')), { code: 'EPERM' }, 'a folder over another one');
  t.strictSame(await simulator.admin.tree(), before);
  await writeFile(at('.a.txt.AbC123'), 'saved');
  await rename(at('.a.txt.AbC123'), at('a.txt'));
  await writeFile(at('.b.txt.swp'), 'swap');
  await rm(at('.b.txt.swp'));
  await rename(at('b.txt'), at('b.txt~'));
  await writeFile(at('b.txt'), 'saved too');
  await rm(at('b.txt~'));
  await installation.must(['drain', mnt, '--timeout', '240']);
  const ids = new Map(before.map(({ path, id }) => [path, id]));
  const after = new Map((await simulator.admin.tree()).map((entry) => [entry.path, entry]));
  for (const name of ['a.txt', 'b.txt']) t.match(after.get(name), { id: ids.get(name)!, versions: 2 }, name);
  t.equal(after.size, before.length);
});
