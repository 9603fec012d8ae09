import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { jobProjects } from '../support/job-projects.js';
import { put } from '../support/jobs.js';

const { admin, engine, store, mirror, meanwhile, add, versions, ends, folder } = await jobProjects(t);
const sum = (text: string): string => createHash('sha256').update(text).digest('hex');
const project = Number(ends.b.target.path.slice(1));
const VERSION = 'POST /rest/v1.0/file_versions';
const FILE = 'POST /rest/v1.0/files';
const LOOK = 'GET /rest/v1.0/folders';

/** A job that has brought `NAME/a.txt`, whose content here is another by now. */
const second = async (name: string, type = 'copy') => {
  const job = await add({
    transfer_type: type,
    source: { ...ends.disk, target: { path: name } },
    destination: { ...ends.b, target: { path: `${ends.b.target.path}/${name}` } },
    performance: { retries: 0 },
  });
  put(folder, { [`${name}/a.txt`]: 'one' }, 1_600_000_001);
  t.match(await engine.run(job.id, 'manual'), { status: 'completed', stats: { copied: 1 } });
  put(folder, { [`${name}/a.txt`]: 'number two' }, 1_600_000_002);
  return { id: job.id, path: `${name}/a.txt` };
};

/** Hashes of what is at the server below a folder, by path: the versions, the oldest first. */
const below = async (name: string) => {
  const paths = (await admin.tree({ project })).map(({ path }) => path).filter((path) => path.startsWith(`${name}/`));
  return new Map(await Promise.all(paths.map(async (path) => [path, await versions(path)] as const)));
};

const saved = (path: string, content: string) =>
  admin.change({ op: 'update', project, path, content, by: 'Procorefs Service Account' });

const isOne = (all: readonly unknown[] | undefined): boolean => all?.length === 1;

const flagged = (id: string): readonly (string | undefined)[] =>
  [...store.items(store.last.of(id, 'real')!.id).rows(['remediation'])].map(({ reason }) => reason);

/** Runs a job; somebody saves the file when the job has looked at it for the last time. */
const overtakenRun = ({ id, path }: { readonly id: string; readonly path: string }) => {
  meanwhile.before = () => saved(path, 'theirs');
  return engine.run(id, 'manual');
};

t.test('a version that somebody saves between the look and that of a job is kept beside it', async (t) => {
  for (const type of ['copy', 'sync', 'publish']) {
    const name = `between ${type}`;
    const job = await second(name, type);
    const { id, path } = job;
    t.match(await overtakenRun(job), { stats: { failed: 1, bytes: 10 } }, type);
    const found = await below(name);
    const [kept] = [...found.keys()].filter((one) => one !== path);
    t.match(kept, /\/a \(conflict .*\)\.txt$/, type);
    t.strictSame(found.get(path)?.slice(-2), [sum('theirs'), sum('number two')]);
    t.strictSame(found.get(kept!), [sum('theirs')]);
    t.equal(found.size, 2);
    const [why] = flagged(id);
    t.match(why, /^somebody saved .* is kept as a \(conflict .*\)\.txt$/, 'a person sees it');
    await engine.run(id, 'manual');
    const later = await below(name);
    t.equal(later.size, 2, 'and it is not kept twice');
    t.strictSame(later.get(kept!), [sum('theirs')], 'nor deleted');
    t.strictSame(flagged(id).length, type === 'publish' ? 1 : 0);
  }
});

t.test('what cannot be kept at once is kept by the next run', async (t) => {
  const job = await second('later');
  const { id, path } = job;
  await admin.faults({ '500-html': { route: 'POST /rest/v1.0/files' } });
  t.match(await overtakenRun(job), { stats: { copied: 0, failed: 1 } });
  await admin.noFaults();
  await engine.run(id, 'manual');
  const found = await below('later');
  t.strictSame(found.get(path), ['one', 'theirs', 'number two'].map(sum), 'no version comes twice');
  t.strictSame([...found.values()].filter(isOne), [[sum('theirs')]]);
  t.equal(found.size, 2);
  t.match(await engine.run(id, 'manual'), { status: 'no_changes' });
});

t.test('what is kept beside is there once, also where nobody hears that it is', async (t) => {
  for (const fault of ['late', 'unheard']) {
    const name = `once ${fault}`;
    const job = await second(name);
    if (fault === 'late') await admin.faults({ late: { route: FILE } });
    if (fault === 'unheard')
      await admin.faults({ 'reset-after': { count: 1, route: FILE }, '500-html': { route: LOOK } });
    t.match(await overtakenRun(job), { stats: { copied: 0, failed: 1 } }, fault);
    await admin.noFaults();
    await admin.finishLate();
    await engine.run(job.id, 'manual');
    const found = await below(name);
    t.strictSame(found.get(job.path), ['one', 'theirs', 'number two'].map(sum));
    t.strictSame([...found.values()].filter(isOne), [[sum('theirs')]], fault);
    t.equal(found.size, 2);
    t.match(await engine.run(job.id, 'manual'), { status: 'no_changes' });
  }
});

t.test('what a version covered that was made when the process ended is kept by the next run', async (t) => {
  const job = await second('ended');
  meanwhile.after = () => Promise.reject(new Error('nobody hears of it'));
  t.match(await overtakenRun(job), { stats: { copied: 0, failed: 1 } });
  await engine.run(job.id, 'manual');
  const found = await below('ended');
  t.strictSame(found.get(job.path), ['one', 'theirs', 'number two'].map(sum));
  t.strictSame([...found.values()].filter(isOne), [[sum('theirs')]]);
  t.equal(found.size, 2);
});

t.test('a version that comes when the run is over is known by the next for what it is', async (t) => {
  for (const type of ['copy', 'sync']) {
    const name = `over ${type}`;
    const { id, path } = await second(name, type);
    await admin.faults({ late: { route: VERSION } });
    t.match(await engine.run(id, 'manual'), { stats: { copied: 0 } });
    await admin.noFaults();
    await admin.finishLate();
    put(folder, { [path]: 'the third' }, 1_600_000_003);
    t.match(await engine.run(id, 'manual'), { stats: { copied: 1, failed: 0 } }, type);
    t.strictSame([...(await below(name))], [[path, ['one', 'number two', 'the third'].map(sum)]], type);
    t.match(await engine.run(id, 'manual'), { status: 'no_changes' }, type);
  }
});

t.test('what a version covered that comes when the run is over is kept beside it by the next', async (t) => {
  for (const content of ['number two', 'the third']) {
    const name = `covered ${content}`;
    const { id, path } = await second(name);
    await admin.faults({ late: { route: VERSION } });
    t.match(await engine.run(id, 'manual'), { stats: { copied: 0 } });
    await admin.noFaults();
    await saved(path, 'theirs');
    await admin.finishLate();
    put(folder, { [path]: content }, 1_600_000_003);
    await engine.run(id, 'manual');
    const found = await below(name);
    t.strictSame(found.get(path), [...new Set(['one', 'theirs', 'number two', content])].map(sum));
    t.strictSame([...found.values()].filter(isOne), [[sum('theirs')]]);
    t.equal(found.size, 2);
  }
});

t.test('the same where others had saved it before, and a poll had come', async (t) => {
  const { id, path } = await second('polled before');
  await admin.faults({ late: { route: VERSION } });
  t.match(await engine.run(id, 'manual'), { stats: { copied: 0 } });
  await admin.noFaults();
  for (const content of ['theirs', 'theirs again']) await saved(path, content);
  await (await mirror(1)).pollNow(new AbortController().signal);
  await admin.finishLate();
  put(folder, { [path]: 'the third' }, 1_600_000_003);
  await engine.run(id, 'manual');
  const found = await below('polled before');
  t.strictSame([...found.values()].filter(isOne), [[sum('theirs again')]]);
});

t.test('a version of the same account and size that has other bytes is a conflict', async (t) => {
  const { id, path } = await second('foreign');
  await admin.faults({ late: { route: VERSION } });
  t.match(await engine.run(id, 'manual'), { stats: { copied: 0 } });
  await admin.noFaults();
  await saved(path, 'theirs, 10');
  put(folder, { [path]: 'the third' }, 1_600_000_003);
  await engine.run(id, 'manual');
  t.strictSame((await below('foreign')).get(path), [sum('the third')]);
  t.strictSame([...(await below('foreign')).values()].map((one) => one?.at(-1)).includes(sum('theirs, 10')), true);
});

t.test('a version that somebody saves over that of a job while its reply is lost is no work of the job', async (t) => {
  const { id, path } = await second('over it', 'sync');
  await admin.faults({ 'reset-after': { count: 1, route: VERSION } });
  meanwhile.after = () => saved(path, 'theirs');
  await engine.run(id, 'manual');
  await admin.noFaults();
  t.strictSame(await versions(path), ['one', 'number two', 'theirs'].map(sum));
  await engine.run(id, 'manual');
  t.equal(readFileSync(join(folder, path), 'utf8'), 'theirs');
  t.strictSame(await versions(path), ['one', 'number two', 'theirs'].map(sum));
});
