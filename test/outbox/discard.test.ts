import t from 'tap';
import { discard } from '#src/outbox/uploads-view.js';
import { Files, openProject } from '../helpers/project.js';

t.test(
  'who gives up what was being written when the daemon was killed keeps the move and the old content',
  async (t) => {
    const project = await openProject(t, {}, { settle: 3_600_000 });
    const files = (): Files => new Files(project.fileSystem);
    await files().write('old.txt', 'known');
    await project.drain();
    await files().rename('old.txt', 'new.txt');
    await files().write('new.txt', 'half');
    await files().write('fresh.txt', 'half');
    const intents = () => project.project.outbox.intents;
    for (const intent of [...intents().all()]) intents().put({ ...intent, flushed: false });
    Object.assign(project, await project.reopen());
    t.equal([...intents().all()].filter(({ reason }) => /daemon was killed/.test(reason ?? '')).length, 2);

    const { paths } = discard(
      project.project.outbox,
      [...intents().all()].map(({ inode }) => inode),
    );
    t.equal(paths.length, 2, 'the bytes are in lost+found');
    t.equal(String(await files().read('new.txt')), 'known');
    t.notOk(await files().exists('fresh.txt'));
    t.notOk(await files().exists('old.txt'));
    await project.drain();
    const tree = (await project.simulator.admin.tree()).filter(({ type }) => type === 'file');
    t.match(tree, [{ path: 'new.txt', versions: 1 }]);
    t.equal(tree.length, 1);
  },
);
