import t from 'tap';
import { until } from '../support/processes.js';
import { context, Files, openProject, polled } from '../support/project.js';

const RDWR = 2;
const COUNT = 20;

for (const isCached of [false, true])
  t.test(
    `who opens a file for writing and writes nothing changes nothing: ${isCached ? 'cached' : 'not cached'}`,
    async (t) => {
      const { fileSystem, project, simulator, drain } = await openProject(t);
      const { mirror, outbox } = project;
      const { admin } = simulator;
      await until(() => mirror.view.crawlDone);
      await admin.change({ op: 'create', path: '#.txt', count: COUNT, content: 'one' });
      await polled(project);
      const files = new Files(fileSystem);
      const names = (await files.list('')).filter((name) => name.endsWith('.txt'));
      t.equal(names.length, COUNT);
      await admin.reset();
      for (const name of names) {
        if (isCached) await files.read(name);
        const { node, attributes } = await files.entry(name);
        const { handle } = await fileSystem.open(node, RDWR, context);
        t.equal(String((await fileSystem.read(node, handle, 0, 10, context)).bytes), 'one');
        await fileSystem.writable.flush(node, handle, context);
        fileSystem.release(node, handle);
        t.strictSame([...outbox.intents.all()], [], name);
        t.equal((await files.entry(name)).attributes.mtime, attributes.mtime, 'nor its time');
      }
      await drain();
      const { byRoute } = await admin.calls();
      t.notOk(byRoute['POST /rest/v1.0/file_versions'], 'nobody gets a new version');
    },
  );
