import { createHash } from 'node:crypto';
import t from 'tap';
import { instead } from '../support/meanwhile.js';
import { until } from '../support/processes.js';
import { Files, type OpenProject, openProject } from '../support/project.js';

const sum = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What is at the server, with the content of each version, newest first. */
async function atServer(project: OpenProject): Promise<Record<string, readonly string[]>> {
  const all = await project.simulator.admin.history();
  const live = all.filter(({ path, deleted }) => path !== 'Schedules' && !deleted);
  t.equal(new Set(live.map(({ path }) => path)).size, live.length);
  return Object.fromEntries(live.map(({ path, history }) => [path, history]));
}

const sums = (wanted: Readonly<Record<string, readonly string[]>>): Record<string, readonly string[]> =>
  Object.fromEntries(Object.entries(wanted).map(([path, texts]) => [path, texts.map(sum)]));

/** Calls whose outcome is not known when people do the next thing. */
interface Doubt {
  readonly route: string;
  /** Looks that come before the call. */
  readonly looks?: number;
}

type During = (project: OpenProject, doubt: Doubt, work: () => Promise<void>) => Promise<void>;

/** The calls come through and their replies do not, and nobody can look. */
const withoutReply: During = async (project, { route, looks = 0 }, work) => {
  const { admin } = project.simulator;
  await admin.faults({
    'reset-after': { route },
    'malformed-json': { route: 'GET /rest/v1.0/folders' },
    '408': { route: 'GET /rest/v1.0/files', after: looks },
  });
  await project.tryAll();
  await admin.noFaults();
  t.ok(
    [...project.project.outbox.intents.all()].some((intent) => intent.attempt.goal),
    'something is in doubt',
  );
  await work();
};

/** As `withoutReply`, and the daemon starts anew. */
const restarted: During = async (project, doubt, work) => {
  await withoutReply(project, doubt, work);
  Object.assign(project, await project.reopen());
};

/** The calls are under way meanwhile. */
const underWay: During = async (project, { route }, work) => {
  const { admin } = project.simulator;
  await admin.faults({ slow: { route, ms: 800, on: ['api'] } });
  const { scheduler, outbox } = project.project;
  const draining = scheduler.drain(AbortSignal.timeout(60_000));
  const waiting = [...outbox.intents.all()].map(({ inode }) => inode);
  await until(() => waiting.every((inode) => outbox.intents.get(inode)?.attempt.goal));
  await work();
  await draining;
  await admin.noFaults();
};

// Most of the time is waiting for the pause before another try.
t.jobs = 4;

for (const [name, during] of Object.entries({ underWay, withoutReply, restarted })) {
  t.test(`what people do to what is being made goes on from it: ${name}`, async (t) => {
    const project = await openProject(t, {}, { settle: 3_600_000 });
    const files = (): Files => new Files(project.fileSystem);
    await files().write('known.txt', 'known');
    await project.drain();
    for (const one of ['deleted', 'old', 'again', 'first', 'place', 'fresh']) await files().write(`${one}.txt`, one);
    await during(project, { route: 'POST /rest/v1.0/files' }, async () => {
      await files().unlink('deleted.txt');
      await files().rename('old.txt', 'new.txt');
      await files().write('again.txt', 'again and more');
      await files().rename('first.txt', 'second.txt');
      await files().write('first.txt', 'another');
      await files().write('other.txt', 'replaces');
      await files().rename('other.txt', 'place.txt');
      await files().rename('fresh.txt', 'known.txt');
    });
    await project.drain();
    const wanted = {
      'new.txt': ['old'],
      'again.txt': ['again and more', 'again'],
      'second.txt': ['first'],
      'first.txt': ['another'],
      'place.txt': ['replaces', 'place'],
      'known.txt': ['fresh', 'known'],
    };
    t.strictSame(await atServer(project), sums(wanted), 'each is there once, and nothing that was deleted');
  });

  t.test(`the same with folders: ${name}`, async (t) => {
    const project = await openProject(t, {}, { settle: 3_600_000 });
    const files = (): Files => new Files(project.fileSystem);
    for (const one of ['deleted', 'old', 'replaced', 'kept']) await files().mkdir(one);
    await during(project, { route: 'POST /rest/v1.0/folders' }, async () => {
      await files().rmdir('deleted');
      await files().rename('old', 'new');
      await files().rename('kept', 'replaced');
    });
    await project.drain();
    t.strictSame(await atServer(project), { new: [], replaced: [] });
  });

  t.test(`a new version is not taken for somebody else's: ${name}`, async (t) => {
    const project = await openProject(t, {}, { settle: 3_600_000 });
    const files = (): Files => new Files(project.fileSystem);
    await files().write('x.txt', 'one');
    await project.drain();
    await files().write('x.txt', 'number two');
    const doubt = { route: 'POST /rest/v1.0/file_versions', looks: 1 };
    await during(project, doubt, () => files().write('x.txt', 'the third'));
    await project.drain();
    t.strictSame(await atServer(project), sums({ 'x.txt': ['the third', 'number two', 'one'] }));
  });

  t.test(`a move that is taken back, and others that come to both places: ${name}`, async (t) => {
    const project = await openProject(t, {}, { settle: 3_600_000 });
    const files = (): Files => new Files(project.fileSystem);
    await files().mkdir('folder');
    await files().mkdir('emptied');
    for (const one of ['back', 'on', 'gone']) await files().write(`${one}.txt`, one);
    await project.drain();
    await files().rename('back.txt', 'emptied/back.txt');
    await files().rename('on.txt', 'folder/on.txt');
    await files().rename('gone.txt', 'folder/gone.txt');
    await during(project, { route: 'PATCH /rest/v1.0/files' }, async () => {
      await files().rename('emptied/back.txt', 'back.txt');
      await files().rmdir('emptied');
      await files().rename('folder/on.txt', 'folder/further.txt');
      await files().write('folder/on.txt', 'comes after');
      await files().unlink('folder/gone.txt');
      await files().write('folder/gone.txt', 'comes too');
    });
    await project.drain();
    const wanted = {
      folder: [],
      'back.txt': ['back'],
      'folder/further.txt': ['on'],
      'folder/on.txt': ['comes after'],
      'folder/gone.txt': ['comes too'],
    };
    t.strictSame(await atServer(project), sums(wanted));
  });
}

t.test('what is found not to be there goes up in the same drain', async (t) => {
  const project = await openProject(t, {}, { settle: 3_600_000 });
  const files = new Files(project.fileSystem);
  await files.mkdir('folder');
  await files.write('new.txt', 'new');
  await project.simulator.admin.faults({
    '500-html': { route: 'POST /rest/v1.0/f' },
    'malformed-json': { route: 'GET /rest/v1.0/f' },
  });
  await project.tryAll();
  await project.simulator.admin.noFaults();
  const inDoubt = [...project.project.outbox.intents.all()].map(({ state, attempt }) => [
    state,
    attempt.goal !== undefined,
  ]);
  t.strictSame(inDoubt, [
    ['failed', true],
    ['failed', true],
  ]);
  await project.drain();
  t.strictSame(await atServer(project), { folder: [], ...sums({ 'new.txt': ['new'] }) });
});

t.test(
  'a document that is to go, and that somebody moved to where a call without a reply was to make one',
  async (t) => {
    const project = await openProject(t, {}, { settle: 0, deleteDelay: 3_600_000 });
    await until(() => project.project.mirror.view.crawlDone);
    const { admin } = project.simulator;
    const files = new Files(project.fileSystem);
    await files.write('a.txt', 'the same');
    await project.drain();
    await files.unlink('a.txt');
    await admin.change({ op: 'rename', path: 'a.txt', to: 'b.txt' });
    await admin.faults({ 'reset-before': { route: 'POST /rest/v1.0/files', count: 2 } });
    await files.write('b.txt', 'the same');
    const { outbox, session } = project.project;
    // The deletion is sent when it is known what the other call has made.
    void instead(session.session.writes, 'deleteFile', async (remove) => {
      await until(() => [...outbox.intents.all()].every(({ deleted }) => deleted));
      return remove();
    });
    await project.drain();
    const tree = await admin.tree();
    t.equal(
      tree.filter(({ size }) => size === 'the same'.length).length,
      1,
      JSON.stringify(tree.map(({ path }) => path)),
    );
  },
);
