import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { asInode, type RemoteId, ROOT_INODE, type VersionId } from '#src/base/ids.js';
import { silentLog } from '#src/base/log.js';
import { openDatabase } from '#src/database/open.js';
import { made } from '#src/outbox/intents/changes.js';
import type { Intent } from '#src/outbox/intents/intent.js';
import { outboxOptions } from '#src/outbox/intents/schema.js';
import { DeleteGuard } from '#src/outbox/scheduler/delete-guard.js';
import { DeleteGuardRecord } from '#src/outbox/scheduler/delete-guard-record.js';
import { discard } from '#src/outbox/uploads-view.js';
import { until } from '../support/processes.js';
import { Files, type OpenProject, openProject, polled } from '../support/project.js';
import fc from '../support/properties.js';

const LIMIT = 6;
const TEN_MINUTES = 600_000;

type Kind = 'deletion' | 'version' | 'new' | 'folder' | 'released';

/** A change of some kind; the delete guard looks at nothing else of it. */
function change(inode: number, kind: Kind): Intent {
  const fresh = made(asInode(inode), ROOT_INODE, 'name', kind === 'folder', 0, 'who');
  if (kind === 'new') return fresh;
  const base = { ...fresh.base, version: (kind === 'folder' ? 0 : 1) as VersionId };
  const known = { ...fresh, remoteId: inode as RemoteId, base };
  if (kind === 'version') return known;
  return { ...known, deleted: true, content: { ...known.content, dirty: false }, released: kind === 'released' };
}

const takes = (kind: Kind | undefined): boolean => kind === 'deletion' || kind === 'version';

const kind = fc.constantFrom<Kind>('deletion', 'version', 'new', 'folder', 'released');
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('look' as const), inode: fc.integer({ min: 1, max: 8 }), kind }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('none' as const), inode: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('sent' as const), kinds: fc.array(kind, { maxLength: 4 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('time' as const), ms: fc.integer({ max: TEN_MINUTES, min: 1 }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('start' as const) }) },
);

t.test(
  'what was taken away in ten minutes counts with what waits, also after a new start; once on it stays on',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'procorefs-test-guard-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    let runs = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        const database = openDatabase(join(folder, `${runs++}.db`), outboxOptions);
        database.pragma('synchronous = OFF');
        let guard = new DeleteGuard(LIMIT, new DeleteGuardRecord(database, silentLog));
        const waiting = new Map<number, Kind>();
        const sent: { at: number; count: number }[] = [];
        let isOn = false;
        let now = 1_000_000_000;
        for (const one of steps) {
          // No two things happen in one millisecond.
          now++;
          if (one.op === 'look') {
            waiting.set(one.inode, one.kind);
            guard.lookAt(asInode(one.inode), change(one.inode, one.kind));
          } else if (one.op === 'none') {
            waiting.delete(one.inode);
            guard.lookAt(asInode(one.inode), undefined);
          } else if (one.op === 'sent') {
            sent.push({ at: now, count: one.kinds.filter(takes).length });
            guard.passed(
              one.kinds.map((sort, n) => change(100 + n, sort)),
              now,
            );
          } else if (one.op === 'time') now += one.ms;
          else {
            guard = new DeleteGuard(LIMIT, new DeleteGuardRecord(database, silentLog));
            for (const [inode, sort] of waiting) guard.lookAt(asInode(inode), change(inode, sort));
          }
          const held = [...waiting.values()].filter(takes).length;
          const before = sent.reduce((sum, { at, count }) => (at >= now - TEN_MINUTES ? sum + count : sum), 0);
          isOn = held > 0 && (isOn || held + before >= LIMIT);
          if (guard.isOn(now) !== isOn) return false;
        }
        database.close();
        return true;
      }),
      { seed: 20261130, numRuns: 50 },
    );
    t.pass(`${runs} runs`);
  },
);

/** A project with files that others made, of which a few at once may be deleted. */
async function full(t: Test, paths: readonly string[]): Promise<OpenProject & { readonly files: Files }> {
  const open = await openProject(t, {}, { holdAfter: LIMIT });
  for (const path of paths)
    await open.simulator.admin.change(
      path.endsWith('/')
        ? { op: 'create', path: path.slice(0, -1), type: 'folder' }
        : { op: 'create', path, content: path },
    );
  await until(() => open.project.mirror.view.crawlDone);
  await polled(open.project);
  return { ...open, files: new Files(open.fileSystem) };
}

const ten = Array.from({ length: 10 }, (_, n) => `${n}.txt`);
const atServer = async (open: OpenProject): Promise<string[]> =>
  (await open.simulator.admin.tree({ hash: false }))
    .map(({ path }) => path)
    .filter((path) => path !== 'Schedules')
    .sort();

t.test('what one command deletes is seen whole before the first of it goes', async (t) => {
  const open = await full(t, ten);
  const { outbox, scheduler, session } = open.project;
  const root = outbox.tree.item(ROOT_INODE)!;
  const items = ten.map((name) => outbox.tree.child(root, name)!);
  let calls = 0;
  const { writes } = session.session;
  const { deleteFile } = writes;
  writes.deleteFile = (...args) => {
    calls++;
    return deleteFile.apply(writes, args);
  };
  // Without a turn of the event loop in between.
  for (const item of items) outbox.unlink(item, 1000);
  const left = await scheduler.drain(AbortSignal.timeout(60_000));
  t.equal(left.length, 10);
  t.ok(scheduler.isGuardOn);
  t.equal(calls, 0);
  t.strictSame(await atServer(open), ten);
});

t.test('files of a folder that goes whole count one by one', async (t) => {
  const { files, ...open } = await full(t, [
    'folder/',
    ...ten.slice(0, 4).map((one) => `folder/${one}`),
    'a',
    'b',
    'c',
  ]);
  for (const one of ten.slice(0, 4)) await files.unlink(`folder/${one}`);
  await files.rmdir('folder');
  await open.drain();
  t.strictSame(await atServer(open), ['a', 'b', 'c']);
  await files.unlink('a');
  await open.drain();
  await files.unlink('b');
  t.equal((await open.project.scheduler.drain(AbortSignal.timeout(60_000))).length, 1);
  t.strictSame(await atServer(open), ['b', 'c'], 'the sixth is held');
});

t.test('a deletion that is held does not go because something new wants its place', async (t) => {
  const { files, ...open } = await full(t, ten);
  for (const one of ten) await files.unlink(one);
  await files.mkdir(ten[0]!);
  const left = await open.project.scheduler.drain(AbortSignal.timeout(60_000));
  t.equal(left.length, 11);
  t.strictSame(await atServer(open), ten);
});

t.test('when the last of what is held is discarded or released, what waited beside it goes by itself', async (t) => {
  const { files, ...open } = await full(t, [...ten, 'folder/']);
  const { outbox, scheduler } = open.project;
  for (const one of ten) await files.unlink(one);
  await files.rmdir('folder');
  await scheduler.drain(AbortSignal.timeout(60_000));
  t.strictSame(await atServer(open), [...ten, 'folder'].sort());
  const held = [...outbox.intents.all()].filter((one) => !one.folder).map(({ inode }) => inode);
  const folder = [...outbox.intents.all()].find((one) => one.folder)!.inode;
  discard(outbox, held.slice(1));
  outbox.events.emit('changed');
  await scheduler.drain(AbortSignal.timeout(60_000));
  t.ok(scheduler.isGuardOn, 'not while one is held');
  // A drain that ends has everything looked at anew.
  await new Promise((resolve) => setTimeout(resolve, 200));
  discard(outbox, held);
  outbox.events.emit('changed');
  await until(() => !scheduler.isGuardOn);
  t.ok(scheduler.isUnderWay(folder) || !outbox.intents.get(folder), 'it goes with the guard');
  await open.drain();
  t.strictSame(await atServer(open), ten);
});

t.test('a folder whose deletion is released takes along what was deleted in it', async (t) => {
  const { files, ...open } = await full(t, ['folder/', ...ten.map((one) => `folder/${one}`), 'file']);
  const { outbox, scheduler } = open.project;
  for (const one of ten) await files.unlink(`folder/${one}`);
  await files.rmdir('folder');
  t.equal((await scheduler.drain(AbortSignal.timeout(60_000))).length, 11);
  scheduler.release([...outbox.intents.all()].filter(({ folder }) => folder).map(({ inode }) => inode));
  await open.drain();
  t.strictSame(await atServer(open), ['file']);
  await files.unlink('file');
  await open.drain();
  t.strictSame(await atServer(open), [], 'what a person released does not count');
});

t.test('what was made here a short time ago, and nobody else touched, is neither held nor counted', async (t) => {
  const { files, ...open } = await full(t, ['theirs/', ...ten.map((one) => `theirs/${one}`)]);
  const { admin } = open.simulator;
  const { scheduler } = open.project;
  const theirs = ['theirs', ...ten.map((one) => `theirs/${one}`)].sort();
  const left = async (): Promise<number> => (await scheduler.drain(AbortSignal.timeout(60_000))).length;
  const make = async (folder: string): Promise<void> => {
    await files.mkdir(folder);
    for (const one of ten) await files.write(`${folder}/${one}`, one);
    await left();
  };
  const remove = async (folder: string): Promise<number> => {
    for (const one of await files.list(folder)) await files.unlink(`${folder}/${one}`);
    await files.rmdir(folder);
    return await left();
  };
  await make('ours');
  await polled(open.project);
  await files.write('ours/0.txt', 'a second version of ours');
  await open.drain();
  await files.rename('ours', 'renamed');
  await files.rename('renamed/9.txt', 'renamed/last.txt');
  await open.drain();
  await polled(open.project);
  t.equal(await remove('renamed'), 0);
  t.strictSame(await atServer(open), theirs);

  await files.mkdir('moved');
  for (const one of ten) await files.rename(`theirs/${one}`, `moved/${one}`);
  await open.drain();
  t.equal(await remove('moved'), 11, 'what was only moved here, and so the folder that was made for it');
  t.ok(scheduler.isGuardOn);

  await make('beside');
  t.ok((await atServer(open)).includes('beside/3.txt'));
  t.equal(await remove('beside'), 11, 'no more, although others are held');
  t.notOk((await atServer(open)).some((path) => path.startsWith('beside')));
  discard(
    open.project.outbox,
    [...open.project.outbox.intents.all()].map(({ inode }) => inode),
  );
  open.project.outbox.events.emit('changed');
  await until(() => !scheduler.isGuardOn);

  await make('shared');
  for (const one of ten.slice(0, 4)) await admin.change({ op: 'update', path: `shared/${one}`, content: 'theirs' });
  await admin.change({ op: 'rename', path: 'shared/5.txt', to: 'by them.txt' });
  await polled(open.project);
  t.equal(await remove('shared'), 11, 'five that others touched, and with them their folder');
});

t.test('what was made here long ago counts', async (t) => {
  const { files, ...open } = await full(t, []);
  for (const one of ten) await files.write(one, one);
  await open.drain();
  await open.simulator.admin.faults({ 'clock-skew': { seconds: 3700 } });
  const { files: later, ...again } = await open.reopen().then((one) => ({ ...one, files: new Files(one.fileSystem) }));
  await polled(again.project);
  for (const one of ten) await later.unlink(one);
  t.equal((await again.project.scheduler.drain(AbortSignal.timeout(60_000))).length, 10);
});
