import { mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openTarget } from '#src/endpoints/open.js';
import { analyze } from '#src/jobs/analyze/analyze.js';
import { type EndpointItem, TargetEndpoint } from '#src/jobs/endpoint.js';
import type { PlatformName } from '#src/names/platforms.js';
import { put } from '../support/jobs.js';
import { Installation, mounted } from '../support/mounted.js';

const NOW = Date.UTC(2026, 0, 1);
const signal = new AbortController().signal;

async function openFolder(folder: string): Promise<TargetEndpoint> {
  return new TargetEndpoint(await openTarget({ platform: 'fs', uri: folder }, { mayWrite: false, signal }));
}

const analyzed = async (side: TargetEndpoint, platform: PlatformName, most = 100) => {
  try {
    return await analyze(side, { platform, most, decode: platform === 'procore', now: NOW, signal });
  } finally {
    await side.close();
  }
};

t.test('counts, bytes by type and age, the largest', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-analyze-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const days = (n: number): number => NOW / 1000 - n * 86_400;
  put(folder, { 'a.PDF': '12345', 'deep/b.pdf': '123', 'empty/': '' }, days(10));
  put(folder, { 'deep/er/c.dwg': '1' }, days(400));
  put(folder, { none: '' }, days(4000));
  const found = await analyzed(await openFolder(folder), 'linux');
  t.match(found, { files: 4, folders: 3, bytes: 9, calls: 0 });
  t.strictSame(found.types, [
    { type: '.pdf', files: 2, bytes: 8 },
    { type: '.dwg', files: 1, bytes: 1 },
    { type: 'without', files: 1, bytes: 0 },
  ]);
  t.strictSame(
    found.ages.map(({ age, files }) => [age, files]),
    [
      ['last 30 days', 2],
      ['1 to 3 years', 1],
      ['over 7 years', 1],
    ],
  );
  t.strictSame(found.largest.slice(0, 2), [
    { path: 'a.PDF', size: 5 },
    { path: 'deep/b.pdf', size: 3 },
  ]);
});

t.test('names that fail, names that become one, and files that are the same, by the platform', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-analyze-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  put(folder, { 'why?.pdf': 'x', 'Plan.txt': '1', 'plan.TXT': '2', 'one/same.txt': 'same', 'two/same.txt': 'same' });
  put(folder, { 'one/other.txt': 'else' });
  for (const name of ['big.bin', 'copy of big.bin', 'small.bin']) {
    writeFileSync(join(folder, name), '');
    truncateSync(join(folder, name), name === 'small.bin' ? 100_001 : 100_000);
  }
  const toProcore = await analyzed(await openFolder(folder), 'procore');
  t.match(toProcore.problems, {
    count: 1,
    rules: { character: 1 },
    items: [{ path: 'why?.pdf', suggestion: 'why-.pdf' }],
  });
  t.equal(toProcore.collisions.count, 0);
  t.match(toProcore.duplicates, { groups: 2, files: 2, bytes: 100_004 });
  t.strictSame(toProcore.duplicates.largest[0]!.paths.toSorted(), ['big.bin', 'copy of big.bin']);
  const toLinux = await analyzed(await openFolder(folder), 'linux');
  t.equal(toLinux.problems.count, 0);
  const toWindows = await analyzed(await openFolder(folder), 'smb');
  t.match(toWindows.problems.items, [{ path: 'why?.pdf' }]);
  t.match(toWindows.collisions, { count: 1, items: [{ path: 'plan.TXT', other: 'Plan.txt' }] });
});

t.test('lists are cut, counts are not; a folder that cannot be listed is said', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-analyze-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (let n = 0; n < 1000; n++) put(folder, { [`sub/${n}?.txt`]: 'x' });
  utimesSync(join(folder, 'sub'), 1, 1);
  const found = await analyzed(await openFolder(folder), 'procore', 3);
  t.equal(found.problems.count, 1000);
  t.equal(found.problems.items.length, 3);

  class Broken extends TargetEndpoint {
    override async *list(path: string, stop: AbortSignal): AsyncIterable<EndpointItem> {
      // What a share does that goes away while it is listed.
      if (path === 'sub') rmSync(join(folder, 'sub'), { recursive: true, force: true });
      yield* super.list(path, stop);
    }
  }
  const target = await openTarget({ platform: 'fs', uri: folder }, { mayWrite: false, signal });
  const gone = await analyzed(new Broken(target), 'procore');
  t.match(gone.unreadable, { count: 1, items: [{ path: 'sub' }] });
});

t.test('a project is analyzed by its daemon, and without one, for no call', async (t) => {
  const { installation, simulator: running, source, mnt } = await mounted(t, { items: 200 }, ['-o', 'poll=600']);
  await installation.crawled(mnt);
  await running.admin.change({ op: 'create', path: 'who.txt', content: 'x' });
  const tree = await running.admin.tree({ hash: false });
  const files = tree.filter(({ type }) => type === 'file');
  await installation.must(['refresh', mnt]);
  await running.admin.reset();
  const byDaemon = JSON.parse(await installation.must(['analyze', source, '--json'])) as Record<string, number>;
  t.match(byDaemon, {
    platform: 'linux',
    calls: 0,
    files: files.length,
    folders: tree.length - files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
  });
  t.equal((await running.admin.calls()).total, 0);
  await installation.must(['umount', mnt]);
  await running.admin.reset();
  const alone = JSON.parse(await installation.must(['analyze', source, '--for', 'smb', '--json']));
  t.match(alone, { platform: 'smb', files: files.length, calls: 0 });
  t.equal((await running.admin.calls()).total, 0, 'once mirrored it costs nothing');
  t.match(await installation.must(['analyze', source]), /probably the same|names and paths that Linux/);
});

t.test('a source that is not there, and a platform that is none, are said', async (t) => {
  const installation = new Installation(t);
  const missing = await installation.procorefs(['analyze', join(installation.folder, 'nowhere')]);
  t.equal(missing.code, 1);
  t.match(missing.stderr, /there is no folder/);
  t.equal((await installation.procorefs(['analyze', '/tmp', '--for', 'floppy'])).code, 2);
});
