import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { silentLog } from '#src/base/log.js';
import { Crawl } from '#src/mirror/sync/crawl.js';
import type { IndexSource } from '#src/mirror/sync/index-source.js';
import { unpacked } from '#src/procore/transport/body.js';
import { mirrorBench, mirrorLines, serverLines } from '../support/mirror.js';

const never = new AbortController().signal;

/** The source, whose pages leave out some rows: as where rows of one second come in another order with each page. */
function lacking(
  source: IndexSource,
  ids: ReadonlySet<number>,
): { readonly source: IndexSource; readonly listed: string[][] } {
  // After each page.
  const listed: string[][] = [[]];
  return {
    listed,
    source: {
      async page(query, options) {
        const page = await source.page(query, options);
        listed.push([]);
        const rows = (JSON.parse(unpacked(page.body).toString()) as { id: number }[]).filter(({ id }) => !ids.has(id));
        return { ...page, body: { encoding: 'identity', parts: [new Uint8Array(Buffer.from(JSON.stringify(rows)))] } };
      },
      folder(id, options) {
        listed.at(-1)!.push(String(id ?? 'root'));
        return source.folder(id, options);
      },
    },
  };
}

for (const [speed, pause] of [
  ['within a second', 0],
  ['a second apart', 1050],
] as const)
  t.test(`what is gone goes also when the page lacks its folder, which is there: made ${speed}`, async (t) => {
    const bench = await mirrorBench(t, {
      items: 0,
      seed: 'sweep',
      switch: ['recycled-in-index=excluded', 'bump-delete=no'],
    });
    const { admin } = bench.simulator;
    const ids = new Map<string, number>();
    const paths = ['a', 'a/b', 'a/b/c', 'a/b/c/gone', 'a/b/c/gone/below', 'a/b/c/stays', 'd', 'd/e'];
    for (const path of paths) {
      await sleep(pause);
      const [, parent = '', name = ''] = /^(?:(.*)\/)?([^/]+)$/.exec(path)!;
      const { id } = await admin.change({ op: 'create', type: 'folder', parent, name });
      ids.set(path, id!);
      for (const file of ['one.txt', 'two.txt'])
        ids.set(`${path}/${file}`, (await admin.change({ op: 'create', parent: path, name: file, content: 'x' })).id!);
    }
    const lack = new Set<number>();
    const { source, listed } = lacking(bench.source, lack);
    const mirror = bench.openMirror(source);
    await mirror.open();
    await new Crawl(mirror.store, bench.source, silentLog).run(never);
    t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));

    for (const path of ['a/one.txt', 'a/b/two.txt', 'a/b/c/one.txt', 'a/b/c/gone', 'd/two.txt'])
      await admin.change({ op: 'purge', id: ids.get(path)! });
    for (const path of ['a', 'a/b', 'a/b/c', 'd/e']) lack.add(ids.get(path)!);
    listed.length = 0;
    await mirror.sweepNow('background', never);
    t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator), 'as at the server');
    for (const ofPage of listed) t.equal(new Set(ofPage).size, ofPage.length, 'no folder is listed twice for a page');
    // Rows of the last second are a page of their own: one folder may be in doubt again.
    const most = listed.length === 1 ? 5 : 6;
    t.ok(listed.flat().length <= most, `${listed.flat().length} listings: each folder that something is in doubt in`);
  });
