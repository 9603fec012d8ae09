import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import { intactDatabases } from '../scenarios/kill.js';
import { ForgetfulDisk, forgetfulDiskUnavailable } from '../support/forgetful-disk.js';
import { Installation } from '../support/mounted.js';
import { simulator } from '../support/simulator.js';

const content = (name: string): Buffer => Buffer.from(`${name}\n`.repeat(5000));
const sum = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

async function saveSynced(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'w');
  await file.write(bytes);
  await file.sync();
  await file.close();
}

const seed = Number(process.env.PROCOREFS_TEST_SEED ?? 20_261_124);
for (const survives of [0, 0.5])
  t.test(
    `a power cut that ${survives * 100} % of what was not flushed survives: what was synced is there`,
    {
      skip: forgetfulDiskUnavailable,
    },
    async (t) => {
      t.comment(`seed ${seed}`);
      const disk = await ForgetfulDisk.make(t);
      const running = await simulator(t, { items: 10, oddNames: 'no', spike: 1000, hourly: 100_000 });
      const installation = new Installation(t, join(disk.path, 'state'));
      await installation.connect(running);
      const mnt = installation.mountpoint();
      const source = `Procore:${running.ready.projects[0]!.id}`;
      const at = (name: string): string => join(mnt, name);
      await installation.must(['mount', source, mnt, '-o', 'settle=0,poll=3600,cache_reserve=0']);
      await installation.crawled(mnt);
      for (const name of ['old.txt', 'old synced.txt']) await writeFile(at(name), content('old'));
      await installation.must(['drain', mnt]);
      await disk.sync();
      await installation.must(['umount', mnt]);
      await installation.must(['mount', source, mnt, '-o', 'settle=3600,poll=3600,cache_reserve=0']);
      await disk.sync();

      await writeFile(at('closed.txt'), content('closed'));
      await writeFile(at('old.txt'), content('closed over'));
      await mkdir(at('folder'));
      await saveSynced(join(mnt, 'folder', 'synced.txt'), content('synced'));
      await saveSynced(at('old synced.txt'), content('synced over'));
      await saveSynced(at('saving.txt'), content('renamed'));
      await rename(at('saving.txt'), at('renamed.txt'));
      const root = await open(mnt, 'r');
      await root.sync();
      await root.close();
      await writeFile(at('closed last.txt'), content('closed last'));
      await disk.cut(survives, seed);

      process.kill((await installation.status(mnt)).pid, 'SIGKILL');
      await disk.restart();
      t.ok(intactDatabases(t, installation, 'the power cut') >= 3);
      await installation.must(['mount', source, mnt, '-o', 'settle=0,poll=3600,cache_reserve=0']);
      const synced: Readonly<Record<string, Buffer>> = {
        'folder/synced.txt': content('synced'),
        'old synced.txt': content('synced over'),
        'renamed.txt': content('renamed'),
      };
      for (const [path, bytes] of Object.entries(synced))
        t.ok(bytes.equals(await readFile(at(path))), `${path} is here`);
      await installation.procorefs(['drain', mnt, '--timeout', '240']);
      const left = JSON.parse(await installation.must(['uploads', mnt, '--json'])) as UploadLine[];
      t.strictSame(
        left.filter(({ state, reason }) => state !== 'held' || !/the machine went down/.test(reason ?? '')),
        [],
        'what is left is held and says why',
      );
      const tree = new Map((await running.admin.tree()).map((entry) => [entry.path, entry]));
      for (const [path, bytes] of Object.entries(synced))
        t.equal(tree.get(path)?.sha256, sum(bytes), `${path} went up`);
      t.equal(tree.get('old synced.txt')?.versions, 2);
      t.notOk(tree.has('saving.txt'));
      // What was only closed may be lost, but is never half there.
      const may: Readonly<Record<string, readonly (string | undefined)[]>> = {
        'closed.txt': [undefined, sum(content('closed'))],
        'closed last.txt': [undefined, sum(content('closed last'))],
        'old.txt': [sum(content('old')), sum(content('closed over'))],
      };
      for (const [path, sums] of Object.entries(may)) {
        const found = tree.get(path)?.sha256 ?? undefined;
        t.ok(sums.includes(found), `${path} is whole or as before`);
        t.comment(
          `${path}: ${found === sums[0] ? 'as before' : 'went up'}; ${left.some((one) => one.path === path) ? 'held' : 'not held'}`,
        );
      }
      const known = new Set([...Object.keys(synced), ...Object.keys(may), 'folder']);
      t.notOk([...tree.keys()].some((path) => /conflict|saving/.test(path) && !known.has(path)));
    },
  );
