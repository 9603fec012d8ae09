import t from 'tap';
import { ROOT_INODE } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import type { Change } from '#src/mirror/database/changes.js';
import { Crawl } from '#src/mirror/sync/crawl.js';
import { parseIndexPage } from '#src/procore/rows.js';
import { unpacked } from '#src/procore/transport/body.js';
import { mirrorBench, mirrorLines, mirrorTree, serverLines } from '../support/mirror.js';
import { until } from '../support/processes.js';
import { Files, openProject, polled } from '../support/project.js';

const never = new AbortController().signal;

t.test('a poll brings every kind of change, in one call, and says what the kernel must forget', async (t) => {
  const bench = await mirrorBench(t, { items: 400, seed: 'poll', oddNames: 'no' });
  const { admin } = bench.simulator;
  const mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  const files = (await admin.tree({ hash: false })).filter((entry) => entry.type === 'file');
  const folders = (await admin.tree({ hash: false })).filter((entry) => entry.type === 'folder');
  const target = folders[0]!;
  const moved = files.slice(4).find((entry) => !entry.path.startsWith(target.path))!;
  const inodes = new Map([...mirrorTree(mirror).values()].map((item) => [item.remoteId as number, item]));
  const changes: Change[] = [];
  mirror.store.events.on('changed', (some) => changes.push(...some));

  await admin.changes([
    { op: 'create', path: 'brand new.txt', content: 'hello' },
    { op: 'update', path: files[0]!.path, content: 'a new version' },
    { op: 'rename', path: files[1]!.path, to: 'renamed.bin' },
    { op: 'move', path: moved.path, to: target.path },
    { op: 'delete', path: files[3]!.path },
  ]);
  await admin.reset();
  await mirror.pollNow(never);
  t.equal((await admin.calls()).total, 1);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));

  const changeOf = (id: number): Change | undefined => changes.find((c) => c.inode === inodes.get(id)?.inode);
  t.equal(changeOf(files[0]!.id)?.replacedSequence, 0, 'a new version gets a new node');
  t.equal(changeOf(files[1]!.id)?.replacedSequence, undefined);
  t.equal(changeOf(files[1]!.id)?.after?.name, 'renamed.bin');
  t.not(changeOf(moved.id)?.before?.parent, changeOf(moved.id)?.after?.parent);
  t.equal(changeOf(files[3]!.id)?.after, undefined);
  const created = changes.find((c) => c.after?.name === 'brand new.txt');
  t.equal(created?.before, undefined);
  t.equal(created?.after?.parent, ROOT_INODE);

  changes.length = 0;
  await mirror.pollNow(never);
  t.strictSame(changes, [], 'what overlaps with the last poll is no change');
});

t.test('who gets a name that another left since the last poll has it as it is', async (t) => {
  const bench = await mirrorBench(t, { items: 20, seed: 'names', oddNames: 'no' });
  const { admin } = bench.simulator;
  const mirror = bench.openMirror();
  await mirror.open();
  for (const path of ['a.txt', 'b.txt', 'c.txt']) await admin.change({ op: 'create', path, content: path });
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  await admin.changes([
    { op: 'rename', path: 'a.txt', to: 'away.txt' },
    { op: 'rename', path: 'b.txt', to: 'a.txt' },
    { op: 'rename', path: 'c.txt', to: 'b.txt' },
  ]);
  const page = await bench.source.page({ page: 1, perPage: 100, filter: {} }, { class: 'background', signal: never });
  // Rows come in order of their last change: who leaves a name may come after who gets it.
  const order = ['b.txt', 'a.txt', 'away.txt'];
  const { items } = parseIndexPage(unpacked(page.body));
  const moved = order.map((name) => items.find((item) => item.name === name)!);
  await mirror.store.ingestItems(moved, page.serverTime);
  const names = [...mirrorTree(mirror).values()]
    .map(({ name }) => name)
    .filter((name) => /^(?:a|b|c|away)\b/.test(name));
  t.strictSame(names.sort(), ['a.txt', 'away.txt', 'b.txt']);
});

t.test('an item keeps its inode over versions, renames, moves, deletion and restore', async (t) => {
  const bench = await mirrorBench(t, { items: 200, seed: 'inode', oddNames: 'no' });
  const { admin } = bench.simulator;
  const mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  const { id, path } = (await admin.tree({ hash: false })).find((entry) => entry.type === 'file')!;
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : '';
  const inode = mirror.view.byRemoteId(id as never)?.inode;
  await admin.change({ op: 'update', path, content: 'x' });
  await admin.change({ op: 'rename', path, to: 'other name' });
  await admin.change({ op: 'delete', path: `${folder}other name` });
  await mirror.pollNow(never);
  t.notOk(mirrorTree(mirror).has(`${folder}other name#${id}`));
  await admin.change({ op: 'restore', path: `${folder}other name` });
  await mirror.pollNow(never);
  t.equal(mirror.view.byRemoteId(id as never)?.inode, inode);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
});

t.test('listing a folder anew finds a deletion that a poll cannot show', async (t) => {
  const bench = await mirrorBench(t, { items: 200, seed: 'gone', oddNames: 'no', switch: ['bump-delete=no'] });
  const { admin } = bench.simulator;
  const mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  await admin.change({ op: 'create', path: 'short lived.txt', content: 'x' });
  await mirror.pollNow(never);
  const root = mirror.view.item(ROOT_INODE)!;
  t.ok(mirror.view.child(root, 'short lived.txt'));
  await admin.change({ op: 'delete', path: 'short lived.txt' });
  await mirror.refresh(root, 'interactive');
  t.notOk(mirror.view.child(root, 'short lived.txt'));
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
});

t.test('a reply that was overtaken by a newer one changes nothing', async (t) => {
  const bench = await mirrorBench(t, { items: 100, seed: 'late', oddNames: 'no' });
  const { admin } = bench.simulator;
  const mirror = bench.openMirror();
  await mirror.open();
  await admin.change({ op: 'create', path: 'doc.txt', content: 'one' });
  const late = await bench.source.folder(undefined, { class: 'background' });
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await admin.change({ op: 'rename', path: 'doc.txt', to: 'letter.txt' });
  const root = mirror.view.item(ROOT_INODE)!;
  await mirror.refresh(root, 'interactive');
  await mirror.store.ingestListing(late);
  t.ok(mirror.view.child(root, 'letter.txt'));
  t.notOk(mirror.view.child(root, 'doc.txt'));
});

t.test('a reply with a wrong date hides nothing, and costs no calls', async (t) => {
  const bench = await mirrorBench(t, { items: 40, seed: 'date', oddNames: 'no' });
  const { admin } = bench.simulator;
  let mirror = bench.openMirror();
  await mirror.open();
  await new Crawl(mirror.store, bench.source, silentLog).run(never);
  for (const seconds of [86_400, 365 * 86_400, 7200, -86_400, -365 * 86_400]) {
    await admin.faults({ 'wrong-date': { count: 1, seconds } });
    await mirror.pollNow(never);
    await admin.change({ op: 'create', path: `after ${seconds}.txt`, content: 'x' });
    await admin.reset();
    await mirror.pollNow(never);
    t.equal((await admin.calls()).total, 1);
    t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator), `${seconds} s`);
  }
  // As an earlier program left it.
  for (const seconds of [86_400, 365 * 86_400]) {
    const future = Math.floor(Date.now() / 1000) + seconds;
    await mirror.store.setMeta({ 'poll.at': future, 'poll.deep': future });
    const root = mirror.view.item(ROOT_INODE)!.remoteId;
    const listing = await bench.source.folder(root, { class: 'background', signal: never });
    await mirror.store.ingestListing({ ...listing, serverTime: future });
    await mirror.close();
    mirror = bench.openMirror();
    await mirror.open();
    await admin.change({ op: 'update', path: 'after 7200.txt', content: `${seconds}` });
    await admin.reset();
    await mirror.pollNow(never);
    t.equal((await admin.calls()).total, 3);
    t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator), `${seconds} s, stored`);
  }
});

t.test('what we saved in a folder that a colleague deletes and restores is there again', async (t) => {
  const { fileSystem, project, simulator } = await openProject(t);
  const { admin } = simulator;
  await admin.change({ op: 'create', path: 'F', type: 'folder' });
  await until(() => project.mirror.view.crawlDone);
  await polled(project);
  const files = new Files(fileSystem);
  await files.write('F/ours.txt', 'saved here');
  await project.scheduler.drain(never);
  await admin.change({ op: 'delete', path: 'F' });
  await polled(project);
  t.notOk(await files.exists('F'));
  await admin.change({ op: 'restore', path: 'F' });
  await polled(project);
  await until(async () => (await files.list('F')).includes('ours.txt'));
  t.equal(String(await files.read('F/ours.txt')), 'saved here');
});
