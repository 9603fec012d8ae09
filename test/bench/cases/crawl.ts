import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Installation, run } from '../../support/mounted.js';
import { simulator } from '../../support/simulator.js';
import { atMost, type Case, type Row, reported } from '../case.js';
import { memory, quantile, time } from '../measure.js';

const ITEMS = 100_000;

/** The first mount of a large project: what it costs in calls and memory, and how the mount answers meanwhile. */
export const crawl: Case = {
  name: 'crawl',
  async run(scope, say) {
    const running = await simulator(scope, { items: ITEMS });
    const installation = new Installation(scope);
    await installation.connect(running);
    const mnt = installation.mountpoint();
    const { admin } = running;
    await admin.reset();
    const start = performance.now();
    await installation.must(['mount', `Procore:${running.ready.projects[0]!.id}`, mnt]);
    const { stdout } = await run('ls', [mnt]);
    const listed = performance.now() - start;
    const early = await admin.calls();
    const documents = Object.entries(early.byRoute).filter(([route]) => /folders|files/.test(route));
    const firstCalls = documents.reduce((sum, [, count]) => sum + count, 0);
    say(`${stdout.split('\n').length - 1} names after ${listed.toFixed(0)} ms, ${early.total} calls so far`);

    const { pid } = await installation.status(mnt);
    const latencies: number[] = [];
    let crawling = true;
    // A name that nobody asked for before: the kernel has to ask the daemon.
    const probing = (async () => {
      for (let n = 0; crawling; n++) {
        const began = performance.now();
        await stat(join(mnt, `no-such-name-${n}`)).catch(() => undefined);
        latencies.push(performance.now() - began);
        await sleep(5);
      }
    })();
    await installation.crawled(mnt);
    crawling = false;
    await probing;
    const crawled = (performance.now() - start) / 1000;
    const calls = (await admin.calls()).total;
    const { peak, now } = memory(pid);
    say(`crawled after ${crawled.toFixed(1)} s, ${now.toFixed(0)} MB resident then`);

    const before = await admin.calls();
    const found = await time(`find ${mnt} -printf '%s\\n'`);
    const findCalls = (await admin.calls()).total - before.total;
    const rows: Row[] = [
      atMost('document calls until the first ls', 2, 'calls', firstCalls),
      atMost(`calls to crawl ${ITEMS} items`, 55, 'calls', calls, `${crawled.toFixed(1)} s`),
      atMost('calls for the first find, polls included', 1, 'calls', findCalls, `${found.toFixed(0)} ms`),
      atMost('memory, the most during the crawl', 350, 'MB', peak),
      atMost('memory after crawl and find', 200, 'MB', memory(pid).now),
      reported(
        'look-ups during the crawl, as a program sees them',
        `median ${quantile(latencies, 0.5).toFixed(1)} ms, p99 ${quantile(latencies, 0.99).toFixed(1)} ms, most ${Math.max(...latencies).toFixed(1)} ms`,
      ),
    ];
    return rows;
  },
};
