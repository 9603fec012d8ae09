import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { Installation } from '../../support/mounted.js';
import { simulator } from '../../support/simulator.js';
import { type Case, type Row, reported } from '../case.js';
import { median, pairedRatio, time } from '../measure.js';

const SIZE = 512 * 2 ** 20;
const PAIRS = 3;

/** Files that are wholly cached, read again: through each driver, against the same bytes on the bare disk. */
export const cachedReads: Case = {
  name: 'cached-reads',
  async run(scope, say) {
    const running = await simulator(scope, { items: 2000, fileSize: 16_384, oddNames: 'no' });
    await running.admin.change({ op: 'create', path: 'big.bin', size: SIZE });
    const source = `Procore:${running.ready.projects[0]!.id}`;
    const rows: Row[] = [];
    for (const driver of ['kernel', 'fuse-native']) {
      const installation = new Installation(scope);
      await installation.connect(running);
      const mnt = installation.mountpoint();
      const mount = await installation.procorefs(['mount', source, mnt, '--driver', driver]);
      if (mount.code !== 0) {
        rows.push(reported(`${driver}: not measured`, mount.stderr.trim().slice(0, 100)));
        continue;
      }
      await installation.crawled(mnt);
      const disk = join(installation.folder, 'disk');
      // Twice: what was fetched is cached, then opened anew.
      for (let n = 0; n < 2; n++) await time(`cat ${mnt}/big.bin; tar c -C ${mnt} . | cat`);
      copyFileSync(join(mnt, 'big.bin'), join(installation.folder, 'disk.bin'));
      await time(`cp -r ${mnt} ${disk}`);
      await running.admin.reset();
      const big = { ours: [] as number[], disk: [] as number[] };
      const small = { ours: [] as number[], disk: [] as number[] };
      for (let n = 0; n < PAIRS; n++) {
        big.ours.push(await time(`cat ${mnt}/big.bin`));
        big.disk.push(await time(`cat ${installation.folder}/disk.bin`));
        small.ours.push(await time(`tar c -C ${mnt} --exclude=./big.bin . | cat`));
        small.disk.push(await time(`tar c -C ${disk} --exclude=./big.bin . | cat`));
      }
      const { total, storage } = await running.admin.calls();
      const { passthrough } = await installation.status(mnt);
      say(`${driver}: passthrough ${passthrough}, ${total} calls, ${storage.requests} storage requests`);
      const speed = (times: readonly number[]): string => `${(SIZE / 1000 / median(times)).toFixed(0)} MB/s`;
      const share = (pairs: { ours: number[]; disk: number[] }): string =>
        `${pairedRatio(pairs.disk, pairs.ours).toFixed(2)} × the disk's speed`;
      rows.push(
        reported(`${driver}: 512 MiB cached`, `${share(big)} (${speed(big.ours)}, disk ${speed(big.disk)})`),
        reported(
          `${driver}: tar of 2,000 cached small files`,
          `${share(small)} (${median(small.ours).toFixed(0)} ms, disk ${median(small.disk).toFixed(0)} ms)`,
        ),
      );
      await installation.must(['umount', mnt]);
    }
    return rows;
  },
};
