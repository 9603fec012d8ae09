import type { Stats } from 'node:fs';
import { mkdir, open, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { drained, PATIENT, settings } from '../support/programs.js';

t.jobs = 2;

for (const driver of ['kernel', 'fuse-native'])
  t.test(`${driver}: a folder's times say when something in it changed, here or at the server`, async (t) => {
    const words = ['--driver', driver, ...PATIENT];
    const project = await mounted(t, { ...settings, switch: ['bump-parent=yes'] }, words);
    const { installation, simulator, mnt } = project;
    const [one, two] = [join(mnt, 'one'), join(mnt, 'two')];
    for (const folder of [one, two]) await mkdir(folder);
    await drained(project);
    // The server's times are later ones on a busy machine, and this driver's kernel asks once a second.
    await sleep(2000);
    const both = (): Promise<Stats[]> => Promise.all([stat(one), stat(two)]);
    let before = await both();
    const changes = async (
      what: string,
      isChanged: readonly boolean[],
      work: () => Promise<unknown>,
    ): Promise<void> => {
      await work();
      const after = await both();
      for (const [n, changed] of isChanged.entries())
        for (const time of ['mtimeMs', 'ctimeMs'] as const)
          t.equal(after[n]![time] > before[n]![time], changed, `${what}: ${time} of folder ${n + 1}`);
      before = after;
    };
    await changes('create', [true, false], () => writeFile(join(one, 'file.txt'), 'x'));
    await changes('write', [false, false], () => writeFile(join(one, 'file.txt'), 'more'));
    await changes('mkdir', [true, false], () => mkdir(join(one, 'folder')));
    await changes('rename', [true, false], () => rename(join(one, 'file.txt'), join(one, 'other.txt')));
    await changes('move', [true, true], () => rename(join(one, 'other.txt'), join(two, 'file.txt')));
    await changes('unlink', [false, true], () => rm(join(two, 'file.txt')));
    await changes('rmdir', [true, false], () => rmdir(join(one, 'folder')));
    await utimes(one, 1_600_000_000, 1_600_000_000);
    t.equal((await stat(one)).mtimeMs, 1_600_000_000_000, 'a time that is set stays');
    before = await both();
    await changes('create', [true, false], () => writeFile(join(one, 'last.txt'), 'x'));
    await drained(project);

    const { mtimeMs } = await stat(two);
    t.not(mtimeMs % 1000, 0, 'the time of the change here');
    // The server's times are whole seconds, and this driver's kernel asks once a second.
    const seconds = Math.floor(Date.now() / 1000);
    await until(() => Math.floor(Date.now() / 1000) > seconds);
    await simulator.admin.change({ op: 'create', path: 'two/theirs.txt', content: 'x' });
    await installation.must(['refresh', two]);
    await until(async () => (await stat(two)).mtimeMs % 1000 === 0);
    const theirs = await stat(two);
    t.ok(theirs.mtimeMs >= mtimeMs - 1000);
    t.equal(theirs.ctimeMs, theirs.mtimeMs);
  });

t.test('a file that is open and deleted has no link', async (t) => {
  const project = await mounted(t, settings, PATIENT);
  for (const where of ['here', 'at the server']) {
    const path = join(project.mnt, `${where}.txt`);
    await writeFile(path, where);
    if (where !== 'here') await drained(project);
    const file = await open(path, 'r+');
    t.equal((await file.stat()).nlink, 1);
    await rm(path);
    t.equal((await file.stat()).nlink, 0, where);
    await file.truncate(2);
    t.match(await file.stat(), { nlink: 0, size: 2 });
    await file.close();
    await writeFile(path, 'again');
    t.equal((await stat(path)).nlink, 1);
  }
});
