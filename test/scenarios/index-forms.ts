import { silentLog } from '#src/base/log.js';
import { Crawl } from '#src/mirror/sync/crawl.js';
import { mirrorBench, mirrorLines, serverLines } from '../support/mirror.js';
import type { Scenario } from './scenarios.js';

const never = new AbortController().signal;

/** What a crawl without the v1.0 index may cost beside what it reads: calls. */
const BESIDE_CALLS = 5;
const PAGE_ROWS = 100;

/** The crawl of an app that may not use the v1.0 index: a page of 100 rows, or a folder, a call, whichever is less. */
export async function crawlWithoutV1(t: Scenario, items: number): Promise<void> {
  for (const shape of ['normal', 'wide'] as const) {
    const settings = { items, shape, seed: 'v2', hourly: 10_000_000, spike: 1_000_000, switch: ['index-v1=denied'] };
    const bench = await mirrorBench(t, settings);
    const { admin } = bench.simulator;
    const mirror = bench.openMirror();
    await mirror.open();
    await admin.reset();
    await new Crawl(mirror.store, bench.source, silentLog).run(never);
    const { total } = await admin.calls();
    const folders = (await admin.tree({ hash: false })).filter(({ type }) => type === 'folder').length;
    const most = 1.1 * Math.min(folders, items / PAGE_ROWS) + BESIDE_CALLS;
    t.comment(`${shape}: ${total} calls for ${items} items in ${folders} folders, at most ${Math.floor(most)}`);
    t.ok(total <= most, `${total} calls`);
    t.equal(mirrorLines(mirror).join('\n'), (await serverLines(bench.simulator)).join('\n'), 'all is there');
  }
}
