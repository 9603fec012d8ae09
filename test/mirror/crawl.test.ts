import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Failure } from '#src/base/errors.js';
import { ROOT_INODE } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { Crawl } from '#src/mirror/sync/crawl.js';
import type { IndexSource } from '#src/mirror/sync/index-source.js';
import { mirrorBench, mirrorLines, serverLines } from '../support/mirror.js';

const never = new AbortController().signal;

t.test('a crawl fills the mirror with what the server has, 2,000 rows a call', async (t) => {
  const bench = await mirrorBench(t, { items: 9000, seed: 'crawl' });
  const mirror = bench.openMirror();
  await mirror.open();
  await bench.simulator.admin.reset();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
  t.ok(mirror.view.crawlDone);
  t.ok((await bench.simulator.admin.calls()).total <= 6, 'as few calls as pages');
});

t.test('a server that gives fewer rows a page than asked for is crawled and polled to the end', async (t) => {
  const bench = await mirrorBench(t, { items: 3500, seed: 'capped', switch: ['per-page-most=1000'] });
  const mirror = bench.openMirror();
  await mirror.open();
  await bench.simulator.admin.reset();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
  t.ok((await bench.simulator.admin.calls()).total <= 4, 'a call for each page that it gives');
  await mirror.pollNow(never);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
});

t.test('a crawl that was cut goes on at the page where it was', async (t) => {
  const bench = await mirrorBench(t, { items: 9000, seed: 'resume' });
  let pages = 0;
  const failing: IndexSource = {
    ...bench.source,
    page: (query, options) => {
      if (++pages === 4) throw new Failure('unreachable', { host: 'x' });
      return bench.source.page(query, options);
    },
  };
  const first = bench.openMirror(failing);
  await first.open();
  await t.rejects(new Crawl(first.store, failing, silentLog).run(never));
  await first.close();
  await bench.simulator.admin.reset();
  const second = bench.openMirror();
  t.notOk(second.view.crawlDone);
  await new Crawl(second.store, bench.source, silentLog).run(never);
  t.strictSame(mirrorLines(second), await serverLines(bench.simulator));
  t.ok((await bench.simulator.admin.calls()).total <= 3, 'only the pages that were missing');
});

t.test('a mirror whose process was killed when it knew the root alone is crawled by the next one', async (t) => {
  const bench = await mirrorBench(t, { items: 100, seed: 'killed' });
  const killed = bench.openMirror();
  await killed.store.ingestListing(await bench.source.folder(undefined, { class: 'interactive' }));
  await killed.close();
  const mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  t.ok(mirror.view.crawlDone);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
});

t.test('items that change while the crawl walks, also in the second in which it began, are not missed', async (t) => {
  const bench = await mirrorBench(t, { items: 9000, seed: 'shift', oddNames: 'no' });
  const before = (await bench.simulator.admin.tree({ hash: false })).filter((entry) => entry.type === 'file');
  const until = Math.floor(Date.now() / 1000) + 2;
  let pages = 0;
  const busy: IndexSource = {
    ...bench.source,
    page: async (query, options) => {
      const reply = await bench.source.page(query, options);
      // Rows that the walk has passed go to the end of its range at first, later out of it: both shift what follows.
      const victims = before.slice(pages * 40, pages * 40 + 40);
      if (++pages === 3) await sleep(Math.max(0, (until + 1) * 1000 - Date.now()));
      if (pages <= 4)
        await bench.simulator.admin.changes(
          victims.map((entry) => ({ op: 'update' as const, path: entry.path, content: `new ${pages}` })),
        );
      return reply;
    },
  };
  const mirror = bench.openMirror(busy);
  await mirror.open();
  await mirror.store.setMeta({ 'crawl.until': until });
  await new Crawl(mirror.store, busy, silentLog).run(never);
  await mirror.pollNow(never);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
});

t.test('the root lists after one call, and a folder deep in the tree is fetched out of turn', async (t) => {
  const bench = await mirrorBench(t, { items: 3000, seed: 'turn' });
  const mirror = bench.openMirror();
  await bench.simulator.admin.reset();
  await mirror.open();
  t.equal((await bench.simulator.admin.calls()).total, 1);
  const root = mirror.view.item(ROOT_INODE)!;
  t.ok(mirror.view.isListed(root.remoteId));
  const folder = mirror.view.children(root.remoteId, 0, 100).find((item) => !item.isFile)!;
  t.notOk(mirror.view.isListed(folder.remoteId));
  await Promise.all([1, 2, 3].map(() => mirror.list(folder, 'interactive')));
  t.ok(mirror.view.isListed(folder.remoteId));
  t.equal((await bench.simulator.admin.calls()).total, 2, 'three who ask at once share one call');
});

t.test('awkward names are each shown once, under a name that finds them again', async (t) => {
  const bench = await mirrorBench(t, { items: 2000, seed: 'odd', oddNames: 'yes' });
  const mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
  const walk = (parent: number): void => {
    const folder = mirror.view.item(parent as never)!;
    const children = mirror.view.children(folder.remoteId, 0, 10_000);
    t.equal(new Set(children.map((child) => child.name)).size, children.length, 'each name once');
    for (const child of children) {
      if (mirror.view.child(folder, child.name)?.inode !== child.inode) t.fail(`${child.name} is not found again`);
      if (Buffer.byteLength(child.name) > 255 || /[/\0]/.test(child.name)) t.fail(`${child.name} cannot stand`);
      if (!child.isFile) walk(child.inode);
    }
  };
  walk(ROOT_INODE);
});

t.test('of two items with one name the lowest id keeps it, whatever order they come in', async (t) => {
  const bench = await mirrorBench(t, { items: 10, seed: 'twins' });
  const mirror = bench.openMirror();
  await mirror.open();
  const root = mirror.view.item(ROOT_INODE)!;
  const twin = (id: number) => ({
    id: id as never,
    type: 'file' as const,
    name: 'twin.pdf',
    parentId: root.remoteId,
    updatedAt: 1_700_000_000 - id,
    createdAt: 1_700_000_000,
    deleted: false,
    recycleBin: false,
    private: false,
    readOnly: false,
    version: undefined,
    checkedOutBy: undefined,
    checkedOutUntil: undefined,
  });
  await mirror.store.ingestItems([twin(3)], 2_000_000_000);
  await mirror.store.ingestItems([twin(1), twin(2)], 2_000_000_000);
  const names = mirror.view.children(root.remoteId, 0, 1000).filter((item) => item.remoteName === 'twin.pdf');
  t.strictSame(names.map((item) => [item.remoteId, item.name]).sort(), [
    [1, 'twin.pdf'],
    [2, 'twin (2).pdf'],
    [3, 'twin (3).pdf'],
  ]);
});

t.test('who waits for the crawl is told when it is done, needs a person, or will not be done', async (t) => {
  const bench = await mirrorBench(t, { items: 300, seed: 'waiting' });
  let obstacle: Failure | undefined = new Failure('signed-out', { name: 'Test' });
  const page: IndexSource['page'] = async (query, options) => {
    if (obstacle) throw obstacle;
    return bench.source.page(query, options);
  };
  const mirror = bench.openMirror({ ...bench.source, page });
  await mirror.open();
  const left = new AbortController();
  const leaving = t.rejects(mirror.crawled(left.signal), { name: 'AbortError' });
  left.abort();
  await leaving;
  const waiting = mirror.crawled(never);
  mirror.start();
  await t.rejects(waiting, { code: 'signed-out' });
  await t.rejects(mirror.crawled(never), { code: 'signed-out' }, 'also who comes later');
  await mirror.close();

  const second = bench.openMirror({ ...bench.source, page });
  const closing = t.rejects(second.crawled(never), { code: 'interrupted' });
  await second.close();
  await closing;

  obstacle = undefined;
  const third = bench.openMirror({ ...bench.source, page });
  const done = third.crawled(never);
  third.start();
  await done;
  t.ok(third.view.crawlDone);
  await third.crawled(never);
});
