import { readFileSync } from 'node:fs';
import t from 'tap';
import { ROOT_INODE } from '#src/base/ids.js';
import type { Change } from '#src/mirror/database/changes.js';
import type { Intent } from '#src/outbox/intents/intent.js';
import { discard } from '#src/outbox/uploads-view.js';
import { giveUp } from '#src/project/discard.js';
import { soon } from '../support/processes.js';
import { context, Files, openProject } from '../support/project.js';

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
    for (const intent of [...intents().all()])
      intents().put({ ...intent, content: { ...intent.content, flushed: false } });
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

t.test('who gives up a deletion is shown the document where others have moved it', async (t) => {
  const { project, simulator, fileSystem, drain } = await openProject(t, {}, { deleteDelay: 3_600_000 });
  const files = new Files(fileSystem);
  await files.mkdir('folder');
  await files.write('a.txt', 'a');
  await drain();
  const { outbox, mirror } = project;
  await files.unlink('a.txt');
  const [{ inode }] = [...outbox.intents.all()] as [Intent];
  const folder = outbox.tree.child(outbox.tree.required(ROOT_INODE), 'folder')!;
  await simulator.admin.change({ op: 'move', path: 'a.txt', to: 'folder' });
  await mirror.refresh(folder, 'interactive', new AbortController().signal);
  const told: (readonly Change[])[] = [];
  outbox.tree.events.on('changed', (changes) => told.push(changes));
  giveUp(project, [inode]);
  t.strictSame(await files.list('folder'), ['a.txt']);
  t.match(told, [[{ inode, before: undefined, after: { parent: folder.inode, name: 'a.txt' } }]]);
});

for (const isWriting of [false, true])
  t.test(
    `who gives up what somebody has open ${isWriting ? 'and writes on to' : 'to read'} is shown what the server has`,
    async (t) => {
      const { project, simulator, fileSystem, drain } = await openProject(t, {}, { settle: 3_600_000 });
      const files = new Files(fileSystem);
      await files.write('a.txt', 'known');
      await drain();
      const { outbox } = project;
      await files.write('a.txt', 'not wanted');
      const { node } = await files.entry('a.txt');
      const { handle } = await fileSystem.open(node, isWriting ? 2 : 0, context);
      const paths = giveUp(
        project,
        [...outbox.intents.all()].map(({ inode }) => inode),
      );
      t.strictSame(
        paths.map((path) => readFileSync(path, 'utf8')),
        ['not wanted'],
      );
      const size = async (): Promise<number> => (await files.entry('a.txt')).attributes.size;
      await soon(async () => (await size()) === 5);
      t.equal(await size(), 5);
      t.equal(String(await files.read('a.txt')), 'known');
      t.equal(
        String((await fileSystem.read(node, handle, 0, 100, context)).bytes),
        'not wanted',
        'who has it open keeps it',
      );
      if (isWriting) {
        await fileSystem.writable.write(node, handle, 10, Buffer.from(' so far'), context);
        await fileSystem.writable.flush(node, handle, context);
      }
      fileSystem.release(node, handle);
      const names = (await files.list('')).filter((name) => name.startsWith('a'));
      t.equal(names.length, isWriting ? 2 : 1, 'what is written to it is a file of its own');
      t.equal(String(await files.read('a.txt')), 'known');
      await drain();
      const tree = (await simulator.admin.tree()).filter(({ path }) => path.startsWith('a'));
      t.strictSame(tree.map(({ size }) => size).sort(), isWriting ? [17, 5] : [5]);
      t.strictSame([...outbox.intents.all()], []);
    },
  );
