import { setMaxListeners } from 'node:events';
import t from 'tap';
import { silentLog } from '#src/base/log.js';
import { Crawl } from '#src/mirror/sync/crawl.js';
import { mirrorBench, mirrorTree } from '../support/mirror.js';

const never = new AbortController().signal;
setMaxListeners(0, never);

t.test('expired URLs are renewed 2,000 a call, however many readers wait', async (t) => {
  const bench = await mirrorBench(t, { items: 6000, seed: 'urls', oddNames: 'no' });
  const { admin } = bench.simulator;
  const mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await admin.expire({ urls: true });
  await admin.reset();
  const files = [...mirrorTree(mirror).values()].filter((item) => item.isFile);
  const fresh = await Promise.all(
    files.map(async (item) => {
      const stale = mirror.urls.known(item) ?? mirror.view.url(item.inode)!;
      const url = await mirror.urls.renew(item, stale, 'background', never);
      return [item, stale.url, url.url] as const;
    }),
  );
  const { total } = await admin.calls();
  t.ok(total <= Math.ceil(files.length / 2000) + 1, `${total} calls for ${files.length} files`);
  t.ok(fresh.every(([, stale, url]) => stale !== url));
  for (const [item, , url] of fresh.filter((_, i) => i % 500 === 0)) {
    const reply = await fetch(url);
    t.equal((await reply.arrayBuffer()).byteLength, item.size);
  }
});

t.test(
  'a URL that is refused when old teaches that others of its age are not worth a try, a young one does not',
  async (t) => {
    const bench = await mirrorBench(t, { items: 50, seed: 'age', oddNames: 'no' });
    const mirror = bench.openMirror();
    await mirror.open();
    await new Crawl(mirror.store, bench.source, silentLog).run(never);
    const [first, second] = [...mirrorTree(mirror).values()].filter((item) => item.isFile);
    const url = mirror.urls.known(first!)!;
    t.ok(mirror.urls.known(second!));
    mirror.urls.sawServerTime(url.fetchedAt + 59);
    mirror.urls.refused(url);
    t.ok(mirror.urls.known(second!), 'one of many may have ended early');
    mirror.urls.sawServerTime(url.fetchedAt + 100);
    mirror.urls.refused(url);
    t.equal(mirror.urls.known(second!), undefined);
  },
);

t.test('URLs that were ended young teach nothing about those that came after', async (t) => {
  const bench = await mirrorBench(t, { items: 50, seed: 'young', oddNames: 'no' });
  const mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  const [first, second] = [...mirrorTree(mirror).values()].filter((item) => item.isFile);
  const stale = mirror.urls.known(first!)!;
  await new Promise((resolve) => setTimeout(resolve, 1100));
  mirror.urls.refused(stale);
  await mirror.urls.renew(first!, stale, 'background', never);
  await new Promise((resolve) => setTimeout(resolve, 2100));
  t.ok(mirror.urls.known(second!), 'the neighbour came with the same call and is still good');
});

t.test('a file that is gone from the server says so', async (t) => {
  const bench = await mirrorBench(t, { items: 50, seed: 'lost', oddNames: 'no' });
  const { admin } = bench.simulator;
  const mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  await admin.change({ op: 'create', path: 'x.txt', content: 'x' });
  await mirror.pollNow(never);
  const item = [...mirrorTree(mirror).values()].find((one) => one.name === 'x.txt')!;
  await admin.change({ op: 'delete', path: 'x.txt' });
  await t.rejects(mirror.urls.renew(item, mirror.view.url(item.inode), 'background', never), { code: 'gone' });
});
