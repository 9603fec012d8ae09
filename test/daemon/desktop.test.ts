import { spawnSync } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Desktop, until, writePicture } from '../support/desktop.js';
import { mounted } from '../support/mounted.js';
import { atServer, callsOf, drained, PATIENT, savedOnce, settings } from '../support/programs.js';

const missing = ['Xvfb', 'dbus-daemon', 'xdotool', 'thunar', 'mousepad', 'gdbus'].filter(
  (program) => spawnSync('which', [program], { stdio: 'ignore' }).status !== 0,
);
const skip = missing.length > 0 ? `not installed: ${missing.join(', ')}` : false;

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

t.test('a file manager shows a folder, renames, throws away; an editor opens and saves', { skip }, async (t) => {
  const project = await mounted(t, settings, PATIENT);
  const { installation, simulator, mnt } = project;
  await simulator.admin.change({ op: 'create', path: 'plans', type: 'folder' });
  for (let n = 0; n < 60; n++)
    await simulator.admin.change({ op: 'create', path: `plans/page ${n}.txt`, content: `page ${n}\n` });
  await installation.must(['refresh', mnt]);
  const folder = join(mnt, 'plans');
  await installation.must(['refresh', folder]);
  for (let n = 0; n < 3; n++) writePicture(join(folder, `a picture ${n}.ppm`), 64);
  await drained(project);
  const before = await atServer(project);

  const desktop = await Desktop.start(t, installation);
  await simulator.admin.reset();
  await desktop.startThunar();
  const names = async (at: string): Promise<string> => ((await exists(at)) ? (await readdir(at)).sort().join() : '');
  await desktop.showInThunar(folder, 'page 7.txt');
  await desktop.window('^plans - Thunar');
  const thumbnails = join(desktop.home, 'cache', 'thumbnails', 'normal');
  // What has more than the hash in its name is one that is being written, or was left.
  await until(
    'thumbnails of three pictures',
    async () => [...(await names(thumbnails)).matchAll(/\b[0-9a-f]{32}\.png\b/g)].length === 3,
  );
  t.equal(await callsOf(project), 0, 'what is known is shown without a call');

  await desktop.opens('F2', '^Rename.*page 7', '^plans - Thunar');
  await desktop.keys('ctrl+a');
  await desktop.type('cover.txt');
  await desktop.keys('Return');
  await until('the file is renamed', () => exists(join(folder, 'cover.txt')));
  await desktop.window('^plans - Thunar');
  await desktop.closes('ctrl+w', '^plans - Thunar');
  await desktop.showInThunar(folder, 'page 9.txt');
  await desktop.window('^plans - Thunar');
  // Only so does anybody know which file is selected.
  await desktop.opens('F2', '^Rename.*page 9', '^plans - Thunar');
  await desktop.closes('Escape', '^Rename');
  await desktop.window('^plans - Thunar');
  await desktop.keys('Delete');
  const trash = join(mnt, `.Trash-${process.getuid!()}`, 'files');
  await until('the file is in the trash', () => exists(join(trash, 'page 9.txt')));
  t.notOk(await exists(join(folder, 'page 9.txt')));
  await drained(project);
  t.equal(await callsOf(project), 2, 'a renaming and a deletion');
  t.equal(await readFile(join(trash, 'page 9.txt'), 'utf8'), 'page 9\n');

  await savedOnce(
    t,
    project,
    'plans/cover.txt',
    async (path) => {
      const editor = desktop.start('mousepad', ['--disable-server', path]);
      await desktop.window('cover.txt');
      await desktop.type('edited ');
      await desktop.keys('ctrl+s');
      await until('the editor has saved', async () => (await readFile(path, 'utf8')) === 'edited page 7\n');
      await desktop.keys('ctrl+q');
      await until('the editor has ended', async () => editor.exitCode !== null);
    },
    'mousepad',
  );
  const wanted = [...before.keys()].filter((path) => !/page [79]/.test(path));
  t.equal([...(await atServer(project)).keys()].sort().join('\n'), [...wanted, 'plans/cover.txt'].sort().join('\n'));
  t.equal((await atServer(project)).get('plans/cover.txt')?.id, before.get('plans/page 7.txt')?.id);
});
