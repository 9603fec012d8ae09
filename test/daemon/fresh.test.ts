import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type MountedProject, mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';

let project: MountedProject;

t.before(async () => {
  project = await mounted(t, { items: 80, oddNames: 'no', hourly: 1_000_000, spike: 1000 });
  await project.installation.crawled(project.mnt);
});

t.test('what others change in a folder that is looked at shows through the kernel, without a new mount', async (t) => {
  const { simulator, mnt } = project;
  const { admin } = simulator;
  await admin.change({ op: 'create', path: 'seen.txt', content: 'one' });
  await until(async () => readdirSync(mnt).includes('seen.txt'));
  t.equal(readFileSync(join(mnt, 'seen.txt'), 'utf8'), 'one');
  await admin.change({ op: 'update', path: 'seen.txt', content: 'the second' });
  await until(async () => statSync(join(mnt, 'seen.txt')).size === 'the second'.length);
  t.equal(readFileSync(join(mnt, 'seen.txt'), 'utf8'), 'the second');
  await admin.change({ op: 'rename', path: 'seen.txt', to: 'renamed.txt' });
  await until(async () => readdirSync(mnt).includes('renamed.txt') && !readdirSync(mnt).includes('seen.txt'));
  await admin.change({ op: 'delete', path: 'renamed.txt' });
  await until(async () => !readdirSync(mnt).includes('renamed.txt'));
  t.ok((await project.installation.status(mnt)).freshness <= 5, 'and status says how soon');
});

t.test('fsck finds what polls do not show, corrects it and says so', async (t) => {
  const { installation, simulator, mnt } = project;
  const { admin } = simulator;
  await admin.change({ op: 'create', path: 'folder/a.txt', content: 'a', parents: true });
  await until(async () => readdirSync(mnt).includes('folder'));
  await installation.must(['fsck', mnt]);
  const again = JSON.parse(await installation.must(['fsck', mnt, '--json'])) as { repaired: number; items: number }[];
  t.match(again, [{ repaired: 0 }], 'nothing is left to correct');
  const folder = (await admin.tree({ hash: false })).find(({ path }) => path === 'folder')!;
  // Of a folder that nobody looks at: what is looked at is listed now and then.
  await admin.change({ op: 'permission', id: folder.id, visible: false });
  const found = JSON.parse(await installation.must(['fsck', mnt, '--json'])) as { repaired: number; items: number }[];
  t.ok(found[0]!.repaired >= 1 || !readdirSync(mnt).includes('folder'), 'the folder that may not be seen any more');
  t.notOk(readdirSync(mnt).includes('folder'));
});
