import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isMounted, kill, mounted, run } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { ServerFolder, serveSmb } from '../support/target-servers.js';
import { callsButPolls, difference, type Scenario, sums } from './scenarios.js';

/** What `rsync --stats` says of a run. */
interface Transferred {
  readonly files: number;
  readonly bytes: number;
}

/**
 * `rsync -a` of a whole project to a Samba share of this machine, twice. The share is mounted by rclone, which speaks SMB
 * in user space.
 */
export async function rsyncToSamba(t: Scenario, items: number): Promise<void> {
  const project = await mounted(t, { items, fileSize: 1500, oddNames: 'no', spike: 3000, hourly: 1_000_000 }, [
    '-o',
    'umask=022,poll=3600',
  ]);
  const { installation, simulator, mnt } = project;
  await installation.crawled(mnt);
  const share = await mountSamba(t, installation.mountpoint('share'));
  await simulator.admin.reset();
  const first = await rsync(mnt, share);
  const files = (await simulator.admin.tree()).filter(({ type }) => type === 'file');
  t.equal(first.files, files.length, 'the first run transfers every file');
  t.comment(`first run: ${first.files} files, ${callsButPolls(await simulator.admin.calls())} calls but polls`);
  await simulator.admin.reset();
  const second = await rsync(mnt, share);
  t.equal(second.files, 0, 'files of the second run');
  t.equal(second.bytes, 0, 'bytes of the second run');
  t.equal(callsButPolls(await simulator.admin.calls()), 0, 'calls of the second run but polls');
  t.equal(
    difference(await sums(share), new Map(files.map(({ path, sha256 }) => [path, sha256!]))),
    '',
    'every byte on the share is right',
  );
}

async function mountSamba(t: Scenario, mountpoint: string): Promise<string> {
  const folder = new ServerFolder();
  t.teardown(() => folder.remove());
  const server = await serveSmb(folder);
  t.teardown(() => server.kill());
  const cache = join(folder.top, 'cache');
  mkdirSync(cache);
  const password = execFileSync('rclone', ['obscure', 'secret word'], { encoding: 'utf8' }).trim();
  const remote = `:smb,host=127.0.0.1,port=${server.port},user=root,pass=${password}:files`;
  const words = ['--vfs-cache-mode', 'writes', '--vfs-write-back', '0s', '--cache-dir', cache, '--config', '/dev/null'];
  const child = spawn('rclone', ['mount', remote, mountpoint, ...words], { stdio: 'ignore' });
  t.teardown(async () => {
    await run('umount', ['-l', mountpoint]);
    await kill(child, 'SIGTERM');
  });
  await until(() => isMounted(mountpoint) || child.exitCode !== null);
  return mountpoint;
}

async function rsync(from: string, to: string): Promise<Transferred> {
  const ran = await run('rsync', ['-a', '--stats', '--no-h', `${from}/`, `${to}/`], { timeout: 3_000_000 });
  if (ran.code !== 0) throw new Error(`rsync ended with ${ran.code}: ${ran.stderr.slice(0, 2000)}`);
  const figure = (what: string): number =>
    Number(new RegExp(`^${what}: ([\\d,]+)`, 'm').exec(ran.stdout)?.[1]?.replaceAll(',', ''));
  return { files: figure('Number of regular files transferred'), bytes: figure('Total transferred file size') };
}
