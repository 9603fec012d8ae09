import { once } from 'node:events';
import { basename, dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Clock } from '#src/base/clock.js';
import { Failure } from '#src/base/errors.js';
import { ROOT_INODE } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { POLLS_MISS } from '#src/mirror/database/missed-changes.js';
import type { Item } from '#src/mirror/database/view.js';
import type { Mirror } from '#src/mirror/mirror.js';
import { Crawl } from '#src/mirror/sync/crawl.js';
import type { IndexSource } from '#src/mirror/sync/index-source.js';
import { type MirrorBench, mirrorBench, mirrorLines, mirrorTree, serverLines } from '../support/mirror.js';

const never = new AbortController().signal;
const HOUR = 3600;

interface Happening {
  /** Seconds from the begin. */
  readonly at: number;
  run(): unknown;
}

/** Time that passes as soon as somebody waits; what is planned happens on the way. */
class Hours implements Clock {
  /** Seconds from the begin. */
  seconds = 0;
  readonly #plan: Happening[];
  readonly #end: number;
  readonly ended: Promise<void>;
  #atEnd: () => void = () => undefined;

  constructor(plan: readonly Happening[], end: number) {
    this.#end = end;
    this.ended = new Promise((resolve) => {
      this.#atEnd = resolve;
    });
    this.#plan = [...plan].sort((a, b) => a.at - b.at);
  }

  now(): number {
    return this.seconds * 1000;
  }

  monotonic(): number {
    return this.seconds * 1000;
  }

  after(): () => void {
    throw new Error('the upkeep of a mirror has no timers');
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const until = this.seconds + ms / 1000;
    while (this.#plan[0] && this.#plan[0].at <= until) {
      const { at, run } = this.#plan.shift()!;
      this.seconds = Math.max(this.seconds, at);
      await run();
      if (signal?.aborted) throw signal.reason;
    }
    this.seconds = until;
    await nextTurn();
    if (until < this.#end) return;
    this.#atEnd();
    // Until the mirror is closed.
    if (signal && !signal.aborted) await once(signal, 'abort');
    throw signal?.reason;
  }
}

interface Hour {
  readonly calls: number;
  /** Seconds at which a look for changes was made, by what it was. */
  readonly looks: readonly { readonly at: number; readonly what: 'index' | 'folder' }[];
  readonly mirror: Mirror;
}

/** One hour of upkeep of a project that was crawled before. */
async function anHour(
  bench: MirrorBench,
  plan: (mirror: () => Mirror) => Happening[],
  seconds = HOUR,
  options: { readonly upkeepWait?: () => number } = {},
): Promise<Hour> {
  const first = bench.openMirror();
  await first.open();
  await new Crawl(first.store, bench.source, silentLog).run(never);
  await first.close();
  const looks: { at: number; what: 'index' | 'folder' }[] = [];
  const clock = new Hours(
    plan(() => mirror),
    seconds,
  );
  const source = {
    page: (...call: Parameters<typeof bench.source.page>) => {
      looks.push({ at: clock.seconds, what: 'index' });
      return bench.source.page(...call);
    },
    folder: (...call: Parameters<typeof bench.source.folder>) => {
      looks.push({ at: clock.seconds, what: 'folder' });
      return bench.source.folder(...call);
    },
  };
  const mirror = bench.openMirror(source, { clock, pollInterval: undefined, ...options });
  await bench.simulator.admin.reset();
  mirror.start();
  await clock.ended;
  return { calls: (await bench.simulator.admin.calls()).total, looks, mirror };
}

/** Somebody opens the project's root every ten seconds. */
const opening = (mirror: () => Mirror, from: number, to: number): Happening[] =>
  Array.from({ length: (to - from) / 10 }, (_, n) => ({
    at: from + n * 10,
    run: () => mirror().opened(ROOT_INODE),
  }));

for (const [index, positions] of [
  ['v1.0', []],
  ['v2.0', ['index-v1=denied']],
] as const) {
  t.test(`an hour in which nobody comes costs 30 calls at most, a sweep among them, by ${index}`, async (t) => {
    const bench = await mirrorBench(t, { items: 300, oddNames: 'no', hourly: 1_000_000, switch: positions });
    const { admin } = bench.simulator;
    const files = (await admin.tree({ hash: false })).filter(({ type }) => type === 'file');
    const { calls, mirror } = await anHour(bench, () => [
      { at: 100, run: () => admin.change({ op: 'permission', id: files[0]!.id, visible: false }) },
      { at: 200, run: () => admin.change({ op: 'create', path: 'new.txt', content: 'new' }) },
    ]);
    t.comment(`${calls} calls`);
    t.ok(calls <= 30, `${calls} calls`);
    t.ok(calls >= 10, 'it was looked for changes');
    t.ok(mirror.sweep.doneAt, 'everything was compared once');
    const lines = (await serverLines(bench.simulator)).filter((line) => !line.includes(`#${files[0]!.id} `));
    t.strictSame(mirrorLines(mirror), lines, 'what must not be seen any more, and what is new');
  });

  t.test(
    `an hour with twenty minutes of activity costs 400 calls at most, and changes show within 5 s, by ${index}`,
    async (t) => {
      const bench = await mirrorBench(t, { items: 300, oddNames: 'no', hourly: 1_000_000, switch: positions });
      const { calls, looks } = await anHour(bench, (mirror) => opening(mirror, 600, 1800));
      t.comment(`${calls} calls`);
      t.ok(calls <= 400, `${calls} calls`);
      const polls = looks.filter(({ what, at }) => what === 'index' && at > 600 && at <= 1850).map(({ at }) => at);
      const longest = polls.slice(1).reduce((most, at, n) => Math.max(most, at - polls[n]!), 0);
      t.ok(longest <= 5, `${longest} s without a look`);
      t.ok(polls[0]! <= 605, 'who comes after a while is not shown old things for long');
    },
  );
}

t.test('a wait that was long for a moment only does not keep changes from showing', async (t) => {
  const bench = await mirrorBench(t, { items: 20, oddNames: 'no', hourly: 1_000_000 });
  let asked = 0;
  const upkeepWait = (): number => (asked++ === 0 ? 7_200_000 : 0);
  const { looks } = await anHour(bench, (mirror) => opening(mirror, 10, 600), 600, { upkeepWait });
  t.ok(looks.length > 20, `${looks.length} looks`);
});

t.test('a job that looks again and again is somebody who looks, until it does no more', async (t) => {
  const bench = await mirrorBench(t, { items: 30, oddNames: 'no', hourly: 1_000_000 });
  const looking = (mirror: () => Mirror, job: string, every: number, from: number, to: number): Happening[] =>
    Array.from({ length: (to - from) / every }, (_, n) => ({
      at: from + n * every,
      run: () => mirror().looksEvery(job, every),
    }));
  const jobs = (mirror: () => Mirror) => [
    ...looking(mirror, 'often', 5, 700, 800),
    ...looking(mirror, 'seldom', 60, 700, 1300),
  ];
  const { looks } = await anHour(bench, jobs, 2200);
  const longest = (from: number, to: number): number => {
    const polls = looks.filter(({ at }) => at >= from && at <= to).map(({ at }) => at);
    return Math.max(...polls.map((at, n) => (n === 0 ? 0 : at - polls[n - 1]!)));
  };
  t.ok(longest(0, 700) > 60, 'nobody looks');
  t.ok(longest(701, 800) <= 5, `every 5 s: ${longest(701, 800)} s`);
  t.ok(looks.filter(({ at }) => at > 700 && at <= 800).length <= 100 / 5 + 3, 'and no oftener');
  t.ok(longest(900, 1300) <= 60 && longest(900, 1300) > 30, `every 60 s: ${longest(900, 1300)} s`);
  t.ok(longest(1500, 2200) > 60, 'nobody looks any more');
});

t.test('where deletions do not count as updates, listings of what is looked at show them', async (t) => {
  const bench = await mirrorBench(t, { items: 40, oddNames: 'no', hourly: 1_000_000 });
  const { admin } = bench.simulator;
  await admin.switches({ 'bump-delete': 'no', 'bump-rename': 'no', 'recycled-in-index': 'excluded' });
  for (const name of ['a.txt', 'b.txt', 'c.txt']) await admin.change({ op: 'create', path: name, content: name });
  const shown: string[][] = [];
  const rootNames = (mirror: Mirror): string[] =>
    mirror.view.children(mirror.view.item(ROOT_INODE)!.remoteId, 0, 100).map(({ name }) => name);
  const { calls } = await anHour(
    bench,
    (mirror) => [
      ...opening(mirror, 100, 1300),
      // A change of the second in which a file was made proves nothing.
      { at: 150, run: () => admin.faults({ 'clock-skew': { probability: 1, seconds: 150 } }) },
      { at: 200, run: () => admin.change({ op: 'rename', path: 'a.txt', to: 'renamed.txt' }) },
      { at: 235, run: () => shown.push(rootNames(mirror())) },
      { at: 400, run: () => admin.change({ op: 'delete', path: 'b.txt' }) },
      { at: 405, run: () => shown.push(rootNames(mirror())) },
    ],
    1800,
  );
  t.ok(shown[0]!.includes('renamed.txt'), 'the first time within half a minute');
  t.notOk(shown[1]!.includes('b.txt'), 'from then on within 5 s');
  t.comment(`${calls} calls`);
  t.ok(calls <= 400, `${calls} calls`);
});

t.test('folders that are opened one after the other do not put off the listings', async (t) => {
  const bench = await mirrorBench(t, { items: 0, oddNames: 'no', hourly: 1_000_000 });
  for (let n = 0; n < 25; n++)
    await bench.simulator.admin.change({ op: 'create', path: `folder ${n}`, type: 'folder' });
  const folders = (mirror: Mirror) => mirror.view.children(mirror.view.item(ROOT_INODE)!.remoteId, 0, 100);
  const { looks } = await anHour(
    bench,
    (mirror) => [
      ...opening(mirror, 100, 400),
      { at: 200, run: () => mirror().store.setMeta({ [POLLS_MISS]: mirror().view.number('poll.at')! }) },
      ...Array.from({ length: 25 }, (_, n) => ({
        at: 300 + 4 * n,
        run: () => mirror().opened(folders(mirror())[n]!.inode),
      })),
    ],
    600,
  );
  const listings = looks.filter(({ at, what }) => what === 'folder' && at > 290 && at <= 400).map(({ at }) => at);
  t.ok(listings.length > 20, `${listings.length} listings`);
  for (const [n, at] of listings.entries()) t.ok(at - (listings[n - 1] ?? 290) <= 5, `at ${at}`);
});

t.test('a folder that is restored, or that may be seen again, is filled from the index', async (t) => {
  const bench = await mirrorBench(t, { items: 0, oddNames: 'no' });
  const { admin } = bench.simulator;
  await admin.switches({ 'recycled-subtree': 'deleted' });
  for (const folder of ['x/y', 'x/z'])
    await admin.change({ op: 'create', path: `${folder}/#.txt`, count: 30, parents: true, content: 'a' });
  const { mirror, looks } = await anHour(
    bench,
    () => [
      { at: 300, run: () => admin.change({ op: 'delete', path: 'x' }) },
      { at: 1200, run: () => admin.change({ op: 'restore', path: 'x' }) },
    ],
    1700,
  );
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
  t.ok([...mirrorTree(mirror).values()].every((item) => item.isFile || mirror.view.isListed(item.remoteId)));
  t.equal(looks.filter(({ what }) => what === 'folder').length, 0, 'no folder was listed by itself');
});

interface MovedOut extends MirrorBench {
  readonly mirror: Mirror;
  /** In the folder that is moved. */
  readonly file: Item;
}

/** A colleague deletes a folder; one of the folders in it is taken to the top later, by its id. */
async function movedOut(
  t: Test,
  meanwhile: { readonly at: number; readonly run: (moved: MovedOut) => unknown },
  { isOwn, at }: { readonly isOwn: boolean; readonly at: number },
): Promise<void> {
  // What is old: no poll shows it because it was just made.
  const bench = await mirrorBench(t, { items: 300, oddNames: 'no' });
  const { session, project, simulator } = bench;
  const { admin } = simulator;
  await admin.switches({ 'recycled-subtree': 'deleted' });
  const path = (await admin.tree({ hash: false })).map((one) => one.path).find((one) => one.split('/').length === 3)!;
  let file: Item | undefined;
  const { mirror } = await anHour(
    bench,
    (mirror) => [
      { at: 280, run: () => (file = [...mirrorTree(mirror())].find(([at]) => at.startsWith(`${path}#`))![1]) },
      { at: 310, run: () => admin.change({ op: 'delete', path: dirname(dirname(path)) }) },
      { ...meanwhile, run: () => meanwhile.run({ ...bench, mirror: mirror(), file: file! }) },
      {
        at,
        run: async () => {
          const { view, store } = mirror();
          const folder = view.byRemoteId(file!.parentId)!;
          const to = { parentId: view.item(ROOT_INODE)!.remoteId };
          const moved = await session.writes.updateFolder(project, folder.remoteId, to, { class: 'interactive' });
          const { inode, sequence } = folder;
          if (isOwn) await store.confirm(moved.item, moved.serverTime, inode, { name: folder.name, sequence });
        },
      },
    ],
    1700,
  );
  const server = await serverLines(simulator);
  t.ok(server.some((line) => line.startsWith(`${basename(dirname(path))}/${basename(path)}#`)));
  t.strictSame(mirrorLines(mirror), server);
}

for (const isOwn of [true, false]) {
  const whose = isOwn ? 'one of our own calls' : 'a colleague';
  t.test(`a folder that ${whose} moves out of a deleted one is filled from the index`, (t) =>
    movedOut(
      t,
      {
        at: 600,
        run: async ({ mirror, session, project, file }) => {
          const { item, serverTime } = await session.client.fileNow(project, file.remoteId, { class: 'interactive' });
          t.equal(item.deleted, true, 'somebody looks at it');
          await mirror.store.ingestItems([item], serverTime);
        },
      },
      { isOwn, at: 1300 },
    ),
  );

  t.test(`what was gone with a folder that nobody knew was deleted comes back when ${whose} moves it out`, (t) =>
    movedOut(
      t,
      { at: 311, run: ({ mirror, file }) => mirror.store.confirmDeletion(file.remoteId, 0) },
      { isOwn, at: 320 },
    ),
  );
}

t.test('a folder that is shown and may not be read is not asked for again and again, and others are', async (t) => {
  const bench = await mirrorBench(t, { items: 0, oddNames: 'no' });
  const { admin } = bench.simulator;
  for (const top of ['x', 'y'])
    await admin.change({ op: 'create', path: `${top}/in/#.txt`, count: 3, parents: true, content: 'a' });
  const closed = (await admin.tree({ hash: false })).find(({ path }) => path === 'x')!.id;
  let refused = 0;
  const refuse = (id: number | undefined): void => {
    if (id !== closed) return;
    if (++refused > 100) throw new Failure('unreachable', { host: 'after a hundred calls' });
    throw new Failure('not-permitted', { what: 'the folder' });
  };
  let isClosed = false;
  const source: IndexSource = {
    page: async (query, options) => {
      if (isClosed) refuse(query.filter?.folderId);
      return bench.source.page(query, options);
    },
    folder: async (id, options) => {
      if (isClosed) refuse(id);
      return bench.source.folder(id, options);
    },
  };
  const restored = async (): Promise<void> => {
    isClosed = true;
    for (const path of ['x', 'y']) await admin.change({ op: 'restore', path });
  };
  const deleted = async (): Promise<void> => {
    for (const path of ['x', 'y']) await admin.change({ op: 'delete', path });
  };
  const { mirror } = await anHour(
    { ...bench, source },
    () => [
      { at: 300, run: deleted },
      { at: 1200, run: restored },
    ],
    2400,
  );
  const idOf = (name: string) => mirror.view.child(mirror.view.item(ROOT_INODE)!, name)!.remoteId;
  t.notOk(mirror.view.isListed(idOf('x')));
  t.ok(mirror.view.isListed(idOf('y')), 'what may be read is filled');
  t.ok(refused > 0 && refused <= 4, `${refused} calls were refused`);
});
