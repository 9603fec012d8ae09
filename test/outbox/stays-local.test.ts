import t from 'tap';
import { discard } from '#src/outbox/uploads-view.js';
import { errnoOf, Files, openProject } from '../support/project.js';

t.test('a folder with a local name stays here with all that is made in it', async (t) => {
  const project = await openProject(t);
  const files = new Files(project.fileSystem);
  await files.mkdir('.Trash-1000');
  await files.mkdir('.Trash-1000/files');
  await files.write('.Trash-1000/files/what?: a name that Procore refuses', 'x');
  await files.write('kept.txt', 'kept');
  await project.drain();
  const tree = (): Promise<string[]> =>
    project.simulator.admin.tree().then((all) => all.map(({ path }) => path).sort());
  t.strictSame(await tree(), ['Schedules', 'kept.txt']);
  await files.mkdir('folder');
  await project.drain();
  t.equal(
    await errnoOf(() => files.rename('folder', '.Trash-1000/files/folder')),
    'EXDEV',
    'a folder that is at the server is copied there, and deleted',
  );
  await files.write('.Trash-1000/files/made.txt', 'made');
  await files.rename('.Trash-1000/files/made.txt', 'made.txt');
  await files.unlink('.Trash-1000/files/what?: a name that Procore refuses');
  await files.write('.Trash-1000/files/below.txt', 'below');
  await files.rename('.Trash-1000', 'binder');
  await project.drain();
  t.strictSame(
    await tree(),
    ['Schedules', 'binder', 'binder/files', 'binder/files/below.txt', 'folder', 'kept.txt', 'made.txt'],
    'what leaves it, or loses the name, goes up',
  );
});

t.test('the deletion of what went to the trash is held with others, and given up with the copy here', async (t) => {
  const project = await openProject(t, {}, { holdAfter: 2, deleteDelay: 3_600_000 });
  const { outbox, scheduler } = project.project;
  const files = new Files(project.fileSystem);
  for (const name of ['a.txt', 'b.txt', 'c.txt']) await files.write(name, name);
  await project.drain();
  await files.mkdir('.Trash-1000');
  for (const name of ['a.txt', 'b.txt', 'c.txt']) await files.rename(name, `.Trash-1000/${name}`);
  const left = await scheduler.drain(AbortSignal.timeout(10_000));
  t.strictSame(
    left.map(({ name, deleted }) => [name, deleted]),
    [
      ['a.txt', true],
      ['b.txt', true],
      ['c.txt', true],
    ],
  );
  t.ok(scheduler.isGuardOn);
  discard(
    outbox,
    left.map(({ inode }) => inode),
  );
  t.strictSame(await files.list(''), ['.Trash-1000', 'Schedules', 'a.txt', 'b.txt', 'c.txt']);
  t.strictSame(await files.list('.Trash-1000'), []);
  t.equal((await files.read('b.txt')).toString(), 'b.txt');
});

t.test('the names of local files mean nothing for folders', async (t) => {
  const project = await openProject(t);
  const files = new Files(project.fileSystem);
  for (const name of ['4913', '.x.swp', '~$x.docx', 'thumbs.db', 'sedAbC123', 'old.tmp', 'old~', 'AB12CD34'])
    await files.mkdir(name);
  t.equal(await errnoOf(() => files.mkdir('a:b.tmp')), 'EINVAL', 'a folder is published under any name');
  await files.rename('old~', 'older~');
  await project.drain();
  const tree = await project.simulator.admin.tree();
  t.strictSame(
    tree
      .map(({ path }) => path)
      .filter((path) => path !== 'Schedules')
      .sort(),
    ['.x.swp', '4913', 'AB12CD34', 'old.tmp', 'older~', 'sedAbC123', 'thumbs.db', '~$x.docx'].sort(),
  );
});
