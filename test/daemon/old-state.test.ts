import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import t from 'tap';
import { silentLog } from '#src/base/log.js';
import { JobOpener, jobsDatabasePath } from '#src/daemon/jobs/opener.js';
import { JobEngine } from '#src/jobs/engine.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import { isLocal } from '#src/outbox/intents/intent.js';
import { Projects } from '#src/project/projects.js';
import { StateFolder } from '#src/project/state-folder.js';
import { contentOf } from '../support/jobs.js';
import { oldState } from '../support/old-state.js';
import { Files, openProjectIn } from '../support/project.js';
import { PROJECT_OPTIONS } from '../support/project-options.js';

const sum = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

/** What people had written, by path, as the old program had it when it was killed. */
const WRITTEN = {
  'interrupted.txt': 'interrupted',
  'acknowledged.txt': 'acknowledged',
  'doubt made.txt': 'made, and nobody knows',
  'doubt lost.txt': 'not made, and nobody knows',
  'half.txt': 'announced, and the bytes were cut',
  'Refused/refused.txt': 'refused',
  'Plans/a.txt': 'plan a, and nobody knows',
  'Plans/c.txt': 'plan c, the next',
  'Plans/d.txt': 'plan d, saved by renaming',
  'Moved/m.txt': 'moves',
  'New/deep/inside.txt': 'inside',
  '.~lock.a.txt#': 'local',
  'under way.txt': 'under way',
  'open.txt': 'open',
  'last.txt': 'last',
};
const VERSIONS: Readonly<Record<string, number>> = { 'Plans/a.txt': 2, 'Plans/c.txt': 2, 'Plans/d.txt': 2 };

t.test('an outbox that 65be2ce left when it was killed opens without loss, and all of it goes up', async (t) => {
  const { simulator, state } = await oldState(t);
  const [folder] = readdirSync(join(state, 'projects')).sort();
  const before = rowsOf(join(state, 'projects', folder!));
  t.ok(before.size > 30);
  const opened = await openProjectIn(t, simulator, state, { settle: 3_600_000, deleteDelay: 3_600_000, holdAfter: 5 });
  const { outbox, pins, checkouts, scheduler, mirror } = opened.project;
  const after = new Map(
    [...outbox.intents.all()].map((one) => [Number(one.inode), `${one.here.parent}/${one.here.name}`]),
  );
  t.strictSame(after, before, 'each change is still there');
  const files = new Files(opened.fileSystem);
  for (const [path, content] of Object.entries(WRITTEN)) t.equal(String(await files.read(path)), content, path);
  for (const gone of ['goes.txt', 'Old', 'Moves/m.txt']) t.notOk(await files.exists(gone), gone);
  t.ok(pins.holder((await opened.project.find('Plans/a.txt', 'interactive'))!), 'what is pinned stays pinned');
  const b = await opened.project.find('Plans/b.txt', 'interactive');
  t.equal(checkouts.own(b.inode)?.why, 'asked');
  t.equal((await files.entry('Moved/there.txt')).attributes.mtime, 1.5e9);

  await mirror.pollNow(AbortSignal.timeout(60_000));
  scheduler.release([...outbox.intents.all()].filter((one) => !isLocal(one)).map(({ inode }) => inode));
  // What was uploaded a week ago is not known to the server any more: that is found by the first attempt.
  for (let again = 0; again < 3; again++) await scheduler.drain(AbortSignal.timeout(60_000));
  t.strictSame(
    [...outbox.intents.all()].map(({ here }) => here.name),
    ['.~lock.a.txt#'],
    'only what is local stays',
  );
  const server = (await simulator.admin.history()).filter(({ path }) => path !== 'Schedules');
  const live = server.filter(({ deleted }) => !deleted);
  for (const [path, content] of Object.entries(WRITTEN)) {
    const found = live.filter((one) => one.path === path);
    if (path.startsWith('.~lock')) t.strictSame(found, []);
    else
      t.strictSame(
        found.map(({ history }) => [history[0], history.length]),
        [[sum(content), VERSIONS[path] ?? 1]],
        path,
      );
  }
  const big = live.find(({ path }) => path === 'Large/big.bin')!;
  t.equal(big.history.length, 2);
  t.equal(big.size, 100_000);
  t.equal(big.sha256, sum(await files.read('Large/big.bin')));
  t.strictSame(
    live.map(({ path }) => path).filter((path) => /conflict|goes|Old/.test(path)),
    [],
  );
});

t.test('a job that 65be2ce was killed in the middle of goes on', async (t) => {
  const { simulator, state: path, disk } = await oldState(t);
  const state = new StateFolder(path);
  const projects = new Projects({ state, options: {}, projectOptions: PROJECT_OPTIONS, log: silentLog });
  const store = new JobStore(jobsDatabasePath(state));
  const opener = new JobOpener({ state, projects, log: silentLog });
  const engine = new JobEngine({ store, opener, folder: state.jobs(), log: silentLog });
  t.teardown(async () => {
    await engine.close();
    store.close();
    await projects.close();
  });
  t.ok(engine.lead());
  const [job] = store.list();
  const records = contentOf(disk);
  const run = await engine.run(job!.id, 'manual');
  t.equal(run.status, 'completed', JSON.stringify(run));
  const id = simulator.ready.projects[1]!.id;
  const live = (await simulator.admin.history({ project: id })).filter(({ deleted }) => !deleted);
  const wanted = Object.entries(records).filter(([name]) => !name.endsWith('/'));
  t.equal(wanted.length, 30);
  for (const [name, content] of wanted) {
    const found = live.filter((one) => one.path === name);
    const versions = content.startsWith('second')
      ? [sum(content), sum(content.replace('second', 'first'))]
      : [sum(content)];
    t.strictSame(
      found.map(({ history }) => history),
      [versions],
      name,
    );
  }
  t.strictSame(contentOf(disk), records, 'nothing goes from the source');
  const again = await engine.run(job!.id, 'manual');
  t.equal(again.stats.copied ?? 0, 0);
});

/** `parent/name` of each change that is written down, by inode, as no program has looked at it since. */
function rowsOf(folder: string): Map<number, string> {
  const copy = mkdtempSync(join(tmpdir(), 'procorefs-rows-'));
  try {
    for (const name of ['outbox.db', 'outbox.db-wal']) copyFileSync(join(folder, name), join(copy, name));
    const db = new BetterSqlite3(join(copy, 'outbox.db'));
    const rows = db.prepare<[], { inode: number; place: string }>(
      "SELECT inode, parent || '/' || name AS place FROM intents",
    );
    const found = new Map(rows.all().map(({ inode, place }) => [inode, place]));
    db.close();
    return found;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
