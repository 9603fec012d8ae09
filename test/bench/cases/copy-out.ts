import { join } from 'node:path';
import { JobBench } from '../../scenarios/jobs.js';
import { run } from '../../support/mounted.js';
import { atLeast, atMost, type Case, reported } from '../case.js';
import { median, memory, pairedRatio, runs, time } from '../measure.js';

/** Files and folders; a good tenth are folders. */
const ITEMS = 11_000;
const SIZE = 16 * 1024;
const PAIRS = 3;

interface Shown {
  readonly executions: readonly { readonly started: number; readonly ended: number }[];
}

/**
 * A copy-out by the mount's daemon against `rsync -a` from the mount, and against one of a local folder that holds the
 * same, all to new folders of one disk and from content that is here already. Ours puts each file on stable storage before
 * it gets its name, rsync leaves that to the kernel: what that leaves to be written is none of its time.
 */
export const copyOut: Case = {
  name: 'copy-out',
  async run(scope, say) {
    const bench = await JobBench.create(scope, { items: ITEMS, fileSize: SIZE, hourly: 1_000_000, oddNames: 'no' });
    const { installation, source } = bench;
    const mnt = installation.mountpoint();
    await installation.must(['mount', source, mnt, '-o', 'poll=3600']);
    const { pid } = await installation.crawled(mnt);
    const local = bench.folder('local');
    const filled = await run('rsync', ['-a', `${mnt}/`, `${local}/`], { timeout: 600_000 });
    if (filled.code !== 0) throw new Error(`rsync: ${filled.stderr}`);
    const times: Record<'job' | 'mount' | 'local', number[]> = { job: [], mount: [], local: [] };
    let files = 0;
    for (let n = 0; n < PAIRS; n++) {
      const out = bench.folder(`job ${n}`);
      for (const [from, key] of [
        [mnt, 'mount'],
        [local, 'local'],
      ] as const) {
        await time('sync');
        times[key].push(await time(`rsync -a '${from}/' '${join(installation.folder, `${key} ${n}`)}/'`));
      }
      await time('sync');
      await bench.add(`out ${n}`, ['--from', source, '--to', out]);
      const { status, items } = await bench.run(`out ${n}`);
      if (status !== 'completed') throw new Error(`the job: ${status}`);
      files = items.copied;
      const shown = JSON.parse(await installation.must(['jobs', 'show', `out ${n}`, '--json'])) as Shown;
      times.job.push(shown.executions[0]!.ended - shown.executions[0]!.started);
      const same = await run('diff', ['-rq', local, out]);
      if (same.code !== 0) throw new Error(`the copies differ: ${same.stdout.slice(0, 200)}`);
      say(
        `job ${times.job[n]!.toFixed(0)} ms; rsync from the mount ${times.mount[n]!.toFixed(0)} ms, local ${times.local[n]!.toFixed(0)} ms`,
      );
    }
    return [
      atLeast(
        `copy-out of ${files} cached files, against rsync from the mount`,
        0.7,
        pairedRatio(times.mount, times.job),
        `${((median(times.job) * 1000) / files).toFixed(0)} µs a file`,
      ),
      reported('the same, against rsync of a local folder', `${pairedRatio(times.local, times.job).toFixed(2)} ×`),
      reported('runs', `job ${runs(times.job)}, mount ${runs(times.mount)}, local ${runs(times.local)}`),
      atMost('peak memory of the daemon', 300, 'MB', memory(pid).peak),
    ];
  },
};
