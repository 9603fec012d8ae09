import { mounted, run } from '../support/mounted.js';
import { callsButPolls, type Scenario } from './scenarios.js';

/**
 * A folder of so many files is removed by `rm -rf`, once it is released where it is held: it is listed, deleted, and what
 * went is looked at in the bin.
 */
export async function removedFolder(t: Scenario, files: number): Promise<void> {
  const { installation, simulator, source, mnt } = await mounted(
    t,
    { items: 0, oddNames: 'no', spike: 1000, hourly: 100_000 },
    ['-o', 'poll=3600'],
  );
  const { admin } = simulator;
  await installation.must(['umount', mnt]);
  await admin.change({ op: 'create', path: 'folder/#', parents: true, content: 'x', count: files });
  await installation.must(['mount', source, mnt, '-o', 'poll=3600']);
  await installation.must(['refresh', mnt]);
  await installation.must(['refresh', `${mnt}/folder`]);
  const removed = await run('rm', ['-rf', `${mnt}/folder`], { timeout: 600_000 });
  t.equal(removed.code, 0, removed.stderr);
  await admin.reset();
  if (files >= 500) {
    t.equal((await installation.procorefs(['drain', mnt, '--timeout', '240'])).code, 1, 'it is held');
    t.equal(callsButPolls(await admin.calls()), 0, 'calls while it is held');
    await installation.must(['uploads', mnt, 'release']);
  }
  await installation.must(['drain', mnt, '--timeout', '240']);
  const calls = await admin.calls();
  t.equal(callsButPolls(calls), 2, 'calls');
  t.ok(calls.total <= 2 + 1 + Math.ceil((files + 1) / 2000), 'one poll, and what is in the bin');
  t.equal(
    (await admin.tree()).some(({ path }) => path.startsWith('folder')),
    false,
    'something is left',
  );
}
