import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMounted, kill, mounted, run } from '../../support/mounted.js';
import { atLeast, atMost, type Case, reported } from '../case.js';
import { median, memory, pairedRatio, runs, time } from '../measure.js';
import type { Scope } from '../scope.js';

const FOLDERS = 100;
const FILES = 100;
const SIZE = 4096;
const COUNT = FOLDERS * FILES;
const BIG = 2048;
const PAIRS = 3;
const BIG_PAIRS = 5;

/** FOLDER FOLDERS FILES SIZE: as a program without ambition makes files; perl is on every Debian. */
export const MAKE_FILES = `
use strict; use warnings; use Fcntl;
my ($top, $folders, $files, $size) = @ARGV;
my $data = "x" x $size;
mkdir $top or die "$top: $!";
for my $m (1 .. $folders) {
  my $folder = sprintf("%s/folder %03d", $top, $m);
  mkdir $folder or die "$folder: $!";
  for my $n (1 .. $files) {
    my $file = sprintf("%s/file %04d.txt", $folder, $n);
    sysopen(my $handle, $file, O_CREAT | O_EXCL | O_WRONLY, 0644) or die "$file: $!";
    (syswrite($handle, $data) // 0) == $size or die "$file: $!";
    close $handle or die "$file: $!";
  }
}
`;

/**
 * Many small files and a big one, written by the same programs through the mount, to bare ext4 and through
 * `rclone mount` of a folder on the same disk, whose cache takes writes as ours does. Both begin to bring up what they
 * took a few seconds after it was closed: ours to a server with Procore's limits, rclone to the folder.
 */
export const writing: Case = {
  name: 'writing',
  async run(scope, say) {
    const project = await mounted(scope, { items: 20 });
    const { installation, mnt } = project;
    const program = join(installation.folder, 'make-files.pl');
    writeFileSync(program, MAKE_FILES);
    const disk = join(installation.folder, 'disk');
    const peer = join(installation.folder, 'peer');
    mkdirSync(disk);
    const small = (folder: string, n: number): Promise<number> =>
      time(`perl '${program}' '${folder}/new ${n}' ${FOLDERS} ${FILES} ${SIZE}`);
    const big = async (folder: string, n: number): Promise<number> => {
      await time('sync');
      return time(`dd if=/dev/zero of='${folder}/big ${n}.bin' bs=1M count=${BIG} conv=fsync status=none`);
    };
    const files: Record<'ours' | 'disk' | 'rclone', number[]> = { ours: [], disk: [], rclone: [] };
    const bytes: Record<'ours' | 'disk', number[]> = { ours: [], disk: [] };
    const { pid } = await installation.status(mnt);
    for (let n = 0; n < PAIRS; n++) {
      files.disk.push(await small(disk, n));
      files.ours.push(await small(mnt, n));
      const end = await rclone(scope, join(installation.folder, `source-${n}`), peer);
      files.rclone.push(await small(peer, n));
      await end();
    }
    say(`${COUNT} files: ours ${runs(files.ours)}, ext4 ${runs(files.disk)}, rclone ${runs(files.rclone)}`);
    const { peak } = memory(pid);
    const { outbox } = await installation.status(mnt);
    // It would send for hours.
    process.kill(pid, 'SIGKILL');
    if (outbox.pending < (PAIRS * COUNT) / 2) throw new Error(`only ${outbox.pending} changes wait to go up`);

    // A mount that has nothing else to send: ext4 sends nothing either.
    const quiet = await mounted(scope, { items: 20 }, ['-o', 'settle=3600']);
    await warmUp(disk, big);
    for (let n = 0; n < BIG_PAIRS; n++) {
      // Each finds the memory that the other has given back: fresh memory of a virtual machine is several times slower.
      for (const [folder, times] of [
        [disk, bytes.disk],
        [quiet.mnt, bytes.ours],
      ] as const) {
        times.push(await big(folder, n));
        rmSync(join(folder, `big ${n}.bin`));
      }
    }
    const quietPeak = memory((await quiet.installation.status(quiet.mnt)).pid).peak;
    say(`${BIG} MiB: ours ${runs(bytes.ours)}, ext4 ${runs(bytes.disk)}`);
    return [
      atLeast(
        `${COUNT} small files, against ext4`,
        0.08,
        pairedRatio(files.disk, files.ours),
        `${((median(files.ours) * 1000) / COUNT).toFixed(0)} µs a file`,
      ),
      atLeast(`${COUNT} small files, against rclone`, 3, pairedRatio(files.rclone, files.ours)),
      atLeast(
        `sequential write of ${BIG} MiB to stable storage, against ext4`,
        0.8,
        pairedRatio(bytes.disk, bytes.ours),
        `${((BIG * 1048.576) / median(bytes.ours)).toFixed(0)} MB/s`,
      ),
      atMost('peak memory of the daemon', 250, 'MB', Math.max(peak, quietPeak)),
      reported('ext4, small files', `${((median(files.disk) * 1000) / COUNT).toFixed(0)} µs a file`),
    ];
  },
};

/** Takes the memory that the measured files will lie in. */
async function warmUp(folder: string, big: (folder: string, n: number) => Promise<number>): Promise<void> {
  await big(folder, -1);
  rmSync(join(folder, 'big -1.bin'));
}

/** A fresh `rclone mount` of a new folder, in the foreground of a child; ends with what it returns. */
async function rclone(scope: Scope, folder: string, mountpoint: string): Promise<() => Promise<void>> {
  for (const path of [folder, mountpoint]) mkdirSync(path, { recursive: true });
  const words = ['mount', folder, mountpoint, '--vfs-cache-mode', 'full', '--cache-dir', `${folder}-cache`];
  const child = spawn('rclone', words, { stdio: 'ignore' });
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  const end = async (): Promise<void> => {
    if (isMounted(mountpoint)) await run('umount', ['-l', mountpoint]);
    await kill(child);
  };
  scope.teardown(end);
  await Promise.race([
    failed,
    (async () => {
      while (!isMounted(mountpoint)) {
        if (child.exitCode !== null) throw new Error(`rclone ended with ${child.exitCode}`);
        await sleep(50);
      }
    })(),
  ]);
  return end;
}
