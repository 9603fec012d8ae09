import t from 'tap';
import { asVersionId, ROOT_INODE } from '#src/base/ids.js';
import { FileVersions } from '#src/cache/file-versions.js';
import type { RemoteVersion } from '#src/procore/items.js';
import { OlderVersions, versionName } from '#src/vfs/hidden/older-versions.js';
import { until } from '../support/processes.js';
import { openProject } from '../support/project.js';

const { signal } = new AbortController();

t.test('a version is called by its number and what viewers go by', async (t) => {
  for (const [name, wanted] of [
    ['A-101.pdf', '3.pdf'],
    ['a.tar.gz', '3.gz'],
    ['README', '3'],
    ['.bashrc', '3'],
    ['ends.', '3'],
    ['a b.c d', '3'],
    ['x.\u001b[2J', '3'],
    ['x.\u202efdp', '3'],
    ['two\nlines.pdf', '3.pdf'],
    [`x.${'y'.repeat(33)}`, '3'],
    ['Pl\u00e4ne.d\u00f6c', '3.d\u00f6c'],
  ] as const)
    t.equal(versionName(3, name), wanted, JSON.stringify(name));
});

t.test('every version has a number of its own, whatever the server counts', async (t) => {
  const { project, simulator } = await openProject(t);
  await simulator.admin.changes([
    { op: 'create', path: 'a.txt', content: '1' },
    ...['2', '3', '4'].map((content) => ({ op: 'update', path: 'a.txt', content })),
  ]);
  await project.mirror.refresh(project.mirror.view.item(ROOT_INODE)!, 'interactive', signal);
  const item = await project.find('a.txt', 'interactive');
  const own = await new OlderVersions(project.mirror.view, project.versions).of(item, signal);
  t.strictSame(
    own.map(({ name }) => name),
    ['1.txt', '2.txt', '3.txt'],
  );
  const all = await project.versions.list(item, signal);
  t.equal(all.length, 4);
  const answering = (versions: readonly RemoteVersion[]) =>
    new OlderVersions(project.mirror.view, new FileVersions(async () => versions));
  const numbers = async (versions: readonly RemoteVersion[]): Promise<number[]> =>
    (await answering(versions).of(item, signal)).map(({ number }) => number);
  t.strictSame(await numbers(all.map((version) => ({ ...version, number: 1 }))), [1, 2, 3], 'all of one number');
  t.strictSame(await numbers(all.toReversed()), [1, 2, 3], 'in any order');
  const next = { ...all.at(-1)!, id: asVersionId(999), number: 5 };
  t.strictSame(await numbers([...all, next]), [1, 2, 3], 'one that the mount does not show yet is no older one');
  t.strictSame(await numbers([]), []);
});

t.test('versions are asked for once, also by several callers at the same time, until there is a new one', async (t) => {
  const { project, simulator } = await openProject(t);
  const { admin } = simulator;
  await admin.changes([
    { op: 'create', path: 'a.txt', content: '1' },
    { op: 'update', path: 'a.txt', content: '2' },
  ]);
  const refresh = (): Promise<void> =>
    project.mirror.refresh(project.mirror.view.item(ROOT_INODE)!, 'interactive', signal);
  await refresh();
  const item = await project.find('a.txt', 'interactive');
  // The crawl, and the look for changes after it, have made their calls.
  await until(() => project.mirror.sincePoll !== undefined);
  await admin.reset();
  await Promise.all(Array.from({ length: 5 }, () => project.versions.list(item, signal)));
  await project.versions.list(item, signal);
  t.equal((await admin.calls()).total, 1);
  await admin.change({ op: 'update', path: 'a.txt', content: '3' });
  await refresh();
  await admin.reset();
  t.equal((await project.versions.list(await project.find('a.txt', 'interactive'), signal)).length, 3);
  t.equal((await admin.calls()).total, 1);
});
