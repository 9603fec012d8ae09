import { createHash } from 'node:crypto';
import t, { type Test as T } from 'tap';
import { systemClock } from '#src/base/clock.js';
import type { ProjectOptions } from '#src/project/project.js';
import { until } from '../support/processes.js';
import { Files, type OpenProject, openProject } from '../support/project.js';

const sum = (text: string): string => createHash('sha256').update(text).digest('hex');
const signal = (): AbortSignal => AbortSignal.timeout(60_000);

async function opened(t: T, more: Partial<ProjectOptions> = {}): Promise<OpenProject> {
  const project = await openProject(t, {}, { settle: 3_600_000, ...more });
  await until(() => project.project.mirror.view.crawlDone);
  return project;
}

/** Contents by path of what is at the server: of each version, the oldest first. */
async function atServer({ simulator }: OpenProject): Promise<[path: string, versions: readonly string[]][]> {
  return (await simulator.admin.history())
    .filter(({ path, deleted }) => path !== 'Schedules' && !deleted)
    .map(({ path, history }): [string, string[]] => [path, history.toReversed()])
    .sort(([a], [b]) => a.localeCompare(b));
}

const wanted = (files: Readonly<Record<string, readonly string[]>>): [string, string[]][] =>
  Object.entries(files).map(([path, texts]) => [path, texts.map(sum)]);

/** The server finishes what it has answered with an error so far, and from now on does at once what it is asked. */
async function came({ simulator: { admin } }: OpenProject): Promise<boolean> {
  const done = await admin.finishLate();
  await admin.noFaults();
  return done.includes(201);
}

t.jobs = 4;

for (const fault of ['late', 'late-reset'])
  t.test(`a file that the server makes after it had said that it failed (${fault}) is ours`, async (t) => {
    const project = await opened(t);
    const { admin } = project.simulator;
    const files = new Files(project.fileSystem);
    for (const one of ['same', 'more', 'moved']) await files.write(`${one}.txt`, one);
    await admin.faults({ [fault]: { route: 'POST /rest/v1.0/files' } });
    await project.tryAll();
    await files.write('more.txt', 'more, and then more');
    t.ok(await came(project));
    await project.drain();
    const server = { 'more.txt': ['more', 'more, and then more'], 'moved.txt': ['moved'], 'same.txt': ['same'] };
    t.strictSame(await atServer(project), wanted(server));
    t.strictSame(
      (await files.list('')).filter((name) => name.endsWith('.txt')),
      Object.keys(server),
    );
  });

t.test('a version that the server makes after it had said that it failed is ours', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  for (const one of ['same', 'more']) await files.write(`${one}.txt`, one);
  await project.drain();
  for (const one of ['same', 'more']) await files.write(`${one}.txt`, `${one}, the next`);
  await admin.faults({ late: { route: 'POST /rest/v1.0/file_versions' } });
  await project.tryAll();
  await files.write('more.txt', 'more, the last');
  t.ok(await came(project));
  await project.drain();
  const server = { 'more.txt': ['more', 'more, the next', 'more, the last'], 'same.txt': ['same', 'same, the next'] };
  t.strictSame(await atServer(project), wanted(server));
});

t.test('it is ours also after a restart, with a clock that is an hour off', async (t) => {
  // Two hours behind the server's; and no whole milliseconds, which a clock need not give.
  const clock = { ...systemClock, now: () => systemClock.now() - 3_599_999.5 };
  let project = await opened(t, { clock });
  const { admin } = project.simulator;
  let files = new Files(project.fileSystem);
  await files.write('known.txt', 'known');
  await project.drain();
  await files.write('known.txt', 'known, the next');
  await files.write('new.txt', 'new');
  await admin.faults({ late: { route: 'POST /rest/v1.0/file' }, 'clock-skew': { seconds: 3600 } });
  await project.tryAll();
  project = await project.reopen({ settle: 3_600_000, clock });
  files = new Files(project.fileSystem);
  t.ok(await came(project));
  await project.drain();
  t.strictSame(await atServer(project), wanted({ 'known.txt': ['known', 'known, the next'], 'new.txt': ['new'] }));
});

t.test(
  "what looks like ours and has other bytes is somebody else's, though the account and the size are the same",
  async (t) => {
    const project = await opened(t);
    const { admin } = project.simulator;
    const by = await account(project);
    const files = new Files(project.fileSystem);
    await files.write('known.txt', 'known');
    await project.drain();
    await files.write('known.txt', 'ours 2');
    await files.write('new.txt', 'ours 1');
    await admin.faults({
      '500-html': { count: 2, route: 'POST /rest/v1.0/file' },
      'malformed-json': { route: 'GET /rest/v1.0/f' },
    });
    await project.tryAll();
    await admin.noFaults();
    await admin.change({ op: 'create', path: 'new.txt', content: 'other1', by });
    await admin.change({ op: 'update', path: 'known.txt', content: 'other2', by });
    await project.drain();
    const server = await atServer(project);
    const all = server.map(([, history]) => history.at(-1));
    t.strictSame(
      new Set(all),
      new Set(['ours 1', 'ours 2', 'other1', 'other2'].map(sum)),
      'the bytes of both are there',
    );
    t.strictSame(
      server.filter(([path]) => !path.includes('conflict')),
      wanted({ 'known.txt': ['known', 'other2'], 'new.txt': ['other1'] }),
    );
  },
);

t.test('the same bytes by another person are not ours', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('new.txt', 'the same');
  await admin.faults({
    '500-html': { count: 1, route: 'POST /rest/v1.0/files' },
    'malformed-json': { route: 'GET /rest/v1.0/folders' },
  });
  await project.tryAll();
  await admin.noFaults();
  await admin.change({ op: 'create', path: 'new.txt', content: 'the same' });
  await project.drain();
  t.equal((await atServer(project)).length, 2);
});

t.test('a version that somebody put over ours before one had looked leaves no second copy of ours', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('known.txt', 'known');
  await project.drain();
  await files.write('known.txt', 'ours');
  await admin.faults({
    late: { route: 'POST /rest/v1.0/file_versions' },
    '408': { route: 'GET /rest/v1.0/files', after: 1 },
  });
  await project.tryAll();
  t.ok(await came(project));
  await admin.change({ op: 'update', path: 'known.txt', content: 'theirs' });
  await project.drain();
  t.strictSame(await atServer(project), wanted({ 'known.txt': ['known', 'ours', 'theirs'] }));
  t.equal(String(await files.read('known.txt')), 'theirs');
});

t.test('what was saved here after a file was made late does not go over what somebody put there since', async (t) => {
  for (const theirs of ['of the same size', 'of another size, which is longer']) {
    const project = await opened(t);
    const { admin } = project.simulator;
    const files = new Files(project.fileSystem);
    await files.write('new.txt', 'what was first..');
    await admin.faults({ late: { route: 'POST /rest/v1.0/files' } });
    await project.tryAll();
    await files.write('new.txt', 'saved since');
    t.ok(await came(project));
    await admin.change({ op: 'update', path: 'new.txt', content: theirs });
    await project.drain();
    const [document, copy, ...more] = (await atServer(project)).toSorted(([, a], [, b]) => b.length - a.length);
    t.strictSame(document, ['new.txt', ['what was first..', theirs].map(sum)]);
    t.strictSame(copy?.[1], [sum('saved since')]);
    t.match(copy?.[0], /^new \(conflict/);
    t.strictSame(more, []);
    t.equal(String(await files.read('new.txt')), theirs);
  }
});

t.test('after a long upload the file is looked at again before it gets a version', async (t) => {
  let skipped = 0;
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skipped };
  const project = await opened(t, { clock });
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('known.txt', 'known');
  await project.drain();
  await files.write('known.txt', 'ours');
  await admin.faults({ slow: { ms: 500, on: ['storage'] } });
  await admin.reset();
  const draining = project.project.scheduler.drain(signal());
  await until(async () => (await admin.calls()).byRoute['POST /rest/v1.1/projects/:id/uploads'] === 1);
  await admin.change({ op: 'update', path: 'known.txt', content: 'theirs' });
  skipped = 11_000;
  await draining;
  await admin.noFaults();
  await project.drain();
  const [conflict, known] = await atServer(project);
  t.match(conflict![0], /conflict/);
  t.strictSame(conflict![1], [sum('ours')]);
  t.strictSame(known, ['known.txt', [sum('known'), sum('theirs')]]);
});

t.test('what an earlier call of ours made during a long upload is what one goes on from', async (t) => {
  let skipped = 0;
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skipped };
  const project = await opened(t, { clock });
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  for (const name of ['more', 'same']) await files.write(`${name}.txt`, name);
  await project.drain();
  for (const name of ['more', 'same']) await files.write(`${name}.txt`, `${name}, ours`);
  await admin.faults({ late: { route: 'POST /rest/v1.0/file_versions' } });
  await project.tryAll();
  await admin.noFaults();
  await files.write('more.txt', 'more, and then more');
  const { uploads } = project.project.session.session;
  let made: Promise<unknown> | undefined;
  const { upload } = uploads;
  uploads.upload = async (...words) => {
    const done = await upload.apply(uploads, words);
    await (made ??= admin.finishLate());
    skipped += 11_000;
    return done;
  };
  await project.drain();
  const server = {
    'more.txt': ['more', 'more, ours', 'more, and then more'],
    'same.txt': ['same', 'same, ours'],
  };
  t.strictSame(await atServer(project), wanted(server));
});

t.test('a version between the look and our own is kept beside it', async (t) => {
  const project = await opened(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('known.txt', 'known');
  await project.drain();
  await files.write('known.txt', 'ours');
  await admin.faults({ slow: { ms: 500, on: ['storage'] } });
  await admin.reset();
  const draining = project.project.scheduler.drain(signal());
  await until(async () => (await admin.calls()).byRoute['POST /rest/v1.1/projects/:id/uploads'] === 1);
  await admin.change({ op: 'update', path: 'known.txt', content: 'theirs' });
  await draining;
  await admin.noFaults();
  await project.drain();
  const [conflict, known] = await atServer(project);
  t.match(conflict![0], /conflict/);
  t.strictSame(conflict![1], [sum('theirs')]);
  t.strictSame(known, ['known.txt', [sum('known'), sum('theirs'), sum('ours')]]);
});

/** The name by which the server calls this account. */
async function account({ project }: OpenProject): Promise<string> {
  const { name } = await project.session.session.client.me({ class: 'interactive' });
  return name!;
}
