import t from 'tap';
import { errnoOf, Files, openProject } from '../helpers/project.js';

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
  t.equal(
    await errnoOf(() => files.rename('kept.txt', '.Trash-1000/files/kept.txt')),
    'EXDEV',
    'what is at the server is copied there, and deleted',
  );
  await files.write('.Trash-1000/files/made.txt', 'made');
  await files.rename('.Trash-1000/files/made.txt', 'made.txt');
  await files.unlink('.Trash-1000/files/what?: a name that Procore refuses');
  await files.write('.Trash-1000/files/below.txt', 'below');
  await files.rename('.Trash-1000', 'binder');
  await project.drain();
  t.strictSame(
    await tree(),
    ['Schedules', 'binder', 'binder/files', 'binder/files/below.txt', 'kept.txt', 'made.txt'],
    'what leaves it, or loses the name, goes up',
  );
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
