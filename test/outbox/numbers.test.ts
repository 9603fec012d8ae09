import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test as T } from 'tap';
import { asInode, asNodeId, ROOT_NODE } from '#src/base/ids.js';
import { ShadowKernel } from '../support/kernel-shadow.js';
import { soon, until } from '../support/processes.js';
import { context, Files, type OpenProject, openProject } from '../support/project.js';

const LATER = { settle: 3_600_000, deleteDelay: 3_600_000 } as const;
const signal = (): AbortSignal => AbortSignal.timeout(60_000);
const sum = (text: string): string => createHash('sha256').update(text).digest('hex');
const crawled = (project: OpenProject): Promise<void> => until(() => project.project.mirror.view.crawlDone);

async function openCrawled(t: T): Promise<OpenProject> {
  const project = await openProject(t, {}, LATER);
  await crawled(project);
  return project;
}

/** A poll has shown this; one that was under way already may not. */
const polled = ({ project, fileSystem }: OpenProject, path: string): Promise<void> =>
  until(async () => {
    await project.mirror.pollNow(signal());
    return new Files(fileSystem).exists(path);
  });

/** What the tree shows, as text by path; a folder has a `/` at its end. */
async function shown({ fileSystem }: OpenProject): Promise<Record<string, string>> {
  const files = new Files(fileSystem);
  const found: Record<string, string> = {};
  const walk = async (folder: string): Promise<void> => {
    for (const name of await files.list(folder)) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (path === 'Schedules' || path === '.procore') continue;
      const { attributes } = await files.entry(path);
      if ((attributes.mode & 0o170000) === 0o040000) {
        found[`${path}/`] = '';
        await walk(path);
      } else found[path] = String(await files.read(path));
    }
  };
  await walk('');
  return found;
}

/** What is at the server, once each, as `shown` would have it by its hash. */
async function atServer(t: T, project: OpenProject): Promise<Record<string, string>> {
  const all = await project.simulator.admin.history();
  const live = all.filter(({ path, deleted }) => path !== 'Schedules' && !deleted);
  t.equal(new Set(live.map(({ path }) => path)).size, live.length, 'each once');
  return Object.fromEntries(
    live.map(({ path, type, history }) => (type === 'folder' ? [`${path}/`, ''] : [path, history[0]!])),
  );
}

const sums = (files: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([path, text]) => [path, path.endsWith('/') ? '' : sum(text)]));

/** A project with waiting changes of every kind in it, and what shows of it. */
async function busy(t: T): Promise<{ project: OpenProject; wanted: Record<string, string> }> {
  const project = await openCrawled(t);
  const { admin } = project.simulator;
  for (const name of ['a', 'b', 'c'])
    for (const file of ['1', '2', '3'])
      await admin.change({ op: 'create', parents: true, path: `${name}/${file}.txt`, content: `${name}${file}` });
  await polled(project, 'c/3.txt');
  const files = new Files(project.fileSystem);
  await files.write('a/new.txt', 'new in a');
  await files.write('b/1.txt', 'b1, the next');
  await files.rename('a/1.txt', 'b/moved.txt');
  await files.rename('a/2.txt', 'a/renamed.txt');
  await files.mkdir('c/made');
  await files.write('c/made/inside.txt', 'inside');
  await files.unlink('c/1.txt');
  await files.write('saving', 'c2, saved by renaming');
  await files.rename('saving', 'c/2.txt');
  await files.write('top.txt', 'top');
  project.project.pins.pin(await project.project.find('b', 'interactive'));
  const wanted = {
    ...{ 'a/': '', 'a/new.txt': 'new in a', 'a/renamed.txt': 'a2', 'a/3.txt': 'a3' },
    ...{ 'b/': '', 'b/1.txt': 'b1, the next', 'b/moved.txt': 'a1', 'b/2.txt': 'b2', 'b/3.txt': 'b3' },
    ...{ 'c/': '', 'c/made/': '', 'c/made/inside.txt': 'inside', 'c/2.txt': 'c2, saved by renaming', 'c/3.txt': 'c3' },
    'top.txt': 'top',
  };
  t.strictSame(await shown(project), wanted);
  return { project, wanted };
}

function remove(folder: string, database: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(join(folder, `${database}${end}`), { force: true });
}

/** A copy of a database that is closed, to be put back. */
function kept(t: T, folder: string, database: string): () => void {
  const copy = join(t.testdir(), database);
  copyFileSync(join(folder, database), copy);
  t.notOk(existsSync(join(folder, `${database}-wal`)));
  return () => {
    remove(folder, database);
    copyFileSync(copy, join(folder, database));
  };
}

t.jobs = 4;

for (const when of ['once it is known again', 'before anything is known again'])
  t.test(`a mirror that was deleted: what waits is where it belongs, and goes there ${when}`, async (t) => {
    const { project: before, wanted } = await busy(t);
    const { admin } = before.simulator;
    const project = await before.reopen(LATER, async () => {
      remove(before.folder, 'mirror.db');
      // The items come in another order now, and what comes first gets the numbers of others.
      await admin.change({ op: 'create', path: 'b/their.txt', content: 'their' });
      await admin.change({ op: 'rename', path: 'a', to: 'z' });
      await admin.change({ op: 'rename', path: 'z', to: 'a' });
      if (when.startsWith('before')) await admin.faults({ slow: { ms: 1500, route: 'documents' } });
    });
    if (when.startsWith('before')) {
      t.notOk(project.project.mirror.view.crawlDone);
      await project.drain();
      await admin.noFaults();
    }
    await crawled(project);
    t.strictSame(await shown(project), { ...wanted, 'b/their.txt': 'their' });
    const { pins } = project.project;
    t.strictSame(
      pins.items().map(({ name }) => name),
      ['b'],
    );
    await project.drain();
    t.strictSame(await atServer(t, project), sums({ ...wanted, 'b/their.txt': 'their' }));
  });

t.test('an older copy of the mirror: what waits is where it belongs, and goes there', async (t) => {
  let project = await openCrawled(t);
  const { admin } = project.simulator;
  await admin.change({ op: 'create', parents: true, path: 'old/1.txt', content: 'old' });
  await polled(project, 'old/1.txt');
  let putBack = (): void => undefined;
  project = await project.reopen(LATER, () => {
    putBack = kept(t, project.folder, 'mirror.db');
  });
  await admin.change({ op: 'create', parents: true, path: 'seen/1.txt', content: 'seen' });
  await admin.change({ op: 'create', parents: true, path: 'other/1.txt', content: 'other' });
  await polled(project, 'other/1.txt');
  let files = new Files(project.fileSystem);
  await files.mkdir('made');
  await project.drain();
  await files.write('made/in.txt', 'in what was made');
  await files.write('seen/new.txt', 'new');
  await files.write('seen/1.txt', 'seen, the next');
  await files.rename('other/1.txt', 'seen/2.txt');
  await files.rename('old/1.txt', 'old/2.txt');
  project = await project.reopen(LATER, async () => {
    putBack();
    for (const name of ['x', 'y'])
      await admin.change({ op: 'create', parents: true, path: `${name}/1.txt`, content: name });
    // The item that changed last is seen last.
    await admin.change({ op: 'rename', path: 'seen', to: 'later' });
  });
  await polled(project, 'y/1.txt');
  await project.project.mirror.sweepNow('background', signal());
  files = new Files(project.fileSystem);
  const wanted = {
    ...{ 'old/': '', 'old/2.txt': 'old', 'made/': '', 'made/in.txt': 'in what was made', 'other/': '' },
    ...{ 'later/': '', 'later/1.txt': 'seen, the next', 'later/2.txt': 'other', 'later/new.txt': 'new' },
    ...{ 'x/': '', 'x/1.txt': 'x', 'y/': '', 'y/1.txt': 'y' },
  };
  t.strictSame(await shown(project), wanted);
  await project.drain();
  t.strictSame(await atServer(t, project), sums(wanted));
});

t.test('an older copy of the outbox: nothing of the server is hidden by it, and nothing is made twice', async (t) => {
  let project = await openCrawled(t);
  const { admin } = project.simulator;
  let files = new Files(project.fileSystem);
  for (const one of ['known', 'place', 'moved', 'over']) await files.write(`${one}.txt`, one);
  await project.drain();
  await files.write('waiting.txt', 'waiting');
  await files.write('known.txt', 'known, the next');
  await files.rename('moved.txt', 'elsewhere.txt');
  let putBack = (): void => undefined;
  project = await project.reopen(LATER, () => {
    putBack = kept(t, project.folder, 'outbox.db');
  });
  await project.drain();
  files = new Files(project.fileSystem);
  await files.rename('known.txt', 'place.txt');
  await files.rename('elsewhere.txt', 'over.txt');
  await files.write('later.txt', 'later');
  await project.drain();
  await admin.change({ op: 'create', path: 'their.txt', content: 'their' });
  project = await project.reopen(LATER, () => putBack());
  files = new Files(project.fileSystem);
  await files.write('after.txt', 'after');
  const names = ['after.txt', 'later.txt', 'over.txt', 'place.txt', 'waiting.txt'];
  t.strictSame(
    (await files.list('')).filter((name) => names.includes(name)),
    names,
    'nothing is hidden',
  );
  await polled(project, 'their.txt');
  const wanted = {
    ...{ 'place.txt': 'known, the next', 'over.txt': 'moved', 'waiting.txt': 'waiting', 'later.txt': 'later' },
    ...{ 'their.txt': 'their', 'after.txt': 'after' },
  };
  t.match(await shown(project), wanted);
  await project.drain();
  t.strictSame(await shown(project), wanted);
  t.strictSame(await atServer(t, project), sums(wanted));
});

t.test('a folder of the server that takes the place of one made here keeps what waits in both', async (t) => {
  const project = await openCrawled(t);
  const { admin } = project.simulator;
  await admin.change({ op: 'create', parents: true, path: 'Before/1.txt', content: 'one' });
  await admin.change({ op: 'create', path: 'Before/2.txt', content: 'two' });
  await polled(project, 'Before/2.txt');
  const files = new Files(project.fileSystem);
  await files.write('Before/new.txt', 'new');
  await files.write('Before/same.txt', 'same of the one');
  await files.write('Before/1.txt', 'one, the next');
  await files.rename('Before/2.txt', '2.txt');
  await files.mkdir('After');
  await files.write('After/in.txt', 'in');
  await files.write('After/same.txt', 'same of the other');
  await admin.change({ op: 'rename', path: 'Before', to: 'After' });
  const made = (await files.entry('After')).attributes.ino;
  await project.project.scheduler.publish(asInode(made), signal());
  const names = ['1.txt', 'in.txt', 'new.txt', 'same.txt'];
  t.strictSame(
    (await files.list('After')).filter((name) => !name.includes('conflict')),
    names,
  );
  await project.drain();
  await project.project.mirror.pollNow(signal());
  const server = await atServer(t, project);
  const conflict = Object.keys(server).filter((path) => path.includes('conflict'));
  t.equal(conflict.length, 1);
  t.strictSame(
    new Set(['After/same.txt', conflict[0]!].map((path) => server[path])),
    new Set([sum('same of the one'), sum('same of the other')]),
  );
  const rest = Object.fromEntries(Object.entries(server).filter(([path]) => !/same/.test(path)));
  const wanted = {
    'After/': '',
    'After/new.txt': 'new',
    'After/1.txt': 'one, the next',
    '2.txt': 'two',
    'After/in.txt': 'in',
  };
  t.strictSame(rest, sums(wanted));
  t.strictSame(Object.keys(await shown(project)).sort(), Object.keys(server).sort());
});

t.test('a folder that is gone when the mirror is known again: what waits in it is kept, and said', async (t) => {
  const { project: before } = await busy(t);
  const project = await before.reopen(LATER, async () => {
    remove(before.folder, 'mirror.db');
    await before.simulator.admin.change({ op: 'delete', path: 'a' });
  });
  await crawled(project);
  await project.project.scheduler.drain(signal());
  const left = [...project.project.outbox.intents.all()].filter(({ name }) => name === 'new.txt');
  t.equal(left.length, 1);
  t.ok(left[0]!.reason);
  t.equal(project.project.outbox.staging.stat(left[0]!.inode).size, 'new in a'.length);
  const server = await atServer(t, project);
  for (const path of ['b/1.txt', 'c/made/inside.txt', 'top.txt']) t.ok(server[path], path);
});

for (const isRestarted of [false, true])
  t.test(
    `what is out of sight when the mirror is known again has its changes when it shows${isRestarted ? ', also after a new start' : ''}`,
    async (t) => {
      const before = await openCrawled(t);
      const { admin } = before.simulator;
      await admin.switches({ 'bump-permission': 'yes' });
      for (const name of ['saved', 'moved', 'other'])
        await admin.change({ op: 'create', path: `${name}.txt`, content: name });
      await polled(before, 'other.txt');
      const files = new Files(before.fileSystem);
      await files.write('saved.txt', 'saved here');
      await files.rename('moved.txt', 'elsewhere.txt');
      let project = await before.reopen(LATER, async () => {
        remove(before.folder, 'mirror.db');
        for (const path of ['saved.txt', 'moved.txt']) await admin.change({ op: 'permission', path, visible: false });
        // They would have the numbers.
        for (const n of [1, 2, 3]) await admin.change({ op: 'create', path: `new ${n}.txt`, content: 'new' });
      });
      await crawled(project);
      await polled(project, 'new 3.txt');
      if (isRestarted) project = await project.reopen(LATER);
      for (const path of ['saved.txt', 'moved.txt']) await admin.change({ op: 'permission', path, visible: true });
      await admin.change({ op: 'create', path: 'last.txt', content: 'last' });
      await polled(project, 'last.txt');
      const news = { 'new 1.txt': 'new', 'new 2.txt': 'new', 'new 3.txt': 'new', 'last.txt': 'last' };
      const wanted = { ...news, 'saved.txt': 'saved here', 'elsewhere.txt': 'moved', 'other.txt': 'other' };
      t.strictSame(await shown(project), wanted);
      await project.drain();
      t.strictSame(await atServer(t, project), sums(wanted));
      t.strictSame([...project.project.outbox.intents.all()], []);
    },
  );

async function withTwoFiles(t: T): Promise<OpenProject> {
  const project = await openCrawled(t);
  const paths = ['d/two.txt', 'one.txt'];
  for (const path of paths)
    await project.simulator.admin.change({ op: 'create', path, parents: true, content: 'seen' });
  for (const path of paths) await polled(project, path);
  return project;
}

t.test('what is kept shows again also while another item has its number here', async (t) => {
  const project = await withTwoFiles(t);
  const { admin } = project.simulator;
  const kernel = new ShadowKernel(project.fileSystem);
  const files = new Files(project.fileSystem);
  const { ino } = (await files.entry('d/two.txt')).attributes;
  await files.write('d/two.txt', 'ours');
  await files.rename('d/two.txt', 'one.txt');
  t.equal((await files.entry('one.txt')).attributes.ino, ino, 'as rename(2) has it');
  const folder = await kernel.lookup(asNodeId(ROOT_NODE), 'd');
  t.strictSame(await kernel.list(folder), ['.', '..']);
  await admin.change({ op: 'update', path: 'd/two.txt', content: 'newer' });
  await soon(async () => {
    await project.project.mirror.pollNow(signal());
    return files.exists('d/two.txt');
  });
  t.ok(await files.exists('d/two.txt'), 'it shows again');
  t.strictSame(await shown(project), { 'd/': '', 'd/two.txt': 'newer', 'one.txt': 'ours' });
  await project.fileSystem.told();
  t.strictSame(await kernel.list(folder), ['.', '..', 'two.txt'], 'the kernel has been told');
  await project.drain();
  t.strictSame(await atServer(t, project), sums({ 'd/': '', 'd/two.txt': 'newer', 'one.txt': 'ours' }));
});

t.test('the same where the daemon dies before it has another number', async (t) => {
  let project = await withTwoFiles(t);
  const { admin } = project.simulator;
  const files = new Files(project.fileSystem);
  await files.write('d/two.txt', 'ours');
  await files.rename('d/two.txt', 'one.txt');
  await admin.change({ op: 'update', path: 'd/two.txt', content: 'newer' });
  const { mirror, outbox } = project.project;
  mirror.store.bind = () => Promise.resolve();
  await until(async () => {
    await mirror.pollNow(signal());
    return [...outbox.intents.all()].every(({ deleted }) => !deleted);
  });
  t.notOk(await files.exists('d/two.txt'));
  for (let n = 0; n < 2; n++) {
    project = await project.reopen(LATER);
    t.strictSame(await shown(project), { 'd/': '', 'd/two.txt': 'newer', 'one.txt': 'ours' });
  }
});

t.test('what is written to a file that gets another number meanwhile is kept', async (t) => {
  for (const before of ['', 'ours']) {
    const project = await withTwoFiles(t);
    const { fileSystem } = project;
    const { node, attributes } = await new Files(fileSystem).entry('d/two.txt');
    const { handle } = await fileSystem.open(node, 1, context);
    const write = async (text: string, offset: number): Promise<void> => {
      await fileSystem.writable.write(node, handle, offset, Buffer.from(text), context);
      await fileSystem.writable.flush(node, handle, context);
    };
    if (before !== '') await write(before, 0);
    const { mirror } = project.project;
    const { inode, remoteId } = mirror.view.item(asInode(attributes.ino))!;
    await mirror.store.bind([], [{ inode, remoteId }], 0);
    await write('more', 4);
    fileSystem.release(node, handle);
    const now = Object.entries(await shown(project));
    t.match(now.find(([, content]) => content.includes('more'))?.[0], /^d\/two/, JSON.stringify(now));
  }
});

t.test('what others restore shows also while what it became here stays on this machine', async (t) => {
  let project = await openCrawled(t);
  const { admin } = project.simulator;
  // So that polls show it.
  await admin.switches({ 'bump-restore': 'yes' });
  await admin.change({ op: 'create', path: 'doc.txt', content: 'seen' });
  await polled(project, 'doc.txt');
  const files = new Files(project.fileSystem);
  await files.mkdir('.Trash-1000');
  await files.rename('doc.txt', '.Trash-1000/doc.txt');
  await project.drain();
  const { id } = (await admin.history()).find(({ path }) => path === 'doc.txt')!;
  // Times are whole seconds: what a reply says of the second of the deletion may be from before it.
  await sleep(2100);
  await admin.change({ op: 'restore', id });
  await soon(async () => {
    await project.project.mirror.pollNow(signal());
    return files.exists('doc.txt');
  });
  const wanted = { '.Trash-1000/': '', '.Trash-1000/doc.txt': 'seen', 'doc.txt': 'seen' };
  t.strictSame(await shown(project), wanted);
  project = await project.reopen(LATER);
  t.strictSame(await shown(project), wanted);
});
