import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { mirrorLines, serverLines } from '../support/mirror.js';
import { mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { context, Files, openProject } from '../support/project.js';

t.test("changes show again when the server's clock was ahead for some seconds", { timeout: 120_000 }, async (t) => {
  const { installation, simulator, mnt } = await mounted(t, {}, ['--poll', '2']);
  const { admin } = simulator;
  const file = join(mnt, 'a.txt');
  await admin.change({ op: 'create', path: 'a.txt', content: 'before' });
  await installation.crawled(mnt);
  await until(async () => (await readFile(file, 'utf8')) === 'before');
  await admin.faults({ 'clock-skew': 1 });
  await admin.change({ op: 'update', path: 'a.txt', content: 'ahead' });
  await sleep(5000);
  await admin.noFaults();
  await admin.change({ op: 'update', path: 'a.txt', content: 'after' });
  await admin.reset();
  const end = Date.now() + 40_000;
  await until(async () => (await readFile(file, 'utf8')) === 'after' || Date.now() > end);
  t.equal(await readFile(file, 'utf8'), 'after');
  t.ok((await admin.calls()).total <= 10, 'at the next polls');
  t.equal((await installation.status(mnt)).budget.hour.limit, 3600);
});

t.test('what was learned while the clock was ahead hides nothing', async (t) => {
  const first = await openProject(t);
  const { admin } = first.simulator;
  for (const path of ['edited.txt', 'ours.txt', 'theirs.txt', 'renamed.txt'])
    await admin.change({ op: 'create', path, content: 'before' });
  await until(() => first.project.mirror.view.crawlDone);
  await admin.faults({ 'clock-skew': 1 });
  // The first date of a session is believed.
  const { project, fileSystem, drain } = await first.reopen();
  const files = new Files(fileSystem);
  await admin.change({ op: 'update', path: 'edited.txt', content: 'ahead' });
  await admin.change({ op: 'rename', path: 'renamed.txt', to: 'other.txt' });
  await project.mirror.sweepNow('background', context.signal);
  await files.write('ours.txt', 'ours, ahead');
  await files.write('new.txt', 'new, ahead');
  await drain();
  await admin.noFaults();
  await admin.changes([
    { op: 'update', path: 'edited.txt', content: 'after' },
    { op: 'update', path: 'ours.txt', content: 'theirs, after' },
    { op: 'rename', path: 'other.txt', to: 'third.txt' },
    { op: 'delete', path: 'theirs.txt' },
  ]);
  await admin.reset();
  await project.mirror.pollNow(context.signal);
  t.equal((await admin.calls()).total, 3, 'two replies say that the clock was set back');
  t.strictSame(mirrorLines(project.mirror), await serverLines(first.simulator));
  t.equal(String(await files.read('edited.txt')), 'after');
  t.equal(String(await files.read('ours.txt')), 'theirs, after');
  t.ok(project.mirror.sweep.doneAt! <= Date.now() / 1000, 'the next sweep is not a day away');

  await admin.reset();
  await admin.change({ op: 'rename', path: 'third.txt', to: 'last.txt' });
  await project.mirror.pollNow(context.signal);
  t.equal((await admin.calls()).total, 1);
  t.strictSame(mirrorLines(project.mirror), await serverLines(first.simulator));
});
