import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { systemClock } from '#src/base/clock.js';
import { Failure } from '#src/base/errors.js';
import { asProjectId, type RemoteId, ROOT_INODE } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import type { Item } from '#src/mirror/database/view.js';
import type { Mirror } from '#src/mirror/mirror.js';
import { Crawl } from '#src/mirror/sync/crawl.js';
import type { IndexSource, PageQuery } from '#src/mirror/sync/index-source.js';
import { IndexCalls } from '#src/procore/index-calls.js';
import type { IndexForm } from '#src/procore/index-query.js';
import { ClientFacts } from '#src/procore/probe/client-facts.js';
import { ReplyError } from '#src/procore/reply-error.js';
import { Session } from '#src/procore/session.js';
import { type MirrorBench, mirrorBench, mirrorLines, serverLines } from '../support/mirror.js';

const never = new AbortController().signal;
const DENIED = ['index-v1=denied'];

const crawled = async (bench: MirrorBench, source: IndexSource = bench.source): Promise<Mirror> => {
  const mirror = bench.openMirror(source);
  await mirror.open();
  await new Crawl(mirror.store, source, silentLog).run(never);
  return mirror;
};

const spent = async ({ simulator }: MirrorBench, work: () => Promise<unknown>): Promise<number> => {
  await simulator.admin.reset();
  await work();
  return (await simulator.admin.calls()).total;
};

/** A source that changes the switches before certain pages are requested. */
function turning(bench: MirrorBench, at: Readonly<Record<number, Record<string, string>>>): IndexSource {
  let pages = 0;
  return {
    ...bench.source,
    async page(query: PageQuery, options) {
      const positions = at[++pages];
      if (positions) await bench.simulator.admin.switches(positions);
      return bench.source.page(query, options);
    },
  };
}

t.jobs = 2;

for (const denial of ['denied', 'gone'])
  t.test(`an app whose v1.0 index is ${denial} is crawled and polled by v2.0, 100 rows a call`, async (t) => {
    const bench = await mirrorBench(t, { items: 1200, seed: 'v2', switch: [`index-v1=${denial}`] });
    const mirror = await crawled(bench);
    t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
    await bench.simulator.admin.change({ op: 'create', path: 'new.txt', content: 'new' });
    t.equal(await spent(bench, () => mirror.pollNow(never)), 1, 'a poll is one call');
    t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
    await mirror.close();
    const again = bench.openMirror();
    t.ok(again.view.crawlDone);
    t.equal(await spent(bench, () => again.pollNow(never)), 1, 'what answered is remembered');
  });

t.test('without the v1.0 index a project of few folders is crawled by a call for each of them', async (t) => {
  const bench = await mirrorBench(t, { items: 5000, shape: 'wide', seed: 'wide', switch: DENIED });
  const calls = await spent(bench, async () => {
    const mirror = await crawled(bench);
    t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
    await mirror.pollNow(never);
    t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
  });
  const folders = (await bench.simulator.admin.tree({ hash: false })).filter(({ type }) => type === 'folder').length;
  t.ok(calls <= 1.1 * folders + 5, `${calls} calls for ${folders} folders`);
});

async function turns(t: Test, positions: Readonly<Record<number, Record<string, string>>>): Promise<void> {
  const bench = await mirrorBench(t, { items: 4500, seed: 'turns', switch: ['per-page-most=1000'] });
  const source = turning(bench, positions);
  const mirror = await crawled(bench, source);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
  await mirror.pollNow(never);
  await mirror.sweepNow('background', never);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
}

const OFF = { 'index-v1': 'denied' };
const BACK = { 'index-v1': 'allowed', 'index-v2': 'absent' };

t.test('the v1.0 index may go in the middle of a crawl', (t) => turns(t, { 3: OFF }));
t.test('the v1.0 index may go and come back in the middle of a crawl', (t) => turns(t, { 2: OFF, 9: BACK }));

t.test('rows of one second that fill several pages are all met when the index changes between them', async (t) => {
  for (const positions of [{ 3: OFF }, { 2: OFF, 8: BACK }]) {
    const bench = await mirrorBench(t, { items: 60, seed: 'second', switch: ['per-page-most=1000'] });
    const { admin } = bench.simulator;
    await admin.change({ op: 'create', path: 's', type: 'folder' });
    await admin.change({ op: 'create', path: 's/file #.txt', count: 3000, content: 'x' });
    const mirror = await crawled(bench, turning(bench, positions));
    t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
  }
});

t.test('the v1.0 index may go in the middle of a sweep: nothing is taken for deleted', async (t) => {
  const bench = await mirrorBench(t, { items: 4500, seed: 'sweep', switch: ['per-page-most=1000'] });
  const mirror = await crawled(bench);
  await mirror.close();
  const source = turning(bench, { 3: OFF, 12: BACK });
  const again = bench.openMirror(source);
  await again.sweep.run({ class: 'background', signal: never });
  t.strictSame(mirrorLines(again), await serverLines(bench.simulator));
});

t.test('URLs of a folder are renewed by a listing where a page of the index has no more of them', async (t) => {
  const bench = await mirrorBench(t, { items: 4000, shape: 'wide', seed: 'urls', switch: DENIED });
  const mirror = await crawled(bench);
  const files: Item[] = [];
  const walk = (folder: RemoteId): void => {
    for (const child of mirror.view.children(folder, 0, 10_000)) {
      if (child.isFile) files.push(child);
      else walk(child.remoteId);
    }
  };
  walk(mirror.view.item(ROOT_INODE)!.remoteId);
  const folders = new Set(files.map(({ parentId }) => parentId)).size;
  const stale = files.map((item) => mirror.urls.known(item));
  await bench.simulator.admin.expire();
  const calls = await spent(bench, async () => {
    for (const [n, item] of files.entries()) {
      const known = mirror.view.url(item.inode);
      if (known && known.fetchedAt > (stale[n]?.fetchedAt ?? 0)) continue;
      await mirror.urls.renew(item, stale[n], 'interactive', never);
    }
  });
  t.ok(calls <= folders + 10, `${calls} calls for ${files.length} files in ${folders} folders`);
});

t.test('what was found of the indexes decides the first call of the next session', async (t) => {
  const bench = await mirrorBench(t, { items: 300, seed: 'facts', switch: DENIED });
  const { session, folder } = bench;
  await crawled(bench);
  const facts = new ClientFacts(folder, session.connection);
  t.equal(facts.get('index-v1'), 'denied', 'a session keeps what it found');
  for (const [answer, route] of [
    ['denied', 'GET /rest/v2.0/companies/:id/projects/:id/documents'],
    ['allowed', 'GET /rest/v1.0/projects/:id/documents'],
  ] as const) {
    facts.keep({ 'index-v1': answer });
    const next = new Session(session.connection, { stateFolder: folder, secrets: bench.secrets, log: silentLog });
    await bench.simulator.admin.reset();
    await next.client.indexPage(bench.project, { page: 1, perPage: 10 }, { class: 'interactive' });
    const [first] = Object.keys((await bench.simulator.admin.calls()).byRoute).filter((one) =>
      one.includes('documents'),
    );
    t.equal(first, route);
    await next.close();
  }
});

t.test('a poll meets all rows of one second when the v1.0 index comes back in the middle of it', async (t) => {
  const bench = await mirrorBench(t, { items: 60, seed: 'second', switch: DENIED });
  const { admin } = bench.simulator;
  await (await crawled(bench)).close();
  const mirror = bench.openMirror(turning(bench, { 2: BACK }));
  await admin.change({ op: 'create', path: 's', type: 'folder' });
  await admin.change({ op: 'create', path: 's/file #.txt', count: 3000, content: 'x' });
  // No later poll covers the same second once more.
  await sleep(7000);
  await mirror.pollNow(never);
  t.strictSame(mirrorLines(mirror), await serverLines(bench.simulator));
});

t.test('a folder that may not be read, or cannot be, does not keep the others from being listed', async (t) => {
  for (const [code, ends] of [
    ['tool-not-permitted', true],
    ['server-error', false],
  ] as const) {
    const bench = await mirrorBench(t, { items: 5000, shape: 'wide', seed: 'wide', switch: DENIED });
    let bad: RemoteId | undefined;
    const source: IndexSource = {
      ...bench.source,
      folder(id, options) {
        bad ??= id;
        if (id !== undefined && id === bad) throw new Failure(code, { project: 1, host: 'x', call: 'GET folder' });
        return bench.source.folder(id, options);
      },
    };
    const mirror = bench.openMirror(source);
    await mirror.open();
    const run = new Crawl(mirror.store, source, silentLog).run(never);
    if (ends) await t.resolves(run);
    else await t.rejects(run, { code });
    t.equal(mirror.view.crawlDone, ends);
    t.equal(mirror.view.isListed(bad!), false);
    t.ok(mirrorLines(mirror).length > (await serverLines(bench.simulator)).length - 1500, 'the others are known');
  }
});

t.test('which index is called: trials, refusals of both, and other errors', async (t) => {
  let now = 0;
  const clock = { ...systemClock, monotonic: () => now };
  const changes: number[] = [];
  const calls = new IndexCalls(1, (form) => changes.push(form), silentLog, clock);
  const project = asProjectId(1);
  const asked: number[] = [];
  const failing = (codes: Readonly<Record<number, number>>) => (form: IndexForm) => {
    asked.push(form);
    const status = codes[form];
    if (status === undefined) return Promise.resolve(form);
    return Promise.reject(new Failure(status === 500 ? 'server-error' : 'gone', {}, new ReplyError(status, {}, {})));
  };
  const make = async (codes: Readonly<Record<number, number>>): Promise<readonly number[]> => {
    asked.length = 0;
    await calls.make(project, failing(codes)).catch(() => undefined);
    return [...asked];
  };
  t.strictSame(await make({ 1: 500 }), [1], 'an error is no refusal');
  t.strictSame(await make({ 1: 410 }), [1, 2]);
  t.strictSame(await make({ 1: 410 }), [2]);
  now += 7 * 3_600_000;
  t.strictSame(await make({ 1: 500 }), [1, 2], 'a trial that fails, however, costs one call');
  t.strictSame(await make({ 1: 500 }), [2]);
  t.strictSame(await make({ 1: 410, 2: 403 }), [2, 1]);
  t.strictSame(await make({ 1: 410, 2: 403 }), [2], 'a project that is denied both is not asked twice each time');
  now += 7 * 3_600_000;
  t.strictSame(await make({}), [1]);
  t.strictSame(changes, [2, 1]);
});
