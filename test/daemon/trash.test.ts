import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { mounted } from '../support/mounted.js';
import { atServer, callsOf, drained, must, PATIENT, savedOnce, settings } from '../support/programs.js';

const TRASH = '.Trash-0';

t.test('what goes to the trash is deleted at the server and kept here; what returns in time never left', async (t) => {
  const project = await mounted(t, settings, PATIENT);
  const { installation, simulator, source, mnt } = project;
  await simulator.admin.change({ op: 'create', path: 'old.txt', content: 'never read here' });
  await simulator.admin.change({ op: 'create', path: 'back.txt', content: 'comes back' });
  await installation.must(['refresh', mnt]);
  const before = await atServer(project);
  await simulator.admin.reset();
  await must('gio', ['trash', join(mnt, 'old.txt')]);
  await must('gio', ['trash', join(mnt, 'back.txt')]);
  t.strictSame((await readdir(mnt)).sort(), [TRASH, 'Schedules']);
  t.match(await readFile(join(mnt, TRASH, 'info', 'old.txt.trashinfo'), 'utf8'), /Path=old\.txt/);
  await rename(join(mnt, TRASH, 'files', 'back.txt'), join(mnt, 'back.txt'));
  await rm(join(mnt, TRASH, 'info', 'back.txt.trashinfo'));
  await drained(project);
  t.equal(await callsOf(project), 1, 'one deletion');
  const after = await atServer(project);
  t.strictSame(after.get('back.txt'), before.get('back.txt'));
  t.strictSame([...after.keys()].sort(), ['Schedules', 'back.txt'], 'no trash at the server');
  t.equal(await readFile(join(mnt, TRASH, 'files', 'old.txt'), 'utf8'), 'never read here');

  await installation.must(['umount', mnt]);
  await installation.must(['mount', source, mnt, ...PATIENT]);
  t.equal(await readFile(join(mnt, TRASH, 'files', 'old.txt'), 'utf8'), 'never read here', 'after a new mount');
  await rename(join(mnt, TRASH, 'files', 'old.txt'), join(mnt, 'again.txt'));
  await drained(project);
  t.match((await atServer(project)).get('again.txt'), { size: 15, versions: 1 });

  await rename(join(mnt, 'again.txt'), join(mnt, TRASH, 'files', 'again.txt'));
  await rm(join(mnt, TRASH), { recursive: true });
  await drained(project);
  t.strictSame([...(await atServer(project)).keys()].sort(), ['Schedules', 'back.txt'], 'the trash is emptied');
});

t.test('GIO copies, lists, renames and deletes', async (t) => {
  const project = await mounted(t, settings, PATIENT);
  const { installation, mnt } = project;
  const gio = (...words: string[]): Promise<string> => must('gio', words);
  const outside = join(installation.folder, 'outside.txt');
  await writeFile(outside, 'from outside');
  await gio('mkdir', join(mnt, 'folder'));
  await gio('copy', outside, join(mnt, 'folder', 'in.txt'));
  await gio('rename', join(mnt, 'folder', 'in.txt'), 'renamed.txt');
  await gio('move', join(mnt, 'folder', 'renamed.txt'), join(mnt, 'moved.txt'));
  t.strictSame((await gio('list', mnt)).trim().split('\n').sort(), ['Schedules', 'folder', 'moved.txt']);
  t.match(await gio('info', join(mnt, 'moved.txt')), /standard::size: 12/);
  await drained(project);
  t.strictSame([...(await atServer(project)).keys()].sort(), ['Schedules', 'folder', 'moved.txt']);
  await writeFile(outside, 'and once more');
  await savedOnce(t, project, 'moved.txt', (path) => gio('copy', outside, path), 'gio copy');
  await savedOnce(
    t,
    project,
    'moved.txt',
    (path) => must('sh', ['-c', 'echo saved | gio save "$0"', path]),
    'gio save',
  );
  await gio('remove', join(mnt, 'moved.txt'));
  await drained(project);
  t.strictSame([...(await atServer(project)).keys()].sort(), ['Schedules', 'folder']);
});

t.test('a local folder may hold anything; a folder of the server does not go there by renaming', async (t) => {
  const project = await mounted(t, settings, PATIENT);
  const { mnt } = project;
  await mkdir(join(mnt, TRASH, 'deep', 'er'), { recursive: true });
  await writeFile(join(mnt, TRASH, 'deep', 'a:b?'), 'a name that Procore refuses');
  await mkdir(join(mnt, 'folder'));
  await writeFile(join(mnt, 'folder', 'file.txt'), 'x');
  await drained(project);
  await t.rejects(rename(join(mnt, 'folder'), join(mnt, TRASH, 'folder')), { code: 'EXDEV' });
  await t.rejects(must('gio', ['trash', join(mnt, 'folder')]), /[Tt]rash/, 'desktops ask whether to delete it instead');
  t.equal(await readFile(join(mnt, 'folder', 'file.txt'), 'utf8'), 'x');
  await must('mv', [join(mnt, 'folder'), join(mnt, TRASH, 'folder')]);
  await drained(project);
  t.strictSame([...(await atServer(project)).keys()], ['Schedules'], 'copied there, deleted at the server');
  t.equal(await readFile(join(mnt, TRASH, 'folder', 'file.txt'), 'utf8'), 'x');

  await mkdir(join(mnt, 'new'));
  await writeFile(join(mnt, 'new', 'file.txt'), 'y');
  await rename(join(mnt, 'new'), join(mnt, TRASH, 'new'));
  await drained(project);
  t.strictSame([...(await atServer(project)).keys()], ['Schedules'], 'made here, and never sent');
  await rename(join(mnt, TRASH, 'new'), join(mnt, 'new'));
  await drained(project);
  t.ok((await atServer(project)).has('new/file.txt'), 'taken out of the trash');
});
