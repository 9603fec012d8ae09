import { mkdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { callsButPolls, difference, expiredUrls, realFolder, sums, withoutLinks } from '../scenarios/scenarios.js';
import { mounted, run } from '../support/mounted.js';

t.test('a real folder of thousands of files reads the same through the mount', async (t) => {
  const folder = await realFolder();
  const { installation, simulator, mnt } = await mounted(t, { from: folder }, ['-o', 'poll=5']);
  await installation.crawled(mnt);
  const wanted = await sums(folder);
  t.ok(wanted.size >= 4000, `${wanted.size} files of ${folder}`);
  t.equal(difference(await sums(mnt), wanted), '', 'every sha256 is equal');
  await simulator.admin.reset();
  const diff = await run('diff', ['-r', '--no-dereference', folder, mnt], { timeout: 300_000 });
  t.strictSame(withoutLinks(diff, folder), [], 'diff -r is silent');
  const calls = await simulator.admin.calls();
  t.equal(calls.storage.bytes, 0, 'the second reading comes from the disk');
  t.equal(callsButPolls(calls), 0);
});

t.test('rsync to a share, twice: the second run transfers nothing', async (t) => {
  const { installation, simulator, mnt } = await mounted(t, { items: 400, fileSize: 20_000, oddNames: 'no' }, [
    '-o',
    'poll=5',
  ]);
  await installation.crawled(mnt);
  const share = join(installation.folder, 'share');
  mkdirSync(share);
  const files = (await simulator.admin.tree()).filter(({ type }) => type === 'file');
  const rsync = async (): Promise<{ transferred: number; bytes: number }> => {
    const { code, stdout, stderr } = await run('rsync', ['-a', '--stats', `${mnt}/`, `${share}/`]);
    t.equal(code, 0, stderr);
    const number = (what: RegExp): number => Number(what.exec(stdout)?.[1]?.replaceAll(',', ''));
    return {
      transferred: number(/files transferred: ([\d,]+)/),
      bytes: number(/Total transferred file size: ([\d,]+)/),
    };
  };
  t.equal((await rsync()).transferred, files.length);
  t.equal(difference(await sums(share), new Map(files.map(({ path, sha256 }) => [path, sha256!]))), '');
  const one = files[0]!.path;
  t.equal((await stat(join(share, one))).mtimeMs, (await stat(join(mnt, one))).mtimeMs);
  await simulator.admin.reset();
  t.strictSame(await rsync(), { transferred: 0, bytes: 0 });
  const calls = await simulator.admin.calls();
  t.equal(callsButPolls(calls), 0, 'no call but polls');
  t.equal(calls.storage.requests, 0);
});

t.test('files whose URLs have all expired cost a call for 2,000', (t) => expiredUrls(t, 2200));
