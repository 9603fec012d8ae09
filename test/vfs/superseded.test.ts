import t from 'tap';
import { until } from '../support/processes.js';
import { context, Files, openProject } from '../support/project.js';

const RDONLY = 0;
const WRONLY = 1;
const TRUNC = 0o1000;

t.test('nothing is written through the node of a version that is not the current one', async (t) => {
  const opened = await openProject(t, {}, { settle: 3_600_000 });
  const { fileSystem, project, simulator } = opened;
  const { admin } = simulator;
  const files = new Files(fileSystem);
  await until(() => project.mirror.view.crawlDone);
  await admin.change({ op: 'create', path: 'a.txt', content: 'first' });
  const shows = (path: string, content: string) =>
    until(async () => {
      await project.mirror.pollNow(context.signal);
      return (await files.exists(path)) && String(await files.read(path)) === content;
    });
  await shows('a.txt', 'first');
  const { node } = await files.entry('a.txt');
  const { handle } = await fileSystem.open(node, RDONLY, context);
  await admin.change({ op: 'update', path: 'a.txt', content: 'second, longer' });
  await shows('a.txt', 'second, longer');

  for (const flags of [WRONLY, WRONLY | TRUNC])
    await t.rejects(async () => fileSystem.open(node, flags, context), { code: 'version-gone' }, `open ${flags}`);
  for (const changes of [{ size: 0 }, { size: 3 }, { mtime: 5 }, { mode: 0o600 }])
    await t.rejects(async () => fileSystem.writable.setattr(node, changes, undefined, context), {
      code: 'version-gone',
    });
  t.equal(project.outbox.intents.size, 0, 'nothing waits');
  t.equal(String((await fileSystem.read(node, handle, 0, 100, context)).bytes), 'first', 'who has it open reads on');
  t.equal(String(await files.read('a.txt')), 'second, longer');
  const again = await fileSystem.open(node, RDONLY, context);
  t.equal(String((await fileSystem.read(node, again.handle, 0, 100, context)).bytes), 'first');
  fileSystem.release(node, again.handle);
  fileSystem.release(node, handle);

  await files.write('a.txt', 'third');
  t.equal(String(await files.read('a.txt')), 'third');
});

t.test('who has an older version open sees its size while somebody writes to the current one', async (t) => {
  const { fileSystem, project, simulator } = await openProject(t, {}, { settle: 3_600_000 });
  const { admin } = simulator;
  const files = new Files(fileSystem);
  await until(() => project.mirror.view.crawlDone);
  const shows = (content: string) =>
    until(async () => {
      await project.mirror.pollNow(context.signal);
      return (await files.exists('a.txt')) && String(await files.read('a.txt')) === content;
    });
  await admin.change({ op: 'create', path: 'a.txt', content: 'first' });
  await shows('first');
  const older = await files.entry('a.txt');
  const reading = await fileSystem.open(older.node, RDONLY, context);
  await admin.change({ op: 'update', path: 'a.txt', content: 'second, longer' });
  await shows('second, longer');
  const current = await files.entry('a.txt');
  const writing = await fileSystem.open(current.node, WRONLY, context);
  await fileSystem.writable.write(current.node, writing.handle, 0, Buffer.from('third, longer still'), context);
  const sizeOf = async (node: typeof older.node): Promise<number> =>
    (await fileSystem.getattr(node, undefined, context)).attributes.size;
  t.equal(await sizeOf(current.node), 19);
  t.equal(await sizeOf(older.node), 5);
  t.equal((await fileSystem.getattr(older.node, undefined, context)).attributes.mtime, older.attributes.mtime);
  t.equal(String((await fileSystem.read(older.node, reading.handle, 0, 100, context)).bytes), 'first');
  const again = await fileSystem.open(older.node, RDONLY, context);
  t.equal(
    String((await fileSystem.read(older.node, again.handle, 0, 100, context)).bytes),
    'first',
    'also opened anew',
  );
  fileSystem.release(older.node, again.handle);
  fileSystem.release(current.node, writing.handle);
  fileSystem.release(older.node, reading.handle);
});

t.test('a file that is open shows the version of others also after it was moved here', async (t) => {
  const { fileSystem, project, simulator, drain } = await openProject(t, {}, { settle: 3_600_000 });
  const { admin } = simulator;
  const files = new Files(fileSystem);
  await until(() => project.mirror.view.crawlDone);
  await files.write('a.txt', 'written here');
  const { node } = await files.entry('a.txt');
  const { handle } = await fileSystem.open(node, RDONLY, context);
  await drain();
  await files.rename('a.txt', 'b.txt');
  await admin.change({ op: 'update', path: 'a.txt', content: 'theirs' });
  await project.mirror.pollNow(context.signal);
  await until(async () => String(await files.read('b.txt')) === 'theirs');
  await drain();
  t.equal(String(await files.read('b.txt')), 'theirs');
  t.equal((await files.entry('b.txt')).attributes.size, 6);
  t.equal(String((await fileSystem.read(node, handle, 0, 100, context)).bytes), 'written here');
  fileSystem.release(node, handle);
  t.equal(String(await files.read('b.txt')), 'theirs', 'also when it is closed');
  t.match(await admin.tree({ hash: false }), [{}, { path: 'b.txt', size: 6, versions: 2 }]);
});
