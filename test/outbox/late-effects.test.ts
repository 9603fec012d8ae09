import { createHash } from 'node:crypto';
import t, { type Test as T } from 'tap';
import { systemClock } from '#src/base/clock.js';
import { uploadLines } from '#src/outbox/uploads-view.js';
import { giveUp } from '#src/project/discard.js';
import { before } from '../support/meanwhile.js';
import { olderCopy } from '../support/older-copy.js';
import { until } from '../support/processes.js';
import { Files, type OpenProject, openProject, polled } from '../support/project.js';

const LATER = { settle: 3_600_000, deleteDelay: 3_600_000 } as const;
const sum = (text: string): string => createHash('sha256').update(text).digest('hex');

async function opened(t: T, clock = systemClock): Promise<OpenProject> {
  const project = await openProject(t, {}, { ...LATER, clock });
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

t.jobs = 3;

/** What `uploads` tells of late effects: path, what, why. */
const told = ({ project }: OpenProject): readonly (readonly [string, string, string])[] =>
  uploadLines(project.outbox, project.scheduler, new Map())
    .filter(({ state }) => state === 'late')
    .map(({ path, what, reason }) => [path, what, reason!] as const)
    .sort();

/** Everything that waits at the server is done, and seen here. @param skew seconds by which its clock is ahead by then */
async function comesLate(project: OpenProject, skew = 300): Promise<void> {
  const { admin } = project.simulator;
  // For two minutes an index may lag behind what was looked at.
  await admin.faults({ 'clock-skew': { seconds: skew } });
  const done = await admin.finishLate();
  if (!done.some((status) => status === 200 || status === 201)) throw new Error('nothing came late');
  await polled(project.project);
  await admin.noFaults();
}

const DELETED_LATE = 'a deletion without an answer was carried out late: procorefs restore brings it back';
const MADE_LATE = 'a call without an answer may have made it late: compare before you remove it';
const saved = (which: string): string =>
  `a call without an answer may have saved ${which} late: compare those in .procore/versions`;

t.test('versions that come late are told with what they may have covered, and stay', async (t) => {
  let project = await opened(t);
  const { admin } = project.simulator;
  let files = new Files(project.fileSystem);
  const names = ['gone-on', 'over-it', 'given-up', 'theirs', 'waits'];
  for (const name of names) await files.write(`${name}.txt`, `${name} 1`);
  await project.drain();
  for (const name of names) await files.write(`${name}.txt`, `${name} 2`);
  await tryWith(project, { late: { route: 'POST /rest/v1.0/file_versions' } });
  await files.write('gone-on.txt', 'gone-on 4, ours');
  await files.write('waits.txt', 'waits 5, ours');
  const { outbox } = project.project;
  const others = [...outbox.intents.all()].filter(({ here }) => !['gone-on.txt', 'waits.txt'].includes(here.name));
  giveUp(
    project.project,
    others.map(({ inode }) => inode),
  );
  for (const name of ['gone-on', 'over-it', 'theirs', 'waits'])
    await admin.change({ op: 'update', path: `${name}.txt`, content: `${name} between` });
  t.strictSame(told(project), []);
  t.ok((await admin.finishLate()).includes(201));
  await admin.change({ op: 'update', path: 'over-it.txt', content: 'over-it last' });
  // As long as what the late call sent: only the bytes tell that it is not its version.
  await admin.change({ op: 'update', path: 'waits.txt', content: 'waits 4' });
  await polled(project.project);
  t.notOk(told(project).some(([path]) => path === 'waits.txt'));
  await project.drain();
  const lines = [
    ['given-up.txt', 'new version', saved('version 2')],
    ['gone-on.txt', 'new version', saved('one of versions 2 to 3')],
    ['over-it.txt', 'new version', saved('one of versions 2 to 4')],
    ['theirs.txt', 'new version', saved('one of versions 2 to 3')],
    ['waits.txt', 'new version', saved('one of versions 2 to 4')],
  ];
  t.strictSame(told(project), lines);
  const server = wanted({
    'given-up.txt': ['given-up 1', 'given-up 2'],
    'gone-on.txt': ['gone-on 1', 'gone-on between', 'gone-on 2', 'gone-on 4, ours'],
    'over-it.txt': ['over-it 1', 'over-it between', 'over-it 2', 'over-it last'],
    'theirs.txt': ['theirs 1', 'theirs between', 'theirs 2'],
    'waits (conflict).txt': ['waits 5, ours'],
    'waits.txt': ['waits 1', 'waits between', 'waits 2', 'waits 4'],
  });
  t.strictSame(await atServer(project), server);
  project = await project.reopen();
  files = new Files(project.fileSystem);
  t.strictSame(told(project), lines, 'for a day, over restarts');
  t.equal(String(await files.read('theirs.txt')), 'theirs 2', 'the mount shows what the server has');
});

t.test('a file that comes late and that nobody waits for is told, also after a restart', async (t) => {
  let project = await opened(t);
  const files = new Files(project.fileSystem);
  for (const path of ['waited-for.txt', 'given-up.txt', 'deleted.txt']) await files.write(path, path);
  await tryWith(project, { late: { route: 'POST /rest/v1.0/files' } });
  await files.unlink('deleted.txt');
  const given = [...project.project.outbox.intents.all()].find(({ here }) => here.name === 'given-up.txt')!;
  giveUp(project.project, [given.inode]);
  await project.drain();
  t.strictSame(told(project), []);
  project = await project.reopen(LATER);
  await comesLate(project);
  const lines = [
    ['deleted.txt', 'new file', MADE_LATE],
    ['given-up.txt', 'new file', MADE_LATE],
  ];
  t.strictSame(told(project), lines);
  // A file that came while somebody waited for it, and whose change is given up then.
  const more = new Files(project.fileSystem);
  await more.write('came.txt', 'came');
  await tryWith(project, { late: { route: 'POST /rest/v1.0/files' } });
  await comesLate(project, 600);
  t.strictSame(told(project), lines, 'it is taken for what waits');
  giveUp(
    project.project,
    [...project.project.outbox.intents.all()].map(({ inode }) => inode),
  );
  t.strictSame(told(project), [['came.txt', 'new file', MADE_LATE], ...lines]);
  t.strictSame(
    await atServer(project),
    wanted({
      'came.txt': ['came'],
      'deleted.txt': ['deleted.txt'],
      'given-up.txt': ['given-up.txt'],
      'waited-for.txt': ['waited-for.txt'],
    }),
  );
});

t.test(
  'deletions that come late after they were given up are told, with how to bring back what they took',
  async (t) => {
    let asleep = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + asleep };
    const project = await opened(t, clock);
    const { admin } = project.simulator;
    const files = new Files(project.fileSystem);
    for (const path of ['newer.txt', 'given-up.txt', 'd/a.txt', 'gone.txt'])
      await admin.change({ op: 'create', path, parents: true, content: 'seen' });
    await polled(project.project);
    for (const path of ['newer.txt', 'given-up.txt', 'd/a.txt', 'gone.txt']) await files.unlink(path);
    await files.rmdir('d');
    await tryWith(project, { late: { route: 'DELETE /rest/v1.0/f' } });
    await admin.change({ op: 'update', path: 'newer.txt', content: 'newer' });
    await admin.change({ op: 'create', path: 'd/new.txt', content: 'new' });
    const given = [...project.project.outbox.intents.all()].find(({ base }) => base.name === 'given-up.txt')!;
    giveUp(project.project, [given.inode]);
    await project.drain();
    t.strictSame(told(project), []);
    const server = wanted({ 'newer.txt': ['seen', 'newer'], 'given-up.txt': ['seen'], d: [], 'd/new.txt': ['new'] });
    t.strictSame(await atServer(project), server);
    // What comes while this machine sleeps is told when it wakes.
    asleep = 3 * 3_600_000;
    await comesLate(project);
    t.strictSame(
      told(project).filter(([path]) => path !== 'd'),
      [
        ['given-up.txt', 'delete', DELETED_LATE],
        ['newer.txt', 'delete', DELETED_LATE],
      ],
    );
    t.ok(told(project).some(([path]) => path === 'd'));
    t.strictSame(await atServer(project), {});
  },
);

t.test('what was sent again is not told as late, also after a kill and a restart', async (t) => {
  let project = await opened(t);
  const files = new Files(project.fileSystem);
  await files.write('version.txt', 'one');
  await files.write('gone.txt', 'gone');
  await project.drain();
  await files.write('version.txt', 'two');
  await files.write('new.txt', 'new');
  await files.unlink('gone.txt');
  await tryWith(project, {
    '500-html': { route: 'POST /rest/v1.0/file' },
    'reset-after': { route: 'DELETE /rest/v1.0/files', count: 1 },
  });
  const { mirror, outbox } = project.project;
  const older = olderCopy(t, project.folder, 'outbox.db');
  // As a kill leaves it once the mirror has the reply.
  const confirm = mirror.store.confirm.bind(mirror.store);
  mirror.store.confirm = async (...words) => {
    const confirmed = await confirm(...words);
    if (words[0].name === 'new.txt') older.take();
    return confirmed;
  };
  await project.drain();
  t.equal(outbox.late.size, 2, 'the earlier calls may be carried out yet');
  const server = wanted({ 'new.txt': ['new'], 'version.txt': ['one', 'two'] });
  for (const putBack of [() => undefined, older.putBack]) {
    project = await project.reopen({}, putBack);
    for (const path of ['new.txt', 'version.txt'])
      for (const by of [undefined, null])
        await project.simulator.admin.change({ op: 'checkout', path, ...(by === null ? { by } : {}) });
    await polled(project.project);
    await project.drain();
    t.strictSame(told(project), []);
    t.strictSame(await atServer(project), server);
  }
});

t.test('what others save after a call was sent again is not told as late', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('version.txt', 'one');
  await project.drain();
  await files.write('version.txt', 'number two');
  await files.write('new.txt', 'ours');
  await tryWith(project, { '500-html': { route: 'POST /rest/v1.0/file' } });
  await admin.change({ op: 'create', path: 'new.txt', content: 'them' });
  await project.drain();
  for (const content of ['their third', 'their fourth one']) {
    await admin.change({ op: 'update', path: 'version.txt', content });
    await polled(project.project);
  }
  t.strictSame(told(project), []);
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
