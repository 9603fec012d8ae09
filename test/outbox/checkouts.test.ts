import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { before } from '../support/meanwhile.js';
import { until } from '../support/processes.js';
import { context, Files, fileSystemOf, openProject, polled } from '../support/project.js';

const WRONLY = 1;
/** Milliseconds after which what nobody uses is checked in, and some. */
const TIDIED = 2000;

t.test('a file that is being opened is in use: it is not checked in meanwhile', async (t) => {
  const { fileSystem, project, simulator } = await openProject(t);
  const { mirror, outbox } = project;
  await until(() => mirror.view.crawlDone);
  const { admin } = simulator;
  await admin.change({ op: 'create', path: 'plan.txt', content: 'one' });
  await polled(project);
  const mount = fileSystemOf(project, true);
  t.teardown(() => mount.destroy());
  const { node } = await new Files(fileSystem).entry('plan.txt');
  void before(outbox, 'open', async () => {
    outbox.events.emit('changed');
    await sleep(TIDIED);
  });
  await admin.reset();
  const { handle } = await mount.open(node, WRONLY, context);
  t.equal((await admin.calls()).byRoute['PATCH /rest/v1.0/files/:id'], 1, 'out, and not in again');
  mount.release(node, handle);
  await until(async () => (await admin.calls()).byRoute['PATCH /rest/v1.0/files/:id'] === 2);
  t.pass('in again when it is closed');
});
