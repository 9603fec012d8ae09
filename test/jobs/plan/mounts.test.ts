import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FLAGGED } from '#src/jobs/definition/words.js';
import { contentOf, Folders, put } from '../../support/jobs.js';

const skip = process.getuid?.() === 0 ? false : 'mounting takes root';

/** A disk of its own at a folder. */
function mounted(t: Test, path: string) {
  mkdirSync(path, { recursive: true });
  const disk = mkdtempSync(join(tmpdir(), 'procorefs-disk-'));

  const mount = () => execFileSync('mount', ['--bind', disk, path]);
  const umount = () => spawnSync('umount', [path]).status === 0;
  mount();
  t.teardown(() => {
    umount();
    rmSync(disk, { recursive: true });
  });
  return { mount, umount };
}

for (const side of ['a', 'b'] as const)
  t.test(
    `a nested mount that is away at ${side === 'a' ? 'the source' : 'the destination'} deletes nothing`,
    { skip },
    async (t) => {
      const folders = new Folders(t);
      const { a, b, store } = folders;
      const other = side === 'a' ? b : a;
      mkdirSync(join(folders[side], 'Shares'));
      const disk = mounted(t, join(folders[side], 'Shares', 'nas'));
      put(a, { 'Shares/nas/one.txt': '1', 'Shares/nas/deep/two.txt': '2', 'kept.txt': 'k' });
      const job = folders.add({ transfer_type: 'sync', delete_propagation: 'mirror' });
      await folders.run(job.id);
      const all = contentOf(other);
      const { length } = Object.keys(all);
      t.match(await folders.run(job.id), { status: 'no_changes' });
      disk.umount();
      const away = await folders.run(job.id);
      t.match(away, { status: 'warn', stats: { deleted: 0, copied: 0, failed: 1 } });
      t.match(
        [...store.items(away.id).rows(FLAGGED)],
        [{ folder: 'Shares', name: 'nas', reason: /no longer mounted/ }],
      );
      t.equal(Object.keys(contentOf(other)).length, length, 'nothing was deleted');
      t.strictSame(Object.keys(contentOf(join(folders[side], 'Shares', 'nas'))), [], 'and nothing written below');
      rmSync(join(folders[side], 'Shares', 'nas'), { recursive: true });
      t.match(
        await folders.run(job.id),
        { status: 'warn', stats: { deleted: 0, failed: 1 } },
        'nor without its folder',
      );
      mkdirSync(join(folders[side], 'Shares', 'nas'));
      disk.mount();
      t.match(await folders.run(job.id), { status: 'no_changes', stats: { failed: 0 } });
      rmSync(join(folders[side], 'Shares', 'nas', 'one.txt'));
      t.match(await folders.run(job.id), { status: 'completed', stats: { deleted: 1 } }, 'a deletion there is one');
    },
  );

t.test('a job whose folder lies on a mount does not begin when that is away', { skip }, async (t) => {
  const folders = new Folders(t);
  const { a, b } = folders;
  const disk = mounted(t, join(b, 'nas'));
  put(a, { 'one.txt': '1', 'two.txt': '2' });
  const destination = { connection: { id: b }, target: { path: '/nas/copies' } };
  const job = folders.add({ transfer_type: 'sync', delete_propagation: 'mirror', destination });
  t.match(await folders.run(job.id), { status: 'completed', stats: { copied: 2 } });
  disk.umount();
  t.match(await folders.run(job.id), { status: 'failed_to_start', reason: /nothing is mounted at .*nas/ });
  t.strictSame(contentOf(join(b, 'nas')), {}, 'nothing is made below the mount point');
  disk.mount();
  t.match(await folders.run(job.id), { status: 'no_changes' });
  t.strictSame(contentOf(a), { 'one.txt': '1', 'two.txt': '2' });
});
