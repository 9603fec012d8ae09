import t from 'tap';
import { INTERRUPTED, type Intent } from '#src/outbox/intents/intent.js';
import { context, Files, openProject } from '../support/project.js';

/** As a crash in the middle of its writing leaves it. */
const interrupted = (intent: Intent): Intent => ({
  ...intent,
  content: { ...intent.content, flushed: false },
  state: 'held',
  reason: INTERRUPTED,
});

t.test('what waits for a person still does after it was moved, and says why', async (t) => {
  const project = await openProject(t, {}, { settle: 3_600_000 });
  const files = new Files(project.fileSystem);
  await files.write('a.txt', 'half of it');
  const { outbox, scheduler } = project.project;
  const [intent] = outbox.intents.all();
  outbox.intents.put(interrupted(intent!));
  await files.mkdir('folder');
  await files.rename('a.txt', 'folder/b.txt');
  const [left] = await scheduler.drain(AbortSignal.timeout(60_000));
  t.match(left, { here: { name: 'b.txt' }, state: 'held', reason: INTERRUPTED });
  scheduler.release([...outbox.intents.all()].map(({ inode }) => inode));
  await project.drain();
  t.equal((await project.simulator.admin.tree()).find(({ path }) => path === 'folder/b.txt')?.size, 10);
});

t.test('who deletes what was being written when the daemon was killed has decided', async (t) => {
  const project = await openProject(t, {}, { settle: 3_600_000, deleteDelay: 3_600_000 });
  const files = new Files(project.fileSystem);
  for (const name of ['a.txt', 'b.txt']) await files.write(name, name);
  await project.drain();
  const { outbox } = project.project;
  for (const name of ['a.txt', 'b.txt']) await files.write(name, 'half of it');
  for (const intent of [...outbox.intents.all()]) outbox.intents.put(interrupted(intent));
  await files.unlink('a.txt');
  t.match(
    [...outbox.intents.all()].find(({ deleted }) => deleted),
    { here: { name: 'a.txt' }, reason: undefined },
  );
  await files.unlink('b.txt');
  await project.drain();
  const tree = await project.simulator.admin.tree();
  t.strictSame(
    tree.filter(({ type }) => type === 'file').map(({ path }) => path),
    [],
  );
});

t.test('a file that was opened, and not written to, when the daemon was killed goes up as it was', async (t) => {
  const waiting = { settle: 3_600_000, deleteDelay: 3_600_000 };
  let project = await openProject(t, {}, waiting);
  const files = new Files(project.fileSystem);
  for (const name of ['a.txt', 'new.txt']) await files.write(name, name);
  await project.drain();
  // Its content is a version at the server.
  await files.rename('new.txt', 'a.txt');
  const { node } = await files.entry('a.txt');
  await project.fileSystem.open(node, 1, context);
  const { intents } = project.project.outbox;
  const opened = [...intents.all()].find(({ state }) => state === 'open')!;
  t.match(opened, { here: { name: 'a.txt' }, content: { staged: false, flushed: false } });
  project = await project.reopen(waiting);
  // As a kill leaves it.
  project.project.outbox.intents.put(opened);
  project = await project.reopen(waiting);
  await project.drain();
  const history = (await project.simulator.admin.history()).filter(
    ({ path, deleted }) => path !== 'Schedules' && !deleted,
  );
  t.match(history, [{ path: 'a.txt', history: { length: 2 } }]);
});
