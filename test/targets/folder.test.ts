import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openTarget } from '#src/targets/open.js';
import type { Target } from '#src/targets/target.js';
import { conformance, failsWith, listed, readAll, signal, write } from './conformance.js';

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
  conformance(t, () => ({ target, peek: async (path) => readFileSync(join(root, path)) }));
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
  await failsWith(t, 'target-outside', () => target.remove('link/file', signal));
  await failsWith(t, 'target-outside', () => target.mkdir('link/folder', signal));
  await failsWith(t, 'target-outside', () => target.move('plain', 'link/plain', signal));
  await failsWith(t, 'target-outside', () => readAll(target, 'file'));
  await failsWith(t, 'target-exists', () => write(target, 'file', bytes));
  t.strictSame(readdirSync(outside), ['file']);
  t.equal(readFileSync(join(outside, 'file'), 'utf8'), 'kept');
  await target.remove('link', signal);
  t.equal(readFileSync(join(outside, 'file'), 'utf8'), 'kept', 'the link goes, not what it leads to');
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
