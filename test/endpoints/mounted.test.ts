import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openTarget } from '#src/endpoints/open.js';
import { unmountAfter } from '../support/afterwards.js';
import { ServerFolder, serveSsh } from '../support/target-servers.js';
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
  conformance(t, () => ({ target, files: mountpoint, peek: async (path) => readFileSync(join(mountpoint, path)) }));
});

const lacksSshfs =
  existsSync('/usr/bin/sshfs') && existsSync('/usr/sbin/sshd') ? false : 'sshfs or sshd is not installed';

t.test('a mounted network share', { skip: lacksSshfs }, async (t) => {
  const folder = new ServerFolder();
  t.teardown(() => folder.remove());
  const server = await serveSsh(folder);
  t.teardown(() => server.kill());
  const mountpoint = folder.at('mounted');
  mkdirSync(mountpoint);
  const ssh = ['-p', String(server.port), '-o', `IdentityFile=${folder.at('client')}`];
  const known = ['-o', `UserKnownHostsFile=${folder.at('known_hosts')}`, '-o', 'reconnect', '-o', 'cache=no'];
  const account = `${userInfo().username}@127.0.0.1:${folder.files}`;
  execFileSync('sshfs', [account, mountpoint, ...ssh, ...known], { stdio: 'ignore' });
  unmountAfter(t, mountpoint);
  const target = await openTarget({ platform: 'nfs', uri: mountpoint, mountpoint }, { mayWrite: true, signal });
  conformance(t, () => ({
    target,
    files: folder.files,
    peek: async (path) => readFileSync(join(folder.files, path)),
    vanish: () => server.kill(),
    comeBack: () => server.start(),
  }));
});
