import { execFileSync } from 'node:child_process';
import {
  closeSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openTarget } from '#src/endpoints/open.js';
import { partPath } from '#src/endpoints/paths.js';
import type { Content, Target, TargetItem } from '#src/endpoints/target.js';
import { bytesBy } from '../support/random.js';
import { conformance, failsWith, LINK, listed, readAll, signal, write } from './conformance.js';

const top = mkdtempSync(join(tmpdir(), 'procorefs-folder-'));
t.teardown(() => rmSync(top, { recursive: true, force: true }));

t.test('a folder of this machine', async (t) => {
  const root = join(top, 'conformance');
  mkdirSync(root);
  let target: Target;
  t.before(async () => {
    target = await openTarget({ platform: 'fs', uri: root }, { mayWrite: true, signal });
  });
  t.teardown(() => target.close());
  conformance(t, () => ({ target, files: root, peek: async (path) => readFileSync(join(root, path)) }));
});

t.test('links in a folder are shown, and never followed or replaced', async (t) => {
  const [root, outside] = [join(top, 'links'), join(top, 'outside')];
  for (const folder of [root, outside, join(root, 'plain')]) mkdirSync(folder);
  writeFileSync(join(outside, 'file'), 'kept');
  symlinkSync(outside, join(root, 'link'));
  symlinkSync(join(outside, 'file'), join(root, 'file'));
  const target = await openTarget({ platform: 'fs', uri: root }, { mayWrite: true, signal });
  t.match(await listed(target, ''), [
    { name: 'file', folder: false, unusable: 'type' },
    { name: 'link', folder: false, unusable: 'type' },
    { name: 'plain', folder: true },
  ]);
  const bytes = Buffer.from('x');
  await failsWith(t, 'target-outside', () => write(target, 'link/file', bytes));
  await failsWith(t, 'target-outside', () => readAll(target, 'link/file'));
  await failsWith(t, 'target-outside', () => listed(target, 'link'));
  await failsWith(t, 'target-outside', () => target.discard({ ...LINK, path: 'link/file' }, { signal }));
  await failsWith(t, 'target-outside', () => target.mkdir('link/folder', signal));
  await failsWith(t, 'target-outside', () => target.move('plain', 'link/plain', signal));
  await failsWith(t, 'target-outside', () => readAll(target, 'file'));
  await failsWith(t, 'target-exists', () => write(target, 'file', bytes));
  t.strictSame(readdirSync(outside), ['file']);
  t.equal(readFileSync(join(outside, 'file'), 'utf8'), 'kept');
  await target.discard({ ...LINK, unusable: 'type' }, { signal });
  t.equal(readFileSync(join(outside, 'file'), 'utf8'), 'kept', 'the link goes, not what it leads to');
});

t.test('many small files of this process are written together, each whole or not at all', async (t) => {
  const root = join(top, 'together');
  mkdirSync(root);
  const target = await openTarget({ platform: 'fs', uri: root }, { mayWrite: true, signal });
  t.teardown(() => target.close());
  const sources = join(top, 'together sources');
  mkdirSync(sources);
  const bytes = bytesBy(1, 300_000);
  const opened = new Map<string, number>();
  t.teardown(() => [...opened.values()].map(closeSync));
  /** A file of this process with the first bytes, or all there are. */
  const sourceOf = (size: number) => {
    const path = join(sources, String(size));
    writeFileSync(path, bytes.subarray(0, size));
    if (!opened.has(path)) opened.set(path, openSync(path, 'r'));
    return { path, descriptor: opened.get(path)! };
  };
  await target.mkdir('a/b', signal);
  const contentOf = (size: number): Content => ({
    descriptor: sourceOf(size).descriptor,
    open: async (start) => createReadStream(sourceOf(size).path, { start }),
  });
  const put = (path: string, size: number, mtime = 1_700_000_000.5): Promise<TargetItem> =>
    target.write(path, contentOf(size), { size, mtime, expected: null, signal });
  // So many that a thread is worth its start.
  for (let n = 0; n < 40; n++) await put(`first ${n}`, n);
  const part = join(root, 'a', partPath('continued', { size: 4000, mtime: 1_700_000_000.5 }));
  writeFileSync(part, bytes.subarray(0, 1000));
  writeFileSync(join(root, 'a', 'there'), 'somebody else');
  const paths = Array.from({ length: 150 }, (_, n) => `${n % 3 === 0 ? 'a/' : 'a/b/'}file ${n}`);
  const settled = await Promise.allSettled([
    ...paths.map((path, n) => put(path, n * 1999)),
    put('a/continued', 4000),
    put('a/there', 4000),
    put('a/longer', bytes.length + 1),
    put('a/none/file', 10),
  ]);
  const codes = settled.map((one) => (one.status === 'fulfilled' ? '' : (one.reason as { code: string }).code));
  t.strictSame(codes.slice(paths.length), ['', 'target-changed', 'target-damaged', 'target-missing']);
  t.equal(codes.slice(0, paths.length).join(''), '');
  for (const [n, path] of paths.entries()) {
    t.ok(readFileSync(join(root, path)).equals(bytes.subarray(0, n * 1999)), path);
    t.match((settled[n] as { value: TargetItem }).value, { path, size: n * 1999, mtime: 1_700_000_000.5 });
  }
  t.ok(readFileSync(join(root, 'a/continued')).equals(bytes.subarray(0, 4000)), 'what a broken write left');
  t.equal(readFileSync(join(root, 'a/there'), 'utf8'), 'somebody else');
  const names = readdirSync(root, { recursive: true }) as string[];
  t.strictSame(
    names.filter((name) => name.includes('procorefs-part') || name.includes('longer')),
    [],
  );
});

t.test('a share that is not mounted is unreachable, and no empty folder', { skip: notRoot() }, async (t) => {
  const mountpoint = join(top, 'share');
  mkdirSync(mountpoint);
  const mount = (): void => void execFileSync('mount', ['-t', 'tmpfs', 'procorefs-test', mountpoint]);
  const unmount = (): void => void execFileSync('umount', [mountpoint]);
  mount();
  let mounted = true;
  t.teardown(() => mounted && unmount());
  const definition = { platform: 'nfs', uri: mountpoint, mountpoint };
  const target = await openTarget(definition, { mayWrite: true, signal });
  await write(target, 'file', Buffer.from('one'));
  unmount();
  mounted = false;
  await failsWith(t, 'target-unreachable', () => listed(target, ''));
  await failsWith(t, 'target-unreachable', () => write(target, 'file', Buffer.from('two')));
  await failsWith(t, 'target-unreachable', () => target.mkdir('folder', signal));
  await failsWith(t, 'target-unreachable', () => openTarget(definition, { mayWrite: true, signal }));
  t.strictSame(readdirSync(mountpoint), [], 'nothing went onto the disk below');
  mount();
  mounted = true;
  await write(target, 'file', Buffer.from('three'));
  t.equal(String(await readAll(target, 'file')), 'three', 'it goes on when the share is back');
});

t.test('a full disk says so, and keeps what was there', { skip: notRoot() }, async (t) => {
  const root = join(top, 'full');
  mkdirSync(root);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'procorefs-test', root]);
  t.teardown(() => execFileSync('umount', [root]));
  const target = await openTarget({ platform: 'fs', uri: root }, { mayWrite: true, signal });
  await write(target, 'file', Buffer.from('old'));
  await failsWith(t, 'target-full', () => write(target, 'file', Buffer.alloc(3_000_000)));
  t.equal(String(await readAll(target, 'file')), 'old');
});

function notRoot(): string | false {
  return process.getuid?.() === 0 ? false : 'mounting takes root';
}
