import { createHash } from 'node:crypto';
import t from 'tap';
import type { Intent } from '#src/outbox/intents/intent.js';
import { discard } from '#src/outbox/uploads-view.js';
import { instead } from '../support/meanwhile.js';
import { until } from '../support/processes.js';
import { Files, openProject } from '../support/project.js';

const sum = (text: string): string => createHash('sha256').update(text).digest('hex');

t.test('changes here that wait for each other, and those of others that meet them', async (t) => {
  const open = await openProject(t, {}, { settle: 3_600_000, deleteDelay: 3_600_000 });
  const files = new Files(open.fileSystem);
  const { admin } = open.simulator;
  const { outbox, mirror, session } = open.project;
  const { writes } = session.session;
  const poll = (): Promise<void> => mirror.pollNow(new AbortController().signal);
  const intents = (): Intent[] => [...outbox.intents.all()].filter(({ state }) => state !== 'local');
  /** What is below a folder at the server: contents of the versions of each file, newest first, as sums. */
  const below = async (top: string): Promise<Record<string, readonly string[]>> => {
    const all = (await admin.history()).filter(({ path, deleted }) => path.startsWith(`${top}/`) && !deleted);
    return Object.fromEntries(all.map(({ path, history }) => [path.slice(top.length + 1), history]));
  };
  /** A folder of the server, with files that nobody here has read. */
  const made = async (top: string, paths: Readonly<Record<string, string>>): Promise<void> => {
    for (const [path, content] of Object.entries(paths))
      await admin.change({ op: 'create', path: `${top}/${path}`, parents: true, content });
    // The first look at the project may still go on.
    await until(async () => {
      await poll();
      return files.exists(top);
    });
    const list = async (path: string): Promise<void> => {
      for (const name of await files.list(path)) {
        const { mode } = (await files.entry(`${path}/${name}`)).attributes;
        if ((mode & 0o170000) === 0o040000) await list(`${path}/${name}`);
      }
    };
    await list(top);
  };

  await t.test('a version that no poll has shown is kept beside ours', async (t) => {
    await made('unseen', { file: 'base' });
    await files.write('unseen/file', 'ours');
    await admin.change({ op: 'update', path: 'unseen/file', content: 'theirs' });
    await open.drain();
    const { file, ...others } = await below('unseen');
    t.strictSame(file, ['theirs', 'base'].map(sum));
    t.strictSame(Object.values(others), [[sum('ours')]]);
    t.equal(String(await files.read('unseen/file')), 'theirs');
    t.match(Object.keys(others), [/^file \(conflict /]);
  });

  await t.test('a new file of a name that somebody took is kept beside theirs', async (t) => {
    await made('taken', { other: 'x' });
    await files.write('taken/file', 'ours');
    await admin.change({ op: 'create', path: 'taken/file', content: 'theirs' });
    await open.drain();
    const { file, other: _, ...others } = await below('taken');
    t.strictSame(file, [sum('theirs')]);
    t.strictSame(Object.values(others), [[sum('ours')]]);
  });

  await t.test('a part that is written to a file that nobody has read goes up with the rest', async (t) => {
    await made('part', { file: 'the whole content' });
    await files.write('part/file', 'THE', 0);
    await open.drain();
    t.strictSame(await below('part'), { file: ['THE whole content', 'the whole content'].map(sum) });
  });

  await t.test('what goes to the trash here takes its content along', async (t) => {
    await made('trash', { file: 'theirs' });
    await files.mkdir('.Trash-1000');
    await files.rename('trash/file', '.Trash-1000/file');
    await open.drain();
    t.strictSame(await below('trash'), {});
    t.equal(String(await files.read('.Trash-1000/file')), 'theirs');
  });

  await t.test('a file goes after those who take their content from it, also with its folder', async (t) => {
    await made('content', { a: 'of a', b: 'of b', 'folder/c': 'of c', d: 'of d' });
    await files.rename('content/a', 'content/b');
    await files.rename('content/folder/c', 'content/d');
    await files.rmdir('content/folder');
    await open.drain();
    const wanted = { b: ['of a', 'of b'].map(sum), d: ['of c', 'of d'].map(sum) };
    t.strictSame(await below('content'), wanted);
  });

  await t.test('what leaves a folder leaves it before that goes', async (t) => {
    await made('leaving', { 'folder/file': 'x' });
    await files.rename('leaving/folder/file', 'leaving/file');
    await files.rmdir('leaving/folder');
    let isGone = false;
    const { deleteFolder } = writes;
    writes.deleteFolder = (...args) => {
      isGone = true;
      return deleteFolder.apply(writes, args);
    };
    const moved = instead(writes, 'updateFile', async (call) => {
      // Time enough for a deletion that does not wait.
      for (let n = 0; n < 20 && !isGone; n++) await new Promise((resolve) => setTimeout(resolve, 20));
      t.notOk(isGone);
      return call();
    });
    await open.drain();
    await moved;
    writes.deleteFolder = deleteFolder;
    t.ok(isGone);
    t.strictSame(await below('leaving'), { file: [sum('x')] });
  });

  await t.test('a folder that is removed whole is one call', async (t) => {
    await made('whole', { 'folder/one': '1', 'folder/two': '2', 'folder/deep/three': '3' });
    for (const path of ['one', 'two', 'deep/three']) await files.unlink(`whole/folder/${path}`);
    await files.rmdir('whole/folder/deep');
    await files.rmdir('whole/folder');
    const before = (await admin.calls()).byRoute;
    await open.drain();
    const after = (await admin.calls()).byRoute;
    const deletions = (routes: typeof before): number =>
      Object.entries(routes).reduce((all, [route, calls]) => (route.startsWith('DELETE') ? all + calls : all), 0);
    t.equal(deletions(after) - deletions(before), 1);
    t.strictSame(await below('whole'), {});
  });

  await t.test('a folder in which somebody put something is kept with that', async (t) => {
    await made('kept', { 'folder/known': 'x' });
    await files.unlink('kept/folder/known');
    await files.rmdir('kept/folder');
    await admin.change({ op: 'create', path: 'kept/folder/new', content: 'nobody has seen it' });
    await poll();
    await open.drain();
    t.match(await below('kept'), { 'folder/new': [sum('nobody has seen it')] });
    t.ok(await files.exists('kept/folder/new'));
  });

  await t.test('who gives up the deletion of a folder keeps what was moved out of it where it is', async (t) => {
    await made('given', { 'folder/moved': 'x', 'folder/deleted': 'y' });
    await files.rename('given/folder/moved', 'given/moved');
    await files.unlink('given/folder/deleted');
    await files.rmdir('given/folder');
    const folder = intents().find((one) => one.folder && one.deleted)!;
    discard(outbox, [folder.inode]);
    t.strictSame(await files.list('given'), ['folder', 'moved']);
    t.strictSame(await files.list('given/folder'), ['deleted']);
    await open.drain();
    t.strictSame(await below('given'), { folder: [], 'folder/deleted': [sum('y')], moved: [sum('x')] });
  });

  await t.test('what somebody renames or saves while it waits here is followed, and hides nothing', async (t) => {
    await made('follow', { renamed: 'x', moved: 'y', 'folder/z': 'z', saved: 'base' });
    await files.rename('follow/moved', 'follow/folder/moved');
    await files.write('follow/new name', 'made here');
    await files.write('follow/saved', 'ours');
    await files.write('follow/renamed', 'written here');
    await admin.changes([
      { op: 'rename', path: 'follow/moved', to: 'new name' },
      { op: 'rename', path: 'follow/renamed', to: 'called otherwise' },
      { op: 'update', path: 'follow/saved', content: 'theirs' },
    ]);
    await poll();
    t.equal(String(await files.read('follow/new name')), 'made here');
    await open.drain();
    const found = await below('follow');
    t.strictSame(found['called otherwise'], ['written here', 'x'].map(sum));
    t.strictSame(found.saved, ['theirs', 'base'].map(sum));
    t.ok(Object.values(found).some(([newest]) => newest === sum('ours')));
    t.strictSame(found['folder/new name'], [sum('y')]);
    t.strictSame(found['new name'], [sum('made here')]);
  });

  t.strictSame(intents(), []);
});
