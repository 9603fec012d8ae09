import { spawn } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMounted, kill, mounted, run } from '../../support/mounted.js';
import { atLeast, atMost, type Case, type Row, reported } from '../case.js';
import { median, memory, pairedRatio, runs, time } from '../measure.js';
import { unmount } from '../mounts.js';
import type { Scope } from '../scope.js';

const ITEMS = 100_000;
const PAIRS = 3;

export const findWide = findCase('wide', 8);
export const findNormal = findCase('normal', 3);

/**
 * The first `find` after mounting, which asks for every attribute: ours from the mirror, against `rclone mount` of the
 * same tree (names and sizes; sparse files) on the local disk. Each run mounts anew, so no kernel cache helps anyone.
 */
function findCase(shape: 'normal' | 'wide', goal: number): Case {
  return {
    name: `find-${shape}`,
    async run(scope, say) {
      const project = await mounted(scope, { items: ITEMS, shape, oddNames: 'no' });
      const { installation, simulator, mnt, source } = project;
      await installation.crawled(mnt);
      await unmount(installation, mnt);

      const tree = join(installation.folder, 'tree');
      const peer = join(installation.folder, 'peer');
      const first: Record<'ours' | 'rclone' | 'disk', number[]> = { ours: [], rclone: [], disk: [] };
      const second: Record<'ours' | 'rclone', number[]> = { ours: [], rclone: [] };
      let calls = 0;
      let items = 0;
      let rss = 0;
      for (let pair = 0; pair <= PAIRS; pair++) {
        await installation.must(['mount', source, mnt]);
        if (pair === 0) {
          items = await copyTree(mnt, tree);
          scope.teardown(() => rmSync(tree, { recursive: true, force: true }));
          say(`${items} items, ${PAIRS} pairs`);
        } else {
          const before = (await simulator.admin.calls()).total;
          first.ours.push(await find(mnt));
          second.ours.push(await find(mnt));
          calls = Math.max(calls, (await simulator.admin.calls()).total - before);
          rss = memory((await installation.status(mnt)).pid).now;
          first.disk.push(await find(tree));
        }
        await unmount(installation, mnt);
        if (pair === 0) continue;
        const end = await rclone(scope, tree, peer);
        first.rclone.push(await find(peer));
        second.rclone.push(await find(peer));
        await end();
      }
      say(`first: ours ${runs(first.ours)}, rclone ${runs(first.rclone)}; bare disk (cached) ${runs(first.disk)}`);
      say(`second: ours ${runs(second.ours)}, rclone ${runs(second.rclone)}`);
      const rows: Row[] = [
        atLeast(
          `first find of ${items} items, against rclone`,
          goal,
          pairedRatio(first.rclone, first.ours),
          `${median(first.ours).toFixed(0)} ms`,
        ),
        // One poll may fall into a run.
        atMost('calls during both finds', 1, 'calls', calls),
        reported('second find, time against bare ext4', `${pairedRatio(second.ours, first.disk).toFixed(2)} ×`),
        atMost('memory of the daemon after mounting anew and find', 200, 'MB', rss),
      ];
      return rows;
    },
  };
}

const find = (folder: string): Promise<number> => time(`find ${folder} -printf '%s\\n'`);

/** Makes the same tree on the local disk; resolves to the number of items. */
async function copyTree(from: string, to: string): Promise<number> {
  const { stdout } = await run('find', [from, '-mindepth', '1', '-printf', '%y %s %P\\0']);
  mkdirSync(to);
  let count = 0;
  for (const entry of stdout.split('\0')) {
    const match = /^(.) (\d+) (.*)$/s.exec(entry);
    if (!match) continue;
    count++;
    const path = join(to, match[3]!);
    if (match[1] === 'd') mkdirSync(path);
    else {
      const fd = openSync(path, 'wx');
      ftruncateSync(fd, Number(match[2]));
      closeSync(fd);
    }
  }
  return count;
}

/** A fresh `rclone mount`, in the foreground of a child; ends with what it returns. */
async function rclone(scope: Scope, tree: string, mountpoint: string): Promise<() => Promise<void>> {
  mkdirSync(mountpoint, { recursive: true });
  const child = spawn('rclone', ['mount', tree, mountpoint, '--read-only'], { stdio: 'ignore' });
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  const end = async (): Promise<void> => {
    if (isMounted(mountpoint)) await run('umount', [mountpoint]);
    // Interrupted in the middle of a find: nobody must wait for a dead peer.
    if (isMounted(mountpoint)) await run('umount', ['-l', mountpoint]);
    await kill(child, 'SIGTERM');
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
