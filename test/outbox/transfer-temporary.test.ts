import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { uploadLines } from '#src/outbox/uploads-view.js';
import { until } from '../support/processes.js';
import { Files, type OpenProject, openProject } from '../support/project.js';

const paths = async ({ simulator }: OpenProject): Promise<string[]> =>
  (await simulator.admin.tree()).map(({ path }) => path).filter((path) => path !== 'Schedules');

t.test('what looks like a transfer temporary waits for its rename, and in the end goes up', async (t) => {
  const project = await openProject(t, {}, { temporaryDelay: 1500 });
  const files = new Files(project.fileSystem);
  const began = Date.now();
  await files.write('.plan.pdf.AbC123', 'from rsync');
  const lines = uploadLines(project.project.outbox, project.project.scheduler, new Map());
  t.match(lines, [{ path: '.plan.pdf.AbC123', state: 'held', reason: /on its way to another name/ }]);
  await files.write('plain.txt', 'plain');
  await until(async () => (await paths(project)).includes('plain.txt'));
  await until(async () => (await paths(project)).includes('.plan.pdf.AbC123'));
  t.ok(Date.now() - began >= 1500, 'not before its time');
});

t.test('renamed in time it goes up once, under its name', async (t) => {
  const project = await openProject(t, {}, { temporaryDelay: 3_600_000 });
  const files = new Files(project.fileSystem);
  await files.write('.plan.pdf.AbC123', 'from rsync');
  await sleep(200);
  await files.rename('.plan.pdf.AbC123', 'plan.pdf');
  await until(async () => (await paths(project)).includes('plan.pdf'));
  const { byRoute } = await project.simulator.admin.calls();
  t.equal(byRoute['POST /rest/v1.0/files'], 1);
  t.strictSame(await paths(project), ['plan.pdf']);
});

t.test('drain waits a few seconds for the rename, and then sends it under the name that it has', async (t) => {
  const project = await openProject(t, {}, { temporaryDelay: 3_600_000 });
  const files = new Files(project.fileSystem);
  await files.write('.plan.pdf.AbC123', 'from rsync');
  await files.write('left.tmp', 'left');
  const drained = project.drain();
  await sleep(300);
  await files.rename('.plan.pdf.AbC123', 'plan.pdf');
  await drained;
  t.strictSame((await paths(project)).sort(), ['left.tmp', 'plan.pdf']);
});
