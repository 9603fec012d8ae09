import t from 'tap';
import { silentLog } from '#src/base/log.js';
import { Crawl } from '#src/mirror/crawl.js';
import type { IndexSource } from '#src/mirror/index-source.js';
import { unpacked } from '#src/procore/transport/body.js';
import { mirrorBench, mirrorLines, serverLines } from '../helpers/mirror.js';

const never = new AbortController().signal;

/** The source, whose pages leave out some rows: as where rows of one second come in another order with each page. */
function lacking(
  source: IndexSource,
  ids: ReadonlySet<number>,
): { readonly source: IndexSource; readonly listed: string[] } {
  const listed: string[] = [];
  return {
    listed,
    source: {
      async page(query, options) {
        const page = await source.page(query, options);
        const rows = (JSON.parse(unpacked(page.body).toString()) as { id: number }[]).filter(({ id }) => !ids.has(id));
        return { ...page, body: { encoding: 'identity', parts: [new Uint8Array(Buffer.from(JSON.stringify(rows)))] } };
      },
      folder(id, options) {
        listed.push(String(id ?? 'root'));
        return source.folder(id, options);
      },
    },
  };
}

t.test('what is gone from a folder goes also when the page lacks the folder itself, which is there', async (t) => {
  const bench = await mirrorBench(t, {
    items: 0,
    seed: 'sweep',
    switch: ['recycled-in-index=excluded', 'bump-delete=no'],
  });
  const { admin } = bench.simulator;
  const ids = new Map<string, number>();
  const paths = ['a', 'a/b', 'a/b/c', 'a/b/c/gone', 'a/b/c/gone/below', 'a/b/c/stays', 'd', 'd/e'];
  for (const path of paths) {
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
  t.strictSame(new Set(listed).size, listed.length, 'no folder is listed twice');
  t.ok(listed.length <= 5, `${listed.length} listings: each folder that something is in doubt in`);
});
