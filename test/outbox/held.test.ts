import t from 'tap';
import { ROOT_NODE } from '#src/base/ids.js';
import { INTERRUPTED } from '#src/outbox/intent.js';
import { context, Files, openProject } from '../helpers/project.js';

t.test('what waits for a person still does after it was moved, and says why', async (t) => {
  let project = await openProject(t, {}, { settle: 3_600_000 });
  const { writable } = project.fileSystem;
  const { entry, file } = await writable.create(ROOT_NODE, 'a.txt', 0o644, 0o101, context);
  await writable.write(entry.node, file.handle, 0, Buffer.from('half of it'), context);
  project = await project.reopen();
  const files = new Files(project.fileSystem);
  await files.mkdir('folder');
  await files.rename('a.txt', 'folder/b.txt');
  const { outbox, scheduler } = project.project;
  const [left] = await scheduler.drain(AbortSignal.timeout(60_000));
  t.match(left, { name: 'b.txt', state: 'held', reason: INTERRUPTED });
  scheduler.release([...outbox.intents.all()].map(({ inode }) => inode));
  await project.drain();
  t.equal((await project.simulator.admin.tree()).find(({ path }) => path === 'folder/b.txt')?.size, 10);
});
