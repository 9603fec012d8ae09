import { setTimeout as sleep } from 'node:timers/promises';
import { Installation, run } from '../../support/mounted.js';
import { simulator } from '../../support/simulator.js';
import { Api } from '../api.js';
import { atLeast, type Case, reported } from '../case.js';
import { median, runs } from '../measure.js';

/** Files and folders; a good tenth are folders. */
const ITEMS = 11_200;
const SIZE = 8192;
const LATENCY = 50;
const RUNS = 3;
/** So many are fetched one by one around each run; all would take nine minutes. */
const SAMPLE = 100;

/**
 * tar reads small files through the mount, which nobody has read before, from a storage that takes its time. One by one
 * is a program that fetches the same URLs one after the other over a kept connection: it opens no file and needs no
 * API call, so it is the faster one of what could be compared with. It is timed on a sample before and after each run.
 */
export const smallFiles: Case = {
  name: 'small-files',
  async run(scope, say) {
    const running = await simulator(scope, { items: ITEMS, fileSize: SIZE, latency: LATENCY, oddNames: 'no' });
    const urls = (await new Api(running.ready).files()).map(({ url }) => url);
    const ratios: number[] = [];
    const times: number[] = [];
    const calls: number[] = [];
    const requests: number[] = [];
    const source = `Procore:${running.ready.projects[0]!.id}`;
    for (let n = 0; n < RUNS; n++) {
      const installation = new Installation(scope);
      await installation.connect(running);
      const mnt = installation.mountpoint();
      await installation.must(['mount', source, mnt]);
      await installation.crawled(mnt);
      const before = await oneByOne(urls, n * 2);
      await running.admin.reset();
      const start = performance.now();
      const tar = await run('sh', ['-c', 'tar c -C "$1" . | wc -c', 'sh', mnt], { timeout: 600_000 });
      const taken = performance.now() - start;
      const spent = await running.admin.calls();
      if (tar.code !== 0 || Number(tar.stdout) < urls.length * SIZE) throw new Error(`tar: ${tar.stderr}`);
      const each = (before + (await oneByOne(urls, n * 2 + 1))) / 2;
      times.push(taken);
      ratios.push((each * urls.length) / taken);
      calls.push(spent.total);
      requests.push(spent.storage.requests);
      say(`${urls.length} files in ${(taken / 1000).toFixed(1)} s; one by one ${each.toFixed(1)} ms each`);
      await installation.must(['umount', mnt]);
      await sleep(500);
    }
    return [
      atLeast(`tar of ${urls.length} uncached files, against one by one`, 8, median(ratios), runs(times)),
      reported('API calls, storage requests', `${calls.join('/')} calls, ${requests.join('/')} requests`),
    ];
  },
};

/** Milliseconds a file. */
async function oneByOne(urls: readonly string[], part: number): Promise<number> {
  const sample = urls.slice(part * SAMPLE, (part + 1) * SAMPLE);
  const start = performance.now();
  for (const url of sample) {
    const response = await fetch(url);
    const { byteLength } = await response.arrayBuffer();
    if (!response.ok || byteLength !== SIZE) throw new Error(`${response.status}, ${byteLength} bytes`);
  }
  return (performance.now() - start) / sample.length;
}
