import t from 'tap';
import { until } from '../helpers/processes.js';
import { context, Files, openProject } from '../helpers/project.js';

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
  t.equal(String(await fileSystem.read(node, handle, 0, 100, context)), 'first', 'who has it open reads on');
  t.equal(String(await files.read('a.txt')), 'second, longer');
  const again = await fileSystem.open(node, RDONLY, context);
  t.equal(String(await fileSystem.read(node, again.handle, 0, 100, context)), 'first');
  fileSystem.release(node, again.handle);
  fileSystem.release(node, handle);

  await files.write('a.txt', 'third');
  t.equal(String(await files.read('a.txt')), 'third');
});
