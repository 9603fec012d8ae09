import { mounted } from '../../support/mounted.js';
import { type Case, type Row, reported } from '../case.js';
import { median, runs, time } from '../measure.js';
import { unmount } from '../mounts.js';

const ITEMS = 20_000;
const RUNS = 3;

/** Why fuse-native is not the default: the same listings and the same reads of uncached files through both drivers. */
export const drivers: Case = {
  name: 'drivers',
  async run(scope, say) {
    const { installation, simulator, mnt, source } = await mounted(scope, {
      items: ITEMS,
      fileSize: 4096,
      oddNames: 'no',
    });
    await installation.crawled(mnt);
    await unmount(installation, mnt);
    const times = new Map<string, { first: number[]; second: number[]; stat: number[] }>();
    let why = '';
    for (let n = 0; n < RUNS; n++) {
      for (const driver of ['kernel', 'fuse-native']) {
        const mount = await installation.procorefs(['mount', source, mnt, '--driver', driver]);
        if (mount.code !== 0) {
          why = mount.stderr.trim().slice(0, 100);
          continue;
        }
        const of = times.get(driver) ?? { first: [], second: [], stat: [] };
        times.set(driver, of);
        const find = `find ${mnt} -printf '%s\\n'`;
        of.first.push(await time(find));
        of.second.push(await time(find));
        of.stat.push(await time(`du -s ${mnt}`));
        await unmount(installation, mnt);
      }
    }
    say(`${ITEMS} items, ${(await simulator.admin.calls()).total} calls in all`);
    const rows: Row[] = [...times].map(([driver, { first, second, stat }]) =>
      reported(`${driver}: find, find again, du`, `${runs(first)}, ${runs(second)}, ${runs(stat)}`),
    );
    const [ours, native] = [times.get('kernel'), times.get('fuse-native')];
    if (ours && native)
      rows.push(
        reported(
          'first find, fuse-native against kernel',
          `${(median(native.first) / median(ours.first)).toFixed(1)} × longer`,
        ),
      );
    else rows.push(reported('fuse-native: not measured', why));
    return rows;
  },
};
