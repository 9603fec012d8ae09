import t, { type Test } from 'tap';
import { asNodeId } from '#src/base/ids.js';
import { context, Files, type OpenProject, openProject } from '../support/project.js';

/** Changes that nobody sees one by one: all of them wait until the drain. */
const WAITING = { settle: 3_600_000, deleteDelay: 3_600_000 };

interface Scene {
  readonly open: OpenProject;
  readonly files: Files;
  /** Ids at the server, by path. */
  ids(): Promise<Map<string, number>>;
}

async function scene(t: Test): Promise<Scene> {
  const open = await openProject(t, {}, WAITING);
  const ids = async (): Promise<Map<string, number>> => {
    const tree = await open.simulator.admin.tree({ hash: false });
    return new Map(tree.filter(({ path }) => path !== 'Schedules').map(({ path, id }) => [path, id]));
  };
  return { open, files: new Files(open.fileSystem), ids };
}

t.test('what waits for each other, and what takes the place of another', async (t) => {
  const { open, files, ids } = await scene(t);
  await t.test('a file moves into a new folder of its own name', async (t) => {
    await files.write('notes', 'old');
    await open.drain();
    const { notes } = Object.fromEntries(await ids());
    await files.rename('notes', 'kept');
    await files.mkdir('notes');
    await files.rename('kept', 'notes/old');
    await open.drain();
    t.strictSame([...(await ids()).keys()].sort(), ['notes', 'notes/old']);
    t.equal((await ids()).get('notes/old'), notes, 'it is the same document');
    t.equal(String(await files.read('notes/old')), 'old');
  });
  await t.test(
    'a file that moves into a new folder of its own name is deleted by somebody else meanwhile',
    async (t) => {
      for (const name of ['written', 'moved']) {
        await files.write(name, 'old');
        await open.drain();
        await files.rename(name, 'kept');
        await files.mkdir(name);
        await files.rename('kept', `${name}/old`);
        if (name === 'written') await files.write('written/old', 'new here');
        await open.simulator.admin.change({ op: 'delete', path: name });
      }
      await open.drain();
      const left = [...(await ids()).keys()].filter((path) => /written|moved/.test(path)).sort();
      t.strictSame(left, ['moved', 'written', 'written/old'], 'what was written here is there');
      t.equal(String(await files.read('written/old')), 'new here');
      for (const path of ['written/old', 'written', 'moved']) await open.simulator.admin.change({ op: 'delete', path });
      await open.project.mirror.pollNow(new AbortController().signal);
    },
  );
  await t.test('what was in a folder moves into the new one that takes its place', async (t) => {
    const old = (await ids()).get('notes/old');
    await files.mkdir('fresh');
    await files.rename('notes/old', 'fresh/old');
    await files.rmdir('notes');
    await files.rename('fresh', 'notes');
    await open.drain();
    t.strictSame([...(await ids()).keys()].sort(), ['notes', 'notes/old']);
    t.equal((await ids()).get('notes/old'), old, 'it is the same document');
  });
  await t.test('a folder moves into one that it held', async (t) => {
    await files.mkdir('notes/inner');
    await open.drain();
    await files.rename('notes/inner', 'outer');
    await files.rename('notes', 'outer/notes');
    await open.drain();
    t.strictSame([...(await ids()).keys()].sort(), ['outer', 'outer/notes', 'outer/notes/old']);
  });
  await t.test('two files change names', async (t) => {
    await files.write('one', '1');
    await files.write('two', '2');
    await open.drain();
    const before = await ids();
    await files.rename('one', 'other');
    await files.rename('two', 'one');
    await files.rename('other', 'two');
    await open.drain();
    const after = await ids();
    t.strictSame([after.get('one'), after.get('two')], [before.get('two'), before.get('one')]);
    t.strictSame(
      (await files.list('')).filter((name) => name !== 'Schedules'),
      ['one', 'outer', 'two'],
    );
  });

  await t.test('a document that was renamed over another one is gone from its place', async (t) => {
    await files.write('from', '1');
    await files.write('to', '2');
    await open.drain();
    await files.rename('from', 'to');
    t.notOk(await files.exists('from'));
    await open.drain();
    t.notOk(await files.exists('from'), 'also after the server has it');
    t.equal(String(await files.read('to')), '1');
  });

  await t.test('times and modes that were set stay', async (t) => {
    const set = async (path: string, changes: { mode?: number; mtime?: number }): Promise<void> => {
      const { node } = await files.entry(path);
      await open.fileSystem.writable.setattr(asNodeId(node), changes, undefined, context);
    };
    await files.mkdir('folder');
    await set('folder', { mode: 0o700, mtime: 1_000_000_000 });
    await files.write('file', 'x');
    await open.drain();
    const folder = (await files.entry('folder')).attributes;
    t.strictSame([folder.mode & 0o777, folder.mtime], [0o700, 1_000_000_000], 'of a folder that went up');
    await files.rename('file', 'moved');
    await set('moved', { mode: 0o600 });
    await files.rename('moved', 'file');
    t.equal(
      (await files.entry('file')).attributes.mode & 0o777,
      0o600,
      'of a file that was back before anything was sent',
    );
    await files.rename('file', 'elsewhere');
    await set('elsewhere', { mode: 0o600 });
    await open.simulator.admin.change({ op: 'update', path: 'file', content: 'theirs' });
    await open.project.mirror.pollNow(new AbortController().signal);
    t.equal((await files.entry('elsewhere')).attributes.mode & 0o777, 0o644, 'until somebody else saves the file');
    await open.drain();
  });

  await t.test('documents that change names at the server are shown under these names', async (t) => {
    const { admin } = open.simulator;
    const [one, two] = await admin.changes([
      { op: 'create', path: 'left', content: '1' },
      { op: 'create', path: 'right', content: '2' },
    ]);
    await open.project.mirror.pollNow(new AbortController().signal);
    await admin.changes([
      { op: 'rename', id: one!.id, to: 'other' },
      { op: 'rename', id: two!.id, to: 'left' },
      { op: 'rename', id: one!.id, to: 'right' },
    ]);
    await open.project.mirror.pollNow(new AbortController().signal);
    t.strictSame(
      (await files.list('')).filter((name) => /left|right/.test(name)),
      ['left', 'right'],
    );
    t.equal(String(await files.read('left')), '2');
  });

  const poll = (): Promise<void> => open.project.mirror.pollNow(new AbortController().signal);
  const { admin } = open.simulator;

  await t.test('what is written to a file that got another version meanwhile is a conflict', async (t) => {
    await files.write('shared.txt', 'base');
    await open.drain();
    const { node } = await files.entry('shared.txt');
    const { handle } = await open.fileSystem.open(node, 1, context);
    await admin.change({ op: 'update', path: 'shared.txt', content: 'theirs' });
    await poll();
    t.equal(String(await files.read('shared.txt')), 'theirs', 'who opens it now sees the newest');
    await open.fileSystem.writable.write(node, handle, 4, Buffer.from(' and ours'), context);
    await open.fileSystem.writable.flush(node, handle, context);
    open.fileSystem.release(node, handle);
    await open.drain();
    t.equal(String(await files.read('shared.txt')), 'theirs');
    const copy = (await files.list('')).find((name) => name.startsWith('shared (conflict'));
    t.equal(copy && String(await files.read(copy)), 'base and ours');
  });

  await t.test('a file that is open for writing, and not written, hands no old bytes to the new version', async (t) => {
    await files.write('same', 'old');
    await open.drain();
    const { node } = await files.entry('same');
    const { handle } = await open.fileSystem.open(node, 1, context);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await admin.change({ op: 'update', path: 'same', content: 'new' });
    await poll();
    await open.fileSystem.writable.flush(node, handle, context);
    open.fileSystem.release(node, handle);
    await open.drain();
    t.equal(String(await files.read('same')), 'new');
    t.notOk((await files.list('')).some((name) => name.startsWith('same (')));
  });

  await t.test('what is written to a file that was deleted at the server meanwhile goes up as new', async (t) => {
    await files.write('lost', 'base');
    await open.drain();
    const { node } = await files.entry('lost');
    const { handle } = await open.fileSystem.open(node, 1, context);
    await admin.change({ op: 'delete', path: 'lost' });
    await poll();
    await open.fileSystem.writable.write(node, handle, 4, Buffer.from('+'), context);
    await open.fileSystem.writable.flush(node, handle, context);
    open.fileSystem.release(node, handle);
    await open.drain();
    t.equal(String(await files.read('lost')), 'base+');
    t.ok((await ids()).has('lost'));
  });

  await t.test('what was only moved here and deleted at the server is deleted', async (t) => {
    await files.write('gone', 'base');
    await open.drain();
    const id = (await ids()).get('gone')!;
    await files.rename('gone', 'moved');
    await admin.change({ op: 'delete', id });
    await open.drain();
    t.notOk(await files.exists('moved'), 'found when it is sent');
    await files.write('gone', 'base');
    await open.drain();
    await files.rename('gone', 'moved');
    await admin.change({ op: 'delete', path: 'gone' });
    await poll();
    t.notOk(await files.exists('moved'), 'found by a poll');
    await open.drain();
  });

  await t.test(
    'a folder that was moved here and deleted at the server is made anew for what waits in it',
    async (t) => {
      await files.mkdir('site');
      await files.write('site/seen', 'seen');
      await open.drain();
      await files.rename('site', 'moved site');
      await files.write('moved site/new', 'new');
      await admin.change({ op: 'delete', path: 'site' });
      await open.tryAll();
      t.strictSame([...(await ids()).keys()].filter((path) => path.includes('site')).sort(), [
        'moved site',
        'moved site/new',
      ]);
      await poll();
      t.strictSame(await files.list('moved site'), ['new'], 'what was deleted with the folder stays deleted');
      await files.rename('moved site', 'site');
      await open.drain();
      t.ok((await ids()).has('site/new'), 'it is a folder as any other');
    },
  );

  await t.test('what is renamed to a name that somebody else has taken meanwhile stands beside it', async (t) => {
    await files.write('plan', 'ours');
    await open.drain();
    await files.rename('plan', 'final');
    await files.mkdir('plan');
    await admin.change({ op: 'create', path: 'final', content: 'theirs' });
    await open.tryAll();
    await poll();
    t.ok((await ids()).has('plan'), 'nothing waits for its place any more');
    const [beside] = (await files.list('')).filter((name) => name.startsWith('final (conflict '));
    t.ok(beside && (await ids()).has(beside));
    t.equal(beside && String(await files.read(beside)), 'ours');
    t.equal(String(await files.read('final')), 'theirs');
  });

  await t.test('a file that was never read here is emptied, however long it is open', async (t) => {
    await admin.change({ op: 'create', path: 'full', content: 'theirs' });
    await poll();
    const { node } = await files.entry('full');
    const { handle } = await open.fileSystem.open(node, 0o1001, context);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await open.fileSystem.writable.flush(node, handle, context);
    open.fileSystem.release(node, handle);
    await open.drain();
    t.equal((await admin.tree()).find(({ path }) => path === 'full')?.size, 0);
  });

  await t.test('times that are set through a handle do not bring back what was unlinked', async (t) => {
    await files.write('temporary', 'x');
    const { node } = await files.entry('temporary');
    const { handle } = await open.fileSystem.open(node, 1, context);
    await files.unlink('temporary');
    await open.fileSystem.writable.setattr(node, { mtime: 1_000_000_000 }, handle, context);
    open.fileSystem.release(node, handle);
    t.notOk(await files.exists('temporary'));
    await open.drain();
  });
});

t.test(
  'a drain is over when what was closed just before is at the server, and not later for what stays open',
  async (t) => {
    const { open, files, ids } = await scene(t);
    const { fileSystem } = open;
    // close(2) returns when the content is acknowledged; that nobody has the file any more the kernel tells afterwards.
    const release = fileSystem.release.bind(fileSystem);
    let late: (() => void)[] = [];
    fileSystem.release = (node, handle) => void late.push(() => release(node, handle));
    await files.write('closed', 'content');
    setTimeout(() => {
      for (const one of late) one();
      late = [];
    }, 200);
    await open.drain();
    t.ok((await ids()).has('closed'));
    await files.write('open', 'content');
    await t.rejects(open.drain(), /left: \[\["open"/);
    t.notOk((await ids()).has('open'));
    for (const one of late) one();
    fileSystem.release = release;
    await open.drain();
    t.ok((await ids()).has('open'));
  },
);

t.test('nobody waits for the place of a folder that was moved here and deleted by somebody else', async (t) => {
  const { open, files, ids } = await scene(t);
  await files.mkdir('plans');
  await open.drain();
  await files.rename('plans', 'moved');
  await files.write('moved/own.txt', 'new here');
  await files.mkdir('plans');
  await open.simulator.admin.change({ op: 'delete', path: 'plans' });
  await open.project.mirror.pollNow(new AbortController().signal);
  const left = await open.project.scheduler.drain(AbortSignal.timeout(20_000));
  t.strictSame(left, []);
  t.strictSame([...(await ids()).keys()].sort(), ['moved', 'moved/own.txt', 'plans']);
});
