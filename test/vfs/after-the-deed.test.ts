import t from 'tap';
import { until } from '../support/processes.js';
import { context, Files, openProject } from '../support/project.js';

t.test('what was done is not answered with an error for what follows from it', async (t) => {
  const { fileSystem, project } = await openProject(t, {}, { settle: 3_600_000 });
  const { outbox } = project;
  const files = new Files(fileSystem);
  await until(() => project.mirror.view.crawlDone);
  await files.write('a.txt', 'a');
  await files.write('b.txt', 'b');
  await files.mkdir('F');
  const { node } = await files.entry('');
  // As where SQLite gets no memory to read, or no room to write.
  outbox.tree.changedIn = () => {
    throw new Error('out of memory');
  };
  outbox.tree.events.on('changed', () => {
    throw new Error('another mount cannot be told');
  });
  const { writable } = fileSystem;
  await writable.unlink(node, 'a.txt', context);
  await writable.rename(node, 'b.txt', node, 'c.txt', true, context);
  await writable.rmdir(node, 'F', context);
  await writable.mkdir(node, 'G', 0o777, context);
  await files.write('d.txt', 'd');
  t.strictSame(
    (await Promise.all(['a.txt', 'b.txt', 'c.txt', 'F', 'G', 'd.txt'].map((path) => files.exists(path)))).map(Number),
    [0, 0, 1, 0, 1, 1],
  );
  t.equal(String(await files.read('d.txt')), 'd');
  t.equal(fileSystem.openFiles, 0, 'nothing stays open');
});

t.test('what the kernel is to be told is told later where the mirror cannot be read for a moment', async (t) => {
  const { fileSystem, project, simulator } = await openProject(t, {}, { settle: 3_600_000 });
  const { mirror, outbox } = project;
  await until(() => mirror.view.crawlDone);
  const told: string[] = [];
  fileSystem.mounted({
    canInvalidate: true,
    invalidateNode: () => Promise.resolve(true),
    invalidateEntry: async (_, name) => void told.push(name),
  });
  await new Files(fileSystem).list('');
  let failures = 0;
  const { item } = outbox.tree;
  outbox.tree.item = () => {
    failures++;
    throw new Error('out of memory');
  };
  await simulator.admin.change({ op: 'create', path: 'theirs.txt', content: 'x' });
  await until(async () => {
    await mirror.pollNow(context.signal);
    return failures > 0;
  });
  outbox.tree.item = item;
  await until(() => told.includes('theirs.txt'));
  t.ok(failures > 0);
});
