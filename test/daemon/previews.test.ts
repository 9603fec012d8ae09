import { spawnSync } from 'node:child_process';
import { copyFileSync, linkSync, mkdirSync } from 'node:fs';
import { open, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Daemon } from '../support/daemon.js';
import { Desktop, until, writePicture } from '../support/desktop.js';
import { Installation, type MountedProject, mounted, run } from '../support/mounted.js';
import { callsOf, must } from '../support/programs.js';
import { simulator } from '../support/simulator.js';

const MIB = 2 ** 20;
const DRAWINGS = 500;
/** `preview_budget`, and what may come on top: the first files of a program whose habit nobody knows yet. */
const BUDGET = 16 * MIB;
const UNRECOGNISED = 8 * MIB;

/** Reads the first 64 KiB of every file of a folder, as who wants to know of what kind they are; counts refusals. */
const LOOK = `
import os, sys
refused = 0
for name in sorted(os.listdir(sys.argv[1])):
    fd = os.open(os.path.join(sys.argv[1], name), os.O_RDONLY)
    try:
        os.read(fd, 65536)
    except BlockingIOError:
        refused += 1
    os.close(fd)
print(refused)
`;

/** A project with a folder of drawings of a little over 1 MiB each. */
async function drawings(
  t: Test,
  count: number,
  words: readonly string[],
): Promise<MountedProject & { readonly folder: string }> {
  const { folder: place } = new Installation(t);
  const from = join(place, 'project');
  const plans = join(from, 'plans');
  mkdirSync(plans, { recursive: true });
  const one = join(place, 'one.ppm');
  writePicture(one, 600);
  for (let n = 0; n < count; n++) linkSync(one, join(plans, `drawing ${String(n).padStart(3, '0')}.ppm`));
  const project = await mounted(t, { from, spike: 1000 }, words);
  await project.installation.crawled(project.mnt);
  return { ...project, folder: join(project.mnt, 'plans') };
}

const fetched = async ({ simulator }: MountedProject): Promise<number> => (await simulator.admin.calls()).storage.bytes;

const refusals = ({ installation }: MountedProject, who: string): number =>
  installation.log().split(`${who} has fetched`).length - 1;

t.test('programs that read for nobody get as many bytes as is said, and people read on', async (t) => {
  const count = 200;
  const project = await drawings(t, count, ['-o', `preview_budget=${BUDGET / 2},poll=3600`]);
  const { installation, simulator, folder } = project;
  const daemon = new Daemon(project);
  await simulator.admin.reset();

  // Without a terminal, and unknown by name.
  const refused = Number(await must('setsid', ['-w', 'python3', '-c', LOOK, folder]));
  t.ok(refused > 0, `${refused} of ${count} files were refused to who only looks at beginnings`);
  t.ok((await fetched(project)) <= BUDGET / 2 + UNRECOGNISED, `${await fetched(project)} bytes`);
  t.ok((await daemon.status()).previews.bytes <= BUDGET / 2);

  const scanner = join(installation.folder, 'clamscan');
  copyFileSync('/usr/bin/head', scanner);
  const last = join(folder, `drawing ${count - 1}.ppm`);
  await simulator.admin.reset();
  const scanned = await run(scanner, ['-c', '1000000', last]);
  t.match(scanned.stderr, /Resource temporarily unavailable/, 'a virus scanner comes too late');
  t.equal(await fetched(project), 0);
  t.equal(refusals(project, 'clamscan'), 1, 'one line says why');
  t.equal((await must('head', ['-c', '1000000', last])).length, 1_000_000, 'somebody else reads it');
  t.equal((await run(scanner, ['-c', '1000000', last])).code, 0, 'and what is cached, everybody');
  t.equal(await callsOf(project), 0);
  t.match(await installation.must(['status', project.mnt]), /previews +\d.* of 8.0 MiB an hour, \d+ refusals/);
});

const missing = ['Xvfb', 'dbus-daemon', 'xdotool', 'thunar', 'gdbus', 'gio'].filter(
  (program) => spawnSync('which', [program], { stdio: 'ignore' }).status !== 0,
);
const skip = missing.length > 0 ? `not installed: ${missing.join(', ')}` : false;

t.test(
  'a file manager opens a folder of 500 drawings: no call, and no more bytes than is said',
  { skip },
  async (t) => {
    const project = await drawings(t, DRAWINGS, ['-o', `preview_budget=${BUDGET},poll=3600`]);
    const { installation, simulator, folder } = project;
    const daemon = new Daemon(project);
    const desktop = await Desktop.start(t, installation);
    await simulator.admin.reset();
    const listed = await desktop.run('gio', ['list', '-a', 'standard::content-type,standard::icon', folder]);
    t.equal(listed.trim().split('\n').length, DRAWINGS);
    t.ok((await fetched(project)) <= BUDGET, `GIO: ${await fetched(project)} bytes`);

    await desktop.startThunar();
    await desktop.showInThunar(folder, 'drawing 000.ppm');
    await desktop.window('^plans - Thunar');
    const thumbnails = join(desktop.home, 'cache', 'thumbnails', 'normal');
    await until('some thumbnails', async () => (await readdir(thumbnails).catch(() => [])).length >= 3);
    // Scrolling has it make those of the rest.
    await until('a refusal', async () => {
      await desktop.keys('Next');
      return (await daemon.status()).previews.refused > 0;
    });
    const { previews } = await daemon.status();
    t.ok(previews.bytes <= BUDGET, `${previews.bytes} bytes for thumbnails`);
    t.ok((await fetched(project)) <= BUDGET + MIB, `${await fetched(project)} bytes in all`);
    t.equal(await callsOf(project), 0);
  },
);

t.test(
  'names that desktops and tools look for everywhere cost no call in a folder that nobody has listed',
  async (t) => {
    const running = await simulator(t, { items: 0, oddNames: 'no', spike: 1000 });
    for (const name of ['tools', 'other', 'third']) {
      await running.admin.change({ op: 'create', path: name, type: 'folder' });
      for (const own of ['.hidden', 'desktop.ini', 'plan.txt'])
        await running.admin.change({ op: 'create', path: `${name}/${own}`, content: `${own} of ${name}` });
    }
    // The crawl does not get anywhere: only the root is listed.
    await running.admin.faults({ '500-html': { probability: 1, route: '/documents' } });
    const installation = new Installation(t);
    await installation.connect(running);
    const at = installation.mountpoint();
    await installation.must(['mount', `Procore:${running.ready.projects[0]!.id}`, at, '-o', 'poll=3600']);
    const there = (path: string): Promise<boolean> =>
      stat(join(at, path)).then(
        () => true,
        () => false,
      );
    await stat(join(at, 'tools'));
    await running.admin.reset();
    const probes =
      '.Trash .Trash-1000 .hidden desktop.ini autorun.inf .git .directory Thumbs.db .DS_Store .xdg-volume-info';
    for (const name of probes.split(' ')) t.notOk(await there(`tools/${name}`), name);
    const listings = async (): Promise<number> =>
      (await running.admin.calls()).byRoute['GET /rest/v1.0/folders/:id'] ?? 0;
    t.equal(await listings(), 0, 'no call');
    t.ok(await there('tools/plan.txt'), 'another name has the folder listed');
    t.equal(await listings(), 1);
    t.ok(await there('tools/.hidden'), 'and what is there of those names shows');
    t.ok(await there('tools/desktop.ini'));
    t.notOk(await there('tools/.git'));
    t.same((await readdir(join(at, 'other'))).sort(), ['.hidden', 'desktop.ini', 'plan.txt']);

    // O_CREAT without O_EXCL opens what it did not see.
    t.notOk(await there('third/.hidden'));
    const appended = await open(join(at, 'third/.hidden'), 'a+');
    t.equal(await appended.readFile('utf8'), '.hidden of third');
    await appended.close();
    await t.rejects(writeFile(join(at, 'third/desktop.ini'), 'x', { flag: 'wx' }), { code: 'EEXIST' });
    await running.admin.noFaults();
  },
);
