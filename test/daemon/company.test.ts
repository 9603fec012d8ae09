import { readdirSync, readlinkSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { Connections } from '#src/connections/store.js';
import { StateFolder } from '#src/project/state-folder.js';
import { callsButPolls } from '../scenarios/scenarios.js';
import { Daemon } from '../support/daemon.js';
import { Installation, isMounted, run } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { addConnection } from '../support/simulated-connection.js';
import { simulator, unquiet } from '../support/simulator.js';

const PROJECTS = 300;
/** Nothing asks by itself, everything goes up at once, as many calls as may be. */
const QUICK = 'poll=3600,settle=0,delete_delay=0';

const running = await simulator(t, {
  projects: PROJECTS,
  items: 8,
  oddNames: 'no',
  fileSize: 100,
  spike: 3000,
  hourly: 1_000_000,
});
const { admin, ready } = running;
const [first, second, third, fourth] = ready.projects as [Named, Named, Named, Named];
interface Named {
  readonly id: number;
  readonly name: string;
}

function install(t: { teardown(cleanup: () => unknown): unknown }): Installation {
  const installation = new Installation(t);
  addConnection(new Connections(new StateFolder(installation.state).path), ready);
  return installation;
}

/** Paths of what a process has open; none when it has ended. */
function openFilesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((fd) => {
      try {
        return readlinkSync(join(folder, fd));
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

const companyLines = (installation: Installation): number =>
  installation.log().split('projects cannot be changed in a mount of a company').length - 1;

for (const driver of ['kernel', 'fuse-native'])
  t.test(`${driver}: 300 projects in one mount`, async (t) => {
    const installation = install(t);
    const mnt = installation.mountpoint();
    const daemon = new Daemon({ installation, mnt });
    const at = (project: Named, ...names: string[]): string => join(mnt, project.name, ...names);
    const mount = (options = QUICK) => installation.must(['mount', 'Procore:', mnt, '--driver', driver, '-o', options]);
    const moved = `moved by ${driver}.txt`;
    const open = async (): Promise<number[]> => (await daemon.status()).projects!.map(({ id }) => id);
    const filesOf = async (project: Named) =>
      (await admin.tree({ project: project.id })).filter(({ type }) => type === 'file');

    await admin.reset();
    await mount();
    t.equal((await fs.readdir(mnt)).length, PROJECTS);
    const listing = await run('ls', ['-l', mnt]);
    t.equal(listing.stdout.split('\n').filter((line) => line.startsWith('drwx')).length, PROJECTS);
    await fs.access(at(third, '.hidden')).catch(() => undefined);
    const { total, byRoute } = await admin.calls();
    t.equal(total, byRoute['GET /rest/v1.0/projects']);
    t.ok(total <= 5, `${total} calls before ls`);
    t.match(await daemon.status(), { company: { projects: PROJECTS }, projects: [], state: 'ready', driver });
    const names = ready.projects.map(({ name }) => name).sort();
    const shown = await daemon.browse('');
    t.match(shown, { total: PROJECTS, rows: names.slice(0, 3).map((name) => ({ name, path: `/${name}` })) });
    t.match(await daemon.browse('', second.name.toUpperCase()), { rows: [{ name: second.name }] });
    t.match(await daemon.status(), { projects: [] }, 'which opens none');

    t.ok((await fs.readdir(at(first))).length > 0);
    t.strictSame(await open(), [first.id], 'only what is used is opened');
    await until(async () => (await daemon.status()).crawl.done);
    // The list of the company's projects is looked after beside it.
    const crawled = await admin.calls();
    const spent = crawled.total - (crawled.byRoute['GET /rest/v1.0/projects'] ?? 0);
    t.ok(spent <= 4, `and crawled: ${JSON.stringify(crawled.byRoute)}`);
    for (const { path } of await filesOf(first)) t.equal((await fs.readFile(at(first, path))).length, 100);

    const numbers = new Map<number, string>();
    for (const project of [first, second])
      for (const path of ['', ...(await filesOf(project)).map((file) => file.path)]) {
        const { ino } = await fs.stat(at(project, path));
        t.notOk(numbers.has(ino), `${project.name}/${path} has a number of its own`);
        numbers.set(ino, at(project, path));
      }
    t.equal((await fs.stat(mnt)).ino, 1);

    await t.test('what is written goes into its project; between projects it is copied', async (t) => {
      await fs.writeFile(at(first, 'report.txt'), 'draft');
      await fs.rename(at(first, 'report.txt'), at(first, moved));
      await t.rejects(fs.rename(at(first, moved), at(second, moved)), { code: 'EXDEV' });
      t.equal((await run('mv', [at(first, moved), at(second)])).code, 0);
      t.equal(await fs.readFile(at(second, moved), 'utf8'), 'draft');
      t.strictSame(await daemon.drain(), []);
      t.ok((await filesOf(second)).some(({ path }) => path === moved));
      t.notOk((await filesOf(first)).some(({ path }) => path === moved));
    });

    await t.test('the projects themselves cannot be changed here', async (t) => {
      await t.rejects(fs.mkdir(join(mnt, 'new')), { code: 'EPERM' });
      await t.rejects(fs.writeFile(join(mnt, 'new'), ''), { code: 'EPERM' });
      await t.rejects(fs.rmdir(at(fourth)), { code: 'EPERM' });
      await t.rejects(fs.rename(at(fourth), join(mnt, 'new')), { code: 'EPERM' });
      await t.rejects(fs.rename(at(second, moved), join(mnt, 'new')), { code: 'EPERM' });
      t.equal(companyLines(installation), 1, 'one line says why');
    });

    await t.test('a new mount of a known company makes no call, and each item has its number still', async (t) => {
      await installation.must(['umount', mnt]);
      t.notOk(isMounted(mnt));
      await installation.ended();
      await admin.reset();
      const began = Date.now();
      await mount(`${QUICK},ro`);
      t.equal((await fs.readdir(mnt)).length, PROJECTS);
      for (const [ino, path] of numbers) t.equal((await fs.stat(path)).ino, ino, path);
      t.equal(unquiet(await admin.calls(), began), undefined);
      await t.rejects(fs.writeFile(at(first, 'x'), ''), { code: 'EROFS' });
      await installation.must(['umount', mnt]);
    });

    await t.test('a project that nobody uses is closed, and opens again without a call', async (t) => {
      await mount(`${QUICK},idle=0.2`);
      const { path } = (await filesOf(first))[0]!;
      const file = await fs.open(at(first, path), 'r');
      await fs.readdir(at(second));
      await until(async () => !(await open()).includes(second.id));
      t.strictSame(await open(), [first.id], 'what is open stays');
      await file.close();
      await until(async () => (await open()).length === 0);
      await until(() => !openFilesOf(daemon.pid).some((name) => name.includes('/projects/')));
      await admin.reset();
      const began = Date.now();
      t.equal((await fs.readFile(at(first, path))).length, 100);
      t.equal(unquiet(await admin.calls(), began), undefined);
      await installation.must(['umount', mnt]);
    });
  });

t.test('the command line works on a company', async (t) => {
  const installation = install(t);
  const mnt = installation.mountpoint();
  const daemon = new Daemon({ installation, mnt });
  const at = (project: Named, ...names: string[]): string => join(mnt, project.name, ...names);
  const mount = (options: string) => installation.must(['mount', 'Procore:', mnt, '-o', options]);
  const holds = async (project: Named, path: string): Promise<boolean> =>
    (await admin.tree({ project: project.id })).some((one) => one.path === path);
  await mount('poll=3600,settle=3600');

  await t.test('uploads, release and discard of several projects', async (t) => {
    for (const project of [first, second]) await fs.writeFile(at(project, 'waits.txt'), project.name);
    const lines = await daemon.uploads();
    t.strictSame(lines.map(({ path }) => path).sort(), [`${first.name}/waits.txt`, `${second.name}/waits.txt`].sort());
    const wanted = lines.find(({ path }) => path.startsWith(`${second.name}/`))!;
    t.equal(wanted.id, (await fs.stat(at(second, 'waits.txt'))).ino);
    await daemon.discard(wanted);
    await t.rejects(fs.stat(at(second, 'waits.txt')), { code: 'ENOENT' });
    t.equal((await daemon.uploads()).length, 1);
    const text = await installation.must(['status', mnt]);
    t.match(text, new RegExp(`company +Procore: ${PROJECTS} projects`));
    t.match(text, /open +Harbour Tower, Harbour Tower 2/);
  });

  await t.test('a killed daemon’s next one brings everything up, whatever is used', async (t) => {
    await daemon.kill();
    await admin.reset();
    await mount('poll=3600,settle=0');
    await until(() => holds(first, 'waits.txt'));
    t.strictSame(await daemon.drain(), []);
    t.equal(companyLines(installation), 0);
    await until(async () => (await daemon.status()).projects!.length === 0);
    t.pass('and closes what it opened for that');

    await installation.must(['pin', at(second)]);
    await daemon.kill();
    await mount('poll=3600,settle=0');
    await until(async () => (await daemon.status()).projects!.length > 0);
    t.match(await daemon.status(), { projects: [{ id: second.id }] }, 'what is pinned is looked after');
    await installation.must(['unpin', at(second)]);
    await until(async () => (await daemon.status()).projects!.length === 0);
  });

  await t.test('a mount of a project is made by the daemon of the company', async (t) => {
    await fs.readdir(at(third));
    const other = installation.mountpoint('other');
    await installation.must(['mount', `Procore:${third.id}`, other]);
    const single = new Daemon({ installation, mnt: other });
    t.equal(single.pid, daemon.pid);
    t.strictSame(await fs.readdir(other), await fs.readdir(at(third)));
    await fs.writeFile(join(other, 'both.txt'), 'both');
    await until(async () => (await fs.readFile(at(third, 'both.txt'), 'utf8')) === 'both');
    t.match(await single.status(), { project: { id: third.id }, company: undefined });
    const analysis = JSON.parse(await installation.must(['analyze', `Procore:${third.id}`, '--json']));
    t.ok(analysis.files > 0, 'and asked about the project');
    await installation.must(['umount', other]);
    t.ok(await holds(third, 'both.txt'), 'its outbox is empty then');
  });

  await t.test('a job runs where its project is open', async (t) => {
    const target = join(installation.folder, 'out');
    await fs.mkdir(target);
    await installation.must(['jobs', 'add', 'out', '--from', `Procore:${third.id}`, '--to', target]);
    await installation.must(['jobs', 'run', 'out', '--wait']);
    t.equal(await fs.readFile(join(target, 'both.txt'), 'utf8'), 'both');
    t.match(await daemon.status(), { jobs: [{ name: 'out' }] });
  });

  await t.test('refresh: a folder of a project; projects that come, go, and are called otherwise', async (t) => {
    await fs.readdir(at(first));
    await admin.change({ op: 'create', project: first.id, path: 'later.txt', content: 'x' });
    await daemon.refresh(first.name);
    t.ok((await fs.readdir(at(first))).includes('later.txt'));

    const hidden = ready.projects[250]!;
    await admin.change({ op: 'project', project: hidden.id, visible: false });
    await admin.change({ op: 'project', project: fourth.id, to: 'Bridge / Süd' });
    await fs.stat(at(hidden));
    await admin.reset();
    await daemon.refresh();
    // The projects that are open have their first polls at some time.
    t.equal(callsButPolls(await admin.calls()), 3, 'a call for each 100');
    const names = await fs.readdir(mnt);
    t.notOk(names.includes(hidden.name));
    t.notOk(names.includes(fourth.name));
    t.ok(names.includes('Bridge ／ Süd'));
    await t.rejects(fs.stat(at(hidden)), { code: 'ENOENT' }, 'the kernel has forgotten it');
    t.ok((await fs.readdir(join(mnt, 'Bridge ／ Süd'))).length > 0);
    await admin.change({ op: 'project', project: hidden.id, visible: true });
    await daemon.refresh();
    t.ok((await fs.readdir(at(hidden))).length > 0);
  });

  await t.test('a project that the account may not read: EACCES, one call, one line', async (t) => {
    await admin.switches({ 'other-projects': 'present' });
    t.teardown(() => admin.switches({ 'other-projects': 'absent' }));
    await daemon.refresh();
    const refused = join(mnt, 'Project without Documents');
    t.ok((await fs.stat(refused)).isDirectory());
    await admin.reset();
    for (let n = 0; n < 3; n++) await t.rejects(fs.readdir(refused), { code: 'EACCES' });
    await t.rejects(fs.stat(join(refused, 'x')), { code: 'EACCES' });
    t.match(await admin.calls(), { status4xx: 1, byRoute: { 'GET /rest/v1.0/folders': 1 } });
    const lines = installation
      .log()
      .split('\n')
      .filter((line) => line.includes('the project cannot be opened'));
    t.equal(lines.length, 1);
    t.match(lines[0], /Documents tool/);
  });
  await installation.must(['umount', mnt]);
});

t.test('a project that another process has is EBUSY, and says where it is; the others work', async (t) => {
  const installation = install(t);
  const own = installation.mountpoint('own');
  await installation.must(['mount', `Procore:${first.id}`, own]);
  const mnt = installation.mountpoint();
  await installation.must(['mount', 'Procore:', mnt, '-o', 'poll=3600']);
  await t.rejects(fs.readdir(join(mnt, first.name)), { code: 'EBUSY' });
  await t.rejects(fs.readdir(join(mnt, first.name)), { code: 'EBUSY' });
  t.equal(installation.log().split(`it is mounted at ${own}`).length, 2, 'one line');
  t.ok((await fs.readdir(join(mnt, second.name))).length > 0);
  await installation.must(['umount', own]);
  await until(async () => (await fs.readdir(join(mnt, first.name))).length > 0);
  const again = installation.mountpoint('again');
  await installation.must(['mount', 'Procore:', again]);
  t.equal((await fs.readdir(again)).length, PROJECTS, 'a second mount of the company');
  t.equal(new Daemon({ installation, mnt: again }).pid, new Daemon({ installation, mnt }).pid);
  const { pid } = new Daemon({ installation, mnt });
  await installation.must(['umount', mnt]);
  await installation.must(['umount', again]);
  await until(() => openFilesOf(pid).length === 0);
});

t.test('what cannot be is said', async (t) => {
  const installation = install(t);
  const mnt = installation.mountpoint();
  const folder = await installation.procorefs(['mount', 'Procore:/folder', mnt]);
  t.match(folder, { code: 2, stderr: /names a folder, but no project/ });
  const copyOut = await installation.procorefs(['mount', 'Procore:', mnt, '-o', 'copy_out=/tmp/procorefs-nowhere']);
  t.match(copyOut, { code: 2, stderr: /copy_out needs a mount of one project/ });
  t.notOk(isMounted(mnt));
});
