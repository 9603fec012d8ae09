import { mkdir, readdir, readFile, rename, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { mounted } from '../support/mounted.js';
import { must, settings } from '../support/programs.js';

const OPTIONS = 'settle=3600,poll=3600,umask=022';
const { admin, ...project } = await opened();

async function opened() {
  const { installation, simulator, source, mnt } = await mounted(t, settings, ['-o', OPTIONS]);
  const { admin } = simulator;
  await admin.changes([
    { op: 'create', path: 'open.txt', content: 'for all' },
    { op: 'create', path: 'memo.txt', content: 'for one' },
    { op: 'update', path: 'memo.txt', content: 'for one' },
    { op: 'create', path: 'binned.txt', content: 'x' },
    { op: 'permission', path: 'binned.txt', private: true },
    { op: 'delete', path: 'binned.txt' },
    { op: 'create', path: 'secret/plan.txt', content: 'for few', parents: true },
    { op: 'create', path: 'only/inner.txt', content: 'x', parents: true },
    { op: 'permission', path: 'memo.txt', private: true },
    { op: 'permission', path: 'secret', private: true },
    { op: 'permission', path: 'only/inner.txt', private: true },
  ]);
  for (const folder of ['', 'secret', 'only']) await installation.must(['refresh', join(mnt, folder)]);
  const also = async (name: string, options: string, driver = 'kernel'): Promise<string> => {
    const mountpoint = installation.mountpoint(name);
    await installation.must(['mount', source, mountpoint, '--driver', driver, '-o', `${OPTIONS},${options}`]);
    return mountpoint;
  };
  return { admin, installation, source, mnt, also };
}

const mode = async (...path: string[]): Promise<string> => ((await stat(join(...path))).mode & 0o777).toString(8);
const names = async (...path: string[]): Promise<string[]> =>
  (await readdir(join(...path))).filter((name) => name !== 'Schedules').sort();

for (const driver of ['kernel', 'fuse-native'] as const)
  t.test(`${driver}: private items are for the owner alone, whatever chmod says`, async (t) => {
    const mnt = driver === 'kernel' ? project.mnt : await project.also('owner', 'private=owner', driver);
    t.strictSame(await names(mnt), ['memo.txt', 'only', 'open.txt', 'secret']);
    t.equal(await mode(mnt, 'secret'), '700');
    t.equal(await mode(mnt, 'memo.txt'), '600');
    t.equal(await mode(mnt, 'open.txt'), '644');
    t.equal(await mode(mnt, 'only'), '755');
    await must('chmod', ['666', join(mnt, 'memo.txt'), join(mnt, 'open.txt')]);
    t.equal(await mode(mnt, 'memo.txt'), '600');
    t.equal(await mode(mnt, 'open.txt'), '666');
    await must('chmod', ['644', join(mnt, 'open.txt')]);
    t.equal(await readFile(join(mnt, 'secret', 'plan.txt'), 'utf8'), 'for few');
    t.equal(await mode(mnt, '.procore', 'versions', 'secret'), '500');
    t.equal(await mode(mnt, '.procore', 'versions', 'memo.txt', '1.txt'), '400');
    t.equal(await mode(mnt, '.procore', 'recycle', 'binned.txt'), '400');
  });

t.test('-o private=show: as others', async (t) => {
  const mnt = await project.also('show', 'private=show');
  t.equal(await mode(mnt, 'secret'), '755');
  t.equal(await mode(mnt, 'secret', 'plan.txt'), '644');
});

for (const driver of ['kernel', 'fuse-native'] as const)
  t.test(`${driver}: -o private=hide: not there, and nothing of it is lost`, async (t) => {
    const mnt = await project.also(`hide-${driver}`, 'private=hide', driver);
    t.strictSame(await names(mnt), ['only', 'open.txt']);
    t.strictSame(await names(mnt, 'only'), []);
    for (const path of ['memo.txt', 'secret', 'secret/plan.txt', 'only/inner.txt'])
      await t.rejects(stat(join(mnt, path)), { code: 'ENOENT' }, path);
    await t.rejects(readFile(join(mnt, 'memo.txt')), { code: 'ENOENT' });
    t.strictSame(await names(mnt, '.procore', 'versions'), ['only', 'open.txt']);
    t.strictSame(await names(mnt, '.procore', 'recycle'), []);
    for (const path of ['versions/memo.txt', 'versions/secret/plan.txt', 'recycle/binned.txt'])
      await t.rejects(stat(join(mnt, '.procore', path)), { code: 'ENOENT' }, path);
    await t.rejects(rename(join(mnt, 'secret'), join(mnt, 'mine')), { code: 'ENOENT' });
    await t.rejects(rmdir(join(mnt, 'only')), { code: 'ENOTEMPTY' });
    await t.rejects(mkdir(join(mnt, 'secret')), { code: 'EEXIST' });
    await t.rejects(writeFile(join(mnt, 'memo.txt'), 'mine'), { code: 'EEXIST' });
    await t.rejects(rename(join(mnt, 'open.txt'), join(mnt, 'memo.txt')), { code: 'EEXIST' });

    const turn = async (isPrivate: boolean): Promise<void> => {
      await admin.change({ op: 'permission', path: 'memo.txt', private: isPrivate });
      await project.installation.must(['refresh', project.mnt]);
      // What this driver's kernel knows, it may keep for a second.
      if (driver === 'fuse-native') await sleep(1100);
    };
    await turn(false);
    t.equal(await readFile(join(mnt, 'memo.txt'), 'utf8'), 'for one', 'no longer private: it shows');
    t.strictSame(await names(mnt), ['memo.txt', 'only', 'open.txt']);
    await turn(true);
    await t.rejects(stat(join(mnt, 'memo.txt')), { code: 'ENOENT' }, 'private again');
    t.strictSame(await names(mnt), ['only', 'open.txt']);
  });

t.test('analyze, estimate and report count private items; a mount that hides them copies none out', async (t) => {
  const { installation, source, mnt } = project;
  const analysis = JSON.parse(await installation.must(['analyze', source, '--json']));
  t.match(analysis.private, { count: 4 });
  const target = installation.mountpoint('target');
  await installation.must(['jobs', 'add', 'all', '--from', source, '--to', target]);
  t.match(JSON.parse(await installation.must(['jobs', 'estimate', 'all', '--json'])), {
    private: 4,
    private_excluded: 0,
  });
  const copyOut = installation.mountpoint('copied');
  await installation.must(['umount', mnt]);
  await project.also('mnt', `private=hide,copy_out=${copyOut},every=1s`);
  for (;;) {
    const job = (await installation.status(mnt)).jobs.find(({ name }) => name.startsWith('copy-out'));
    // Of its runs, of which there is one each second: only the first has something to do.
    const { executions } = job
      ? (JSON.parse(await installation.must(['jobs', 'show', job.id, '--json'])) as {
          executions: { status: string; stats: { report: string } }[];
        })
      : { executions: [] };
    const done = executions.find(({ status }) => status === 'completed');
    if (!done) {
      await sleep(300);
      continue;
    }
    const report = join(done.stats.report, 'summary.json');
    t.match(JSON.parse(await readFile(report, 'utf8')), { private: 0, private_excluded: 3 });
    break;
  }
  t.strictSame(await names(copyOut), ['only', 'open.txt']);
});
