import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openTarget } from '#src/targets/open.js';
import { conformance, signal } from './conformance.js';

const lacks =
  process.getuid?.() !== 0
    ? 'mounting takes root'
    : existsSync('/usr/sbin/mount.exfat-fuse')
      ? false
      : 'exfat-fuse is not installed';

t.test('a mounted exFAT disk, as Windows has it', { skip: lacks }, async (t) => {
  const top = mkdtempSync(join(tmpdir(), 'procorefs-exfat-'));
  const [image, mountpoint] = [join(top, 'image'), join(top, 'mounted')];
  mkdirSync(mountpoint);
  writeFileSync(image, '');
  truncateSync(image, 64 * 1024 * 1024);
  execFileSync('mkfs.exfat', [image], { stdio: 'ignore' });
  const device = execFileSync('losetup', ['-f', '--show', image], { encoding: 'utf8' }).trim();
  t.teardown(() => {
    if (spawnSync('umount', [mountpoint]).status !== 0) spawnSync('umount', ['-l', mountpoint]);
    execFileSync('losetup', ['-d', device]);
    rmSync(top, { recursive: true, force: true });
  });
  execFileSync('mount.exfat-fuse', [device, mountpoint], { stdio: 'ignore' });
  const target = await openTarget({ platform: 'fs', uri: mountpoint, mountpoint }, { mayWrite: true, signal });
  t.equal(target.rules.caseInsensitive, true, 'upper and lower case are one');
  t.ok(target.rules.timeGrain > 0.001, `times are kept to ${target.rules.timeGrain} s`);
  for (const character of ':*?"<>|\\')
    t.ok(target.rules.names.characters.includes(character), `no ${character} in names`);
  conformance(t, () => ({ target, peek: async (path) => readFileSync(join(mountpoint, path)) }));
});
