import { mkdirSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Connections } from '#src/connections/store.js';
import { StateFolder } from '#src/project/state-folder.js';
import { Installation } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { addConnection } from '../support/simulated-connection.js';
import { simulator } from '../support/simulator.js';

const running = await simulator(t, { projects: 2, items: 0, oddNames: 'no', spike: 3000, hourly: 1_000_000 });
const { admin, ready } = running;
const [first, second] = ready.projects as [Project, Project];
interface Project {
  readonly id: number;
  readonly name: string;
}

const installation = new Installation(t);
addConnection(new Connections(new StateFolder(installation.state).path), ready);
const mnt = installation.mountpoint();
const at = (...names: string[]): string => join(mnt, ...names);
const names = async (...folder: string[]): Promise<string[]> =>
  (await readdir(at(...folder))).filter((name) => name !== 'Schedules').sort();
const idOf = async (path: string): Promise<number> =>
  (await admin.tree({ project: first.id })).find((one) => one.path === path)!.id;
const pathsOf = async ({ id }: Project): Promise<string[]> =>
  (await admin.tree({ project: id })).map(({ path }) => path).filter((path) => path !== 'Schedules');
const lists = (folder: readonly string[], wanted: readonly string[]): Promise<void> =>
  until(async () => JSON.stringify(await names(...folder)) === JSON.stringify([...wanted].sort()));

for (const { id } of [first, second])
  for (const path of ['Plans/Ground.pdf', 'Readme.txt', 'README.TXT'])
    await admin.change({ op: 'create', project: id, path, parents: true, content: `${path} of ${id}` });
await installation.must(['mount', 'Procore:', mnt, '-o', 'ci,settle=3600,delete_delay=0,poll=3600']);
const twin = `README (${await idOf('README.TXT')}).TXT`;

t.test('in a company with -o ci each project finds its items in any case, and keeps its own name', async (t) => {
  for (const { name, id } of [first, second]) {
    t.strictSame((await names(name)).filter((one) => /^README \(\d+\)\.TXT$/.test(one)).length, 1, name);
    for (const path of ['Readme.txt', 'readme.TXT', 'Readme.txt'])
      t.equal(await readFile(at(name, path), 'utf8'), `Readme.txt of ${id}`, `${name}/${path}`);
    for (const path of ['PLANS/GROUND.PDF', 'Plans/Ground.pdf', 'plans/ground.pdf'])
      t.equal(await readFile(at(name, path), 'utf8'), `Plans/Ground.pdf of ${id}`, `${name}/${path}`);
    await t.rejects(readdir(at(name.toUpperCase())), { code: 'ENOENT' });
    await t.rejects(mkdir(at(name, 'plans')), { code: 'EEXIST' });
  }
  t.ok((await names(first.name)).includes(twin));
  await writeFile(at(first.name, 'PLANS', 'ground.PDF'), 'written');
  await until(async () => (await readFile(at(first.name, 'Plans', 'Ground.pdf'), 'utf8')) === 'written');
  await rename(at(first.name, 'plans', 'GROUND.pdf'), at(first.name, 'plans', 'Roof.pdf'));
  await lists([first.name, 'Plans'], ['Roof.pdf']);
  t.strictSame(await names(second.name, 'Plans'), ['Ground.pdf'], 'the other project is another one');
  await mkdir(at(second.name, 'Folder'));
  await rename(at(second.name, 'plans', 'ground.pdf'), at(second.name, 'FOLDER', 'moved.pdf'));
  await lists([second.name, 'folder'], ['moved.pdf']);
  await installation.must(['drain', mnt, '--timeout', '240']);
  t.ok((await pathsOf(first)).includes('Plans/Roof.pdf'));
  t.ok((await pathsOf(second)).includes('Folder/moved.pdf'));
});

t.test('twins in case are in the recycle bin under their own names, and come back as they were shown', async (t) => {
  const bin = [first.name, '.procore', 'recycle'];
  await rm(at(first.name, 'readme.txt'));
  await rm(at(first.name, twin.toLowerCase()));
  await rm(at(first.name, 'PLANS'), { recursive: true });
  await installation.must(['drain', mnt, '--timeout', '240']);
  await lists([first.name], []);
  t.strictSame(await names(...bin), ['Plans', 'README.TXT', 'Readme.txt']);
  for (const name of ['README.TXT', 'Readme.txt'])
    t.equal(await readFile(at(...bin, name), 'utf8'), `${name} of ${first.id}`);
  await t.rejects(readFile(at(...bin, 'readme.txt')), { code: 'ENOENT' }, 'there case counts');
  await installation.must(['restore', at(...bin, 'README.TXT')]);
  await lists([first.name], [twin]);
  await rm(at(first.name, twin));
  await installation.must(['drain', mnt, '--timeout', '240']);
  await installation.must(['restore', at(first.name, twin)]);
  await lists([first.name], [twin]);
  await installation.must(['restore', at(first.name, 'Readme.txt')]);
  await lists([first.name], [twin, 'Readme.txt']);
  t.equal(await readFile(at(first.name, 'readme.TXT'), 'utf8'), `Readme.txt of ${first.id}`);
});

t.test('a job finds what is there in another case, and tells apart what differs in case only', async (t) => {
  const [folder, out] = [join(installation.folder, 'in'), join(installation.folder, 'out')];
  for (const path of ['readme.txt', 'FOLDER/MOVED.pdf', 'FOLDER/Twin.txt', 'FOLDER/TWIN.TXT']) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), `here: ${path}`);
  }
  const before = await admin.tree({ project: second.id });
  const words = ['--set', 'conflict_resolution=source'];
  await installation.must(['jobs', 'add', 'in', '--from', folder, '--to', `Procore:${second.id}`, ...words]);
  await installation.must(['jobs', 'run', 'in', '--wait']);
  const after = await admin.tree({ project: second.id });
  const made = after.filter(({ id }) => !before.some((one) => one.id === id)).map(({ path }) => path);
  t.equal(made.length, 2, made.join());
  t.equal(made.filter((path) => /^Folder\/twin( \(1\))?\.txt$/i.test(path)).length, 2, made.join());
  const saved = after.filter(({ versions }) => versions === 2).map(({ path }) => path);
  t.strictSame(saved.sort(), ['Folder/moved.pdf', 'Readme.txt'], 'each is the same document as before');
  t.equal(await readFile(at(second.name, 'folder', 'MOVED.PDF'), 'utf8'), 'here: FOLDER/MOVED.pdf');
  const again = JSON.parse(await installation.must(['jobs', 'run', 'in', '--wait', '--json']));
  t.equal(again.status, 'no_changes');
  await installation.must(['jobs', 'add', 'out', '--from', `Procore:${second.id}`, '--to', out]);
  await installation.must(['jobs', 'run', 'out', '--wait']);
  const copied = (await readdir(out)).filter((name) => name !== 'Schedules');
  t.strictSame(copied.sort(), await names(second.name), 'out it goes under the names that are shown');
});
