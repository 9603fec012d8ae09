import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test as T } from 'tap';
import { systemClock } from '#src/base/clock.js';
import { asInode } from '#src/base/ids.js';
import { untouched } from '#src/outbox/intents/changes.js';
import { BASE_CONTENT, INTERRUPTED } from '#src/outbox/intents/intent.js';
import { giveUp } from '#src/project/discard.js';
import { SEQUENCE_UNIT } from '#src/vfs/nodes.js';
import { before, instead } from '../support/meanwhile.js';
import { olderCopy } from '../support/older-copy.js';
import { until } from '../support/processes.js';
import { Files, type OpenProject, openProject, polled } from '../support/project.js';

const LATER = { settle: 3_600_000, deleteDelay: 3_600_000 } as const;
const sum = (text: string): string => createHash('sha256').update(text).digest('hex');

async function opened(t: T): Promise<OpenProject> {
  const project = await openProject(t, {}, LATER);
  await until(() => project.project.mirror.view.crawlDone);
  await project.simulator.admin.switches({ 'upload-reuse': 'accepted' });
  return project;
}

/** Contents by path of what is at the server: of each version, the oldest first; a conflict is one whatever its time. */
async function atServer({ simulator }: OpenProject): Promise<Record<string, readonly string[]>> {
  const live = (await simulator.admin.history()).filter(({ path, deleted }) => path !== 'Schedules' && !deleted);
  return Object.fromEntries(
    live.map(({ path, history }) => [path.replace(/conflict .*\)/, 'conflict)'), history.toReversed()]),
  );
}

const wanted = (files: Readonly<Record<string, readonly string[]>>): Record<string, string[]> =>
  Object.fromEntries(Object.entries(files).map(([path, texts]) => [path, texts.map(sum)]));

/** As often as it takes, polls and sends what waits. */
async function settles(project: OpenProject, isDone: () => Promise<boolean>): Promise<void> {
  await until(async () => {
    await polled(project.project);
    await project.drain();
    return isDone();
  });
}

/** Tries everything once, with these faults. */
async function tryWith(
  project: OpenProject,
  faults: Parameters<OpenProject['simulator']['admin']['faults']>[0],
): Promise<void> {
  const { admin } = project.simulator;
  await admin.faults(faults);
  await project.tryAll();
  await admin.noFaults();
}

const giveAllUp = ({ project }: OpenProject): unknown =>
  giveUp(
    project,
    [...project.outbox.intents.all()].map(({ inode }) => inode),
  );

/** `a.txt` was brought back since somebody had saved it anew, and one call to delete it may be carried out yet. */
async function keptFromDeletion(t: T): Promise<OpenProject> {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await admin.change({ op: 'create', path: 'a.txt', content: 'seen' });
  await polled(project.project);
  await files.unlink('a.txt');
  await admin.faults({ late: { route: 'DELETE /rest/v1.0/f', count: 1 } });
  const { writes } = project.project.session.session;
  void before(writes, 'deleteFile', () => admin.change({ op: 'update', path: 'a.txt', content: 'newer' }));
  await project.drain();
  return project;
}

t.jobs = 3;

t.test('a version that comes late covers nothing that was saved since, by whomever', async (t) => {
  let project = await opened(t);
  const { admin } = project.simulator;
  let files = new Files(project.fileSystem);
  const names = ['again', 'here', 'moved', 'there'];
  for (const name of names) await files.write(`${name}.txt`, `${name} 1`);
  await project.drain();
  for (const name of names) await files.write(`${name}.txt`, `${name} 2`);
  await tryWith(project, { late: { route: 'POST /rest/v1.0/file_versions' } });
  await files.write('here.txt', 'here 3, ours');
  await files.write('moved.txt', 'moved 3, ours');
  await admin.change({ op: 'update', path: 'there.txt', content: 'there 3, theirs' });
  await project.drain();
  await files.rename('moved.txt', 'elsewhere.txt');
  t.ok((await admin.finishLate()).includes(201));
  project = await project.reopen();
  files = new Files(project.fileSystem);
  const server = wanted({
    'again.txt': ['again 1', 'again 2', 'again 2'],
    'elsewhere.txt': ['moved 1', 'moved 3, ours', 'moved 2', 'moved 3, ours'],
    'here.txt': ['here 1', 'here 3, ours', 'here 2', 'here 3, ours'],
    'there (conflict).txt': ['there 2'],
    'there.txt': ['there 1', 'there 3, theirs', 'there 2', 'there 3, theirs'],
  });
  await settles(project, async () => {
    const { 'there.txt': there, 'here.txt': here, 'elsewhere.txt': elsewhere } = await atServer(project);
    return [there, here, elsewhere].every((history) => history!.length === 4);
  });
  t.strictSame(await atServer(project), server);
  t.equal(String(await files.read('here.txt')), 'here 3, ours');
});

t.test('a version that comes late while its file is moved here covers nothing', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('a.txt', '1');
  await project.drain();
  await files.write('a.txt', '2, ours');
  await tryWith(project, { late: { route: 'POST /rest/v1.0/file_versions' } });
  await admin.change({ op: 'update', path: 'a.txt', content: '3, theirs' });
  await project.drain();
  t.ok((await admin.finishLate()).includes(201));
  await files.rename('a.txt', 'b.txt');
  // The reply to the move is what tells of it first.
  await project.drain();
  for (let n = 0; n < 20 && (await atServer(project))['b.txt']?.length !== 4; n++) {
    await polled(project.project);
    await sleep(100);
    await project.drain();
  }
  t.strictSame(
    await atServer(project),
    wanted({ 'a (conflict).txt': ['2, ours'], 'b.txt': ['1', '3, theirs', '2, ours', '3, theirs'] }),
  );
});

t.test('what somebody saved below a late version that one goes on from is kept beside it', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('a.txt', '1');
  await project.drain();
  await files.write('a.txt', 'two');
  await tryWith(project, { late: { route: 'POST /rest/v1.0/file_versions' } });
  await files.write('a.txt', 'four, ours');
  await admin.change({ op: 'update', path: 'a.txt', content: 'three, theirs' });
  t.ok((await admin.finishLate()).includes(201));
  await project.drain();
  t.strictSame(
    await atServer(project),
    wanted({ 'a (conflict).txt': ['three, theirs'], 'a.txt': ['1', 'three, theirs', 'two', 'four, ours'] }),
  );
});

t.test(
  'a deletion that comes late takes nothing that was not seen, also after somebody else deleted it in between',
  async (t) => {
    const project = await keptFromDeletion(t);
    const { admin } = project.simulator;
    await admin.change({ op: 'delete', path: 'a.txt' });
    await settles(project, async () => 'a.txt' in (await atServer(project)));
    await polled(project.project);
    await admin.change({ op: 'update', path: 'a.txt', content: 'newest' });
    t.ok((await admin.finishLate()).includes(200));
    t.strictSame(await atServer(project), {});
    await settles(project, async () => 'a.txt' in (await atServer(project)));
    t.strictSame(await atServer(project), wanted({ 'a.txt': ['seen', 'newer', 'newest'] }));
  },
);

t.test('who deletes what an earlier call was to bring does not find it there again', async (t) => {
  for (const isCovering of [false, true]) {
    const project = await opened(t);
    const { admin } = project.simulator;
    const files = new Files(project.fileSystem);
    await files.write('a.txt', 'one');
    await project.drain();
    await files.write('a.txt', 'three, ours');
    await tryWith(project, { late: { route: 'POST /rest/v1.0/file_versions' } });
    await files.unlink('a.txt');
    if (isCovering) await admin.change({ op: 'update', path: 'a.txt', content: 'two, theirs' });
    t.ok((await admin.finishLate()).includes(201));
    await polled(project.project);
    t.notOk(await files.exists('a.txt'), 'it does not show again');
    await project.drain();
    t.strictSame(await atServer(project), wanted(isCovering ? { 'a (conflict).txt': ['two, theirs'] } : {}));
  }
});

t.test('a deletion that comes late, after it was given up, takes nothing that was not seen', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  for (const path of ['a.txt', 'd/a.txt', 'e/a.txt'])
    await admin.change({ op: 'create', path, parents: true, content: 'seen' });
  await polled(project.project);
  for (const path of ['a.txt', 'd/a.txt', 'e/a.txt']) await files.unlink(path);
  for (const path of ['d', 'e']) await files.rmdir(path);
  await tryWith(project, { late: { route: 'DELETE /rest/v1.0/f' } });
  await admin.change({ op: 'update', path: 'a.txt', content: 'newer' });
  await admin.change({ op: 'create', path: 'd/new.txt', content: 'new' });
  await project.drain();
  const server = wanted({ 'a.txt': ['seen', 'newer'], d: [], 'd/new.txt': ['new'] });
  t.strictSame(await atServer(project), server);
  t.ok((await admin.finishLate()).includes(200));
  t.strictSame(await atServer(project), {});
  // For two minutes an index may lag behind what was looked at.
  await admin.faults({ 'clock-skew': { seconds: 300 } });
  await settles(project, async () => Object.keys(await atServer(project)).length >= 3 && (await files.exists('a.txt')));
  t.strictSame(await atServer(project), server);
  t.equal(String(await files.read('a.txt')), 'newer');
});

t.test('a deletion that comes late, after a person gave it up, takes nothing', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  for (const path of ['a.txt', 'd/a.txt']) await admin.change({ op: 'create', path, parents: true, content: 'seen' });
  await polled(project.project);
  for (const path of ['a.txt', 'd/a.txt']) await files.unlink(path);
  await files.rmdir('d');
  await tryWith(project, { late: { route: 'DELETE /rest/v1.0/f' } });
  giveAllUp(project);
  t.equal(String(await files.read('a.txt')), 'seen');
  const server = await atServer(project);
  t.ok((await admin.finishLate()).includes(200));
  t.strictSame(await atServer(project), {});
  await settles(project, async () => Object.keys(await atServer(project)).length >= 3);
  t.strictSame(await atServer(project), server);
});

t.test('the same where it was brought back already', async (t) => {
  const project = await keptFromDeletion(t);
  const { admin } = project.simulator;
  t.ok((await admin.finishLate()).includes(200));
  t.strictSame(await atServer(project), {});
  await settles(project, async () => 'a.txt' in (await atServer(project)));
  t.strictSame(await atServer(project), wanted({ 'a.txt': ['seen', 'newer'] }));
});

t.test('the same where a folder was brought back already, and something was made in it since', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await admin.change({ op: 'create', path: 'd/a.txt', parents: true, content: 'seen' });
  await polled(project.project);
  await files.unlink('d/a.txt');
  await files.rmdir('d');
  await admin.faults({ late: { route: 'DELETE /rest/v1.0/f', count: 1 } });
  const { writes } = project.project.session.session;
  void before(writes, 'deleteFolder', () => admin.change({ op: 'create', path: 'd/theirs.txt', content: 'theirs' }));
  await project.drain();
  t.strictSame(await files.list('d'), ['theirs.txt']);
  await files.write('d/ours.txt', 'ours');
  await project.drain();
  t.ok((await admin.finishLate()).includes(200));
  t.strictSame(await atServer(project), {});
  await settles(project, async () => 'd' in (await atServer(project)));
  t.strictSame(await atServer(project), wanted({ d: [], 'd/theirs.txt': ['theirs'], 'd/ours.txt': ['ours'] }));
  await polled(project.project);
  t.strictSame((await files.list('d')).toSorted(), ['ours.txt', 'theirs.txt']);
});

t.test('what comes late while this machine sleeps is looked at when it wakes', async (t) => {
  let asleep = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + asleep };
  const project = await openProject(t, {}, { settle: 3_600_000, deleteDelay: 3_600_000, clock });
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await until(() => project.project.mirror.view.crawlDone);
  await admin.change({ op: 'create', path: 'a.txt', content: 'seen' });
  await polled(project.project);
  await files.unlink('a.txt');
  await tryWith(project, { late: { route: 'DELETE /rest/v1.0/f' } });
  giveAllUp(project);
  asleep = 3 * 3_600_000;
  t.ok((await admin.finishLate()).includes(200));
  await settles(project, async () => 'a.txt' in (await atServer(project)));
  t.strictSame(await atServer(project), wanted({ 'a.txt': ['seen'] }));
});

t.test('what a late version has covered is kept, also where somebody saved over that one', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('a.txt', 'one');
  await project.drain();
  await files.write('a.txt', 'three, ours');
  await tryWith(project, { late: { route: 'POST /rest/v1.0/file_versions' } });
  giveAllUp(project);
  await admin.change({ op: 'update', path: 'a.txt', content: 'two, theirs' });
  t.ok((await admin.finishLate()).includes(201));
  await admin.change({ op: 'update', path: 'a.txt', content: 'four, made from three' });
  const server = {
    'a (conflict).txt': ['two, theirs'],
    'a.txt': ['one', 'two, theirs', 'three, ours', 'four, made from three'],
  };
  await settles(project, async () => Object.keys(await atServer(project)).length >= 2);
  t.strictSame(await atServer(project), wanted(server));
});

t.test(
  'what one of two calls with the same content has covered is kept once, and what the other covers too',
  async (t) => {
    const project = await opened(t);
    const { admin } = project.simulator;
    const files = new Files(project.fileSystem);
    await files.write('a.txt', 'one');
    await project.drain();
    await files.write('a.txt', 'ours');
    await tryWith(project, { late: { route: 'POST /rest/v1.0/file_versions' } });
    await tryWith(project, { 'reset-before': { route: 'POST /rest/v1.0/file_versions' } });
    giveAllUp(project);
    const { late } = project.project.outbox;
    t.equal(late.size, 2);
    await admin.change({ op: 'update', path: 'a.txt', content: 'two, theirs' });
    t.ok((await admin.finishLate()).includes(201));
    await admin.change({ op: 'update', path: 'a.txt', content: 'four, made from ours' });
    await settles(project, async () => Object.keys(await atServer(project)).length >= 2);
    for (const content of ['five', 'six']) {
      await admin.change({ op: 'update', path: 'a.txt', content });
      await settles(project, () => Promise.resolve(project.project.outbox.intents.size === 0));
    }
    const copies = (await admin.history()).filter(({ path, deleted }) => path.includes('(conflict ') && !deleted);
    t.strictSame(
      copies.map(({ history }) => history),
      [[sum('two, theirs')]],
    );
    t.match(late.all(), [{ baseNumber: 3 }], 'the other call may be carried out yet');
  },
);

t.test('the same while what is here of the file waits for a person', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('a.txt', 'one');
  await project.drain();
  await files.write('a.txt', 'three, ours');
  await tryWith(project, { late: { route: 'POST /rest/v1.0/file_versions' } });
  giveAllUp(project);
  const { outbox } = project.project;
  const item = outbox.tree.item(asInode((await files.entry('a.txt')).node % SEQUENCE_UNIT))!;
  const held = { content: { ...BASE_CONTENT, dirty: true, staged: true, flushed: false }, reason: INTERRUPTED };
  outbox.intents.put({ ...untouched(item, outbox.clock.now(), 'alice'), ...held });
  await admin.change({ op: 'update', path: 'a.txt', content: 'two, theirs' });
  t.ok((await admin.finishLate()).includes(201));
  await admin.change({ op: 'update', path: 'a.txt', content: 'four, made from three' });
  const beside = () => [...outbox.intents.all()].find(({ here }) => here.name.includes('(conflict '));
  for (let tries = 0; tries < 50 && !beside(); tries++) {
    await polled(project.project);
    await sleep(50);
  }
  const name = beside()?.here.name;
  t.equal(name && String(await files.read(name)), 'two, theirs');
  t.match(outbox.intents.get(item.inode), held, 'it goes on waiting');
});

t.test('what our version covered is kept beside also where its file was deleted before one had looked', async (t) => {
  for (const isCovered of [false, true]) {
    const project = await opened(t);
    const { admin } = project.simulator;
    const files = new Files(project.fileSystem);
    await files.write('a.txt', 'one');
    await project.drain();
    await files.write('a.txt', 'three, ours');
    const { writes } = project.project.session.session;
    void before(writes, 'createVersion', () => admin.change({ op: 'update', path: 'a.txt', content: 'two, theirs' }));
    await tryWith(project, {
      'reset-after': { route: 'POST /rest/v1.0/file_versions' },
      408: { route: 'GET /rest/v1.0/files', after: 1 },
    });
    await files.unlink('a.txt');
    if (isCovered) await admin.change({ op: 'update', path: 'a.txt', content: 'four, made from three' });
    await settles(project, () => Promise.resolve(project.project.outbox.intents.size === 0));
    const versions = ['one', 'two, theirs', 'three, ours', 'four, made from three'];
    t.strictSame(
      await atServer(project),
      wanted({ 'a (conflict).txt': ['two, theirs'], ...(isCovered ? { 'a.txt': versions } : {}) }),
    );
  }
});

t.test('the same where somebody else deleted the file before one had looked', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('a.txt', 'seen');
  await project.drain();
  await files.write('a.txt', 'ours');
  const { writes } = project.project.session.session;
  const saved = before(writes, 'createVersion', () => admin.change({ op: 'update', path: 'a.txt', content: 'theirs' }));
  await tryWith(project, {
    'reset-after': { route: 'POST /rest/v1.0/file_versions', count: 1 },
    408: { route: 'GET /rest/v1.0/files', after: 1 },
  });
  await saved;
  t.strictSame(await atServer(project), wanted({ 'a.txt': ['seen', 'theirs', 'ours'] }));
  await admin.change({ op: 'delete', path: 'a.txt' });
  await project.drain();
  t.strictSame(await atServer(project), wanted({ 'a.txt': ['ours'], 'a (conflict).txt': ['theirs'] }));
});

t.test('what was made when it was sent again stays, also after a restart', async (t) => {
  let project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('saved.txt', '1');
  await project.drain();
  await admin.faults({ late: { route: 'POST /rest/v1.0/file' } });
  await files.write('new.txt', 'new');
  await files.write('saved.txt', '2');
  await project.tryAll();
  await admin.noFaults();
  await project.drain();
  const server = wanted({ 'new.txt': ['new'], 'saved.txt': ['1', '2'] });
  t.strictSame(await atServer(project), server);
  project = await project.reopen();
  // By then whatever is taken for late has been looked at, and goes with the drain.
  for (const path of ['new.txt', 'saved.txt']) await admin.change({ op: 'checkout', path });
  await polled(project.project);
  await admin.change({ op: 'checkout', path: 'new.txt', by: null });
  await admin.change({ op: 'checkout', path: 'saved.txt', by: null });
  await polled(project.project);
  await sleep(500);
  await project.drain();
  t.strictSame(await atServer(project), server);
});

t.test('what was sent again is not what an earlier call at it made late', async (t) => {
  let project = await opened(t);
  const files = new Files(project.fileSystem);
  await files.write('version.txt', 'one');
  await project.drain();
  await files.write('version.txt', 'two');
  await files.write('new.txt', 'new');
  await tryWith(project, { '500-html': { route: 'POST /rest/v1.0/file' } });
  await project.drain();
  t.equal(project.project.outbox.late.size, 2, 'the earlier calls may be carried out yet');
  const server = wanted({ 'new.txt': ['new'], 'version.txt': ['one', 'two'] });
  t.strictSame(await atServer(project), server);
  project = await project.reopen();
  // Nothing says when one has looked at all of it.
  for (let n = 0; n < 5; n++) {
    await polled(project.project);
    await sleep(200);
    await project.drain();
  }
  t.strictSame(await atServer(project), server);
});

t.test('what was made when it was sent again is not gone on from by who has not seen it', async (t) => {
  let project = await opened(t);
  const { admin } = project.simulator;
  for (const path of ['new.txt', 'version.txt']) await admin.change({ op: 'create', path, content: 'seen' });
  await polled(project.project);
  const older = olderCopy(t, project.folder, 'mirror.db');
  project = await project.reopen(LATER, older.take);
  // The file is deleted there, and made again under its name.
  await admin.change({ op: 'delete', path: 'new.txt' });
  let files = new Files(project.fileSystem);
  for (const path of ['new.txt', 'version.txt']) await files.write(path, 'ours');
  await tryWith(project, { '500-html': { route: 'POST /rest/v1.0/file' } });
  await project.drain();
  t.strictSame(await atServer(project), wanted({ 'new.txt': ['ours'], 'version.txt': ['seen', 'ours'] }));
  // As after a power cut: what shows is what was there before.
  project = await project.reopen(LATER, older.putBack);
  files = new Files(project.fileSystem);
  for (const path of ['new.txt', 'version.txt']) await files.write(path, 'saved over it');
  await project.drain();
  t.strictSame(
    await atServer(project),
    wanted({
      'new.txt': ['ours'],
      'new (conflict).txt': ['saved over it'],
      'version.txt': ['seen', 'ours'],
      'version (conflict).txt': ['saved over it'],
    }),
  );
});

t.test('what a person gives up while its outcome is not known makes and covers nothing', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('version.txt', 'one');
  await project.drain();
  await files.write('version.txt', 'ours');
  await files.write('new.txt', 'new');
  await tryWith(project, {
    late: { route: 'POST /rest/v1.0/file' },
    'malformed-json': { route: 'GET /rest/v1.0/folders' },
    408: { route: 'GET /rest/v1.0/files', after: 1 },
  });
  giveAllUp(project);
  await admin.change({ op: 'update', path: 'version.txt', content: 'theirs' });
  t.strictSame(await admin.finishLate(), [201, 201]);
  await settles(project, async () => {
    const { 'new.txt': made, 'version.txt': versions } = await atServer(project);
    return made === undefined && versions?.length === 4;
  });
  t.strictSame(await atServer(project), wanted({ 'version.txt': ['one', 'theirs', 'ours', 'theirs'] }));
});

t.test('a deletion that a person gives up after the process ended in the middle of it takes nothing', async (t) => {
  let project = await opened(t);
  const { admin } = project.simulator;
  await admin.change({ op: 'create', path: 'a.txt', content: 'seen' });
  await polled(project.project);
  await new Files(project.fileSystem).unlink('a.txt');
  await admin.faults({ slow: { route: 'DELETE /rest/v1.0/f', ms: 1500, on: ['api'] } });
  const end = new AbortController();
  const draining = project.project.scheduler.drain(end.signal).catch(() => undefined);
  await until(() =>
    [...project.project.outbox.intents.all()].some(({ attempt }) => attempt.goal?.removal !== undefined),
  );
  end.abort();
  project = await project.reopen();
  await draining;
  giveAllUp(project);
  t.equal(String(await new Files(project.fileSystem).read('a.txt')), 'seen');
  await until(async () => !('a.txt' in (await atServer(project))));
  await settles(project, async () => 'a.txt' in (await atServer(project)));
  t.strictSame(await atServer(project), wanted({ 'a.txt': ['seen'] }));
});

t.test('what a version without a reply has covered is kept, also where it is covered itself', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('a.txt', 'one');
  await project.drain();
  await files.write('a.txt', 'three, ours');
  const { writes } = project.project.session.session;
  void before(writes, 'createVersion', async () => {
    await admin.change({ op: 'update', path: 'a.txt', content: 'two, theirs' });
    await admin.faults({
      'reset-after': { route: 'POST /rest/v1.0/file_versions' },
      408: { route: 'GET /rest/v1.0/files' },
    });
  });
  await project.tryAll();
  await admin.change({ op: 'update', path: 'a.txt', content: 'four, made from three' });
  await admin.noFaults();
  const server = {
    'a (conflict).txt': ['two, theirs'],
    'a.txt': ['one', 'two, theirs', 'three, ours', 'four, made from three'],
  };
  await settles(project, () => Promise.resolve(project.project.outbox.intents.size === 0));
  t.strictSame(await atServer(project), wanted(server));
});

t.test('what was made when it was sent again stays, also where the daemon died before it was noted', async (t) => {
  let project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await admin.faults({ late: { route: 'POST /rest/v1.0/files' } });
  await files.write('new.txt', 'new');
  await project.tryAll();
  await admin.noFaults();
  const { mirror, outbox } = project.project;
  const older = olderCopy(t, project.folder, 'outbox.db');
  // As a kill leaves it once the mirror has the reply.
  void instead(mirror.store, 'confirm', async (confirm) => {
    const confirmed = await confirm();
    older.take();
    return confirmed;
  });
  await project.drain();
  t.equal(outbox.intents.size, 0);
  project = await project.reopen({}, older.putBack);
  await polled(project.project);
  await project.drain();
  t.strictSame(await atServer(project), wanted({ 'new.txt': ['new'] }));
});

t.test('what was made stays where an older outbox has neither its bytes nor its outcome', async (t) => {
  let project = await opened(t);
  const { admin } = project.simulator;
  await admin.faults({ late: { route: 'POST /rest/v1.0/files', count: 2 } });
  await new Files(project.fileSystem).write('new.txt', 'new');
  // What has failed counts as tried until its next attempt begins.
  for (let tries = 0; tries < 100 && project.project.outbox.late.all().length < 2; tries++) {
    await project.tryAll();
    await sleep(50);
  }
  t.equal(project.project.outbox.late.all().length, 2, 'both calls may be carried out yet');
  const older = olderCopy(t, project.folder, 'outbox.db');
  older.take();
  await admin.noFaults();
  await project.drain();
  t.strictSame(await atServer(project), wanted({ 'new.txt': ['new'] }));
  project = await project.reopen({}, older.putBack);
  for (let n = 0; n < 3; n++) {
    await polled(project.project);
    await project.drain();
  }
  t.strictSame(await atServer(project), wanted({ 'new.txt': ['new'] }));
});
