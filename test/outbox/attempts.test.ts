import t from 'tap';
import { until } from '../support/processes.js';
import { Files, openProject } from '../support/project.js';

t.test('no two attempts have one time, also where the clock was set back over a restart', async (t) => {
  let opened = await openProject(t);
  await until(() => opened.project.mirror.view.crawlDone);
  const { admin } = opened.simulator;
  await admin.faults({
    'reset-after': { route: 'POST /rest/v1.0/files' },
    408: { route: 'GET /rest/v1.0/folders' },
  });
  await new Files(opened.fileSystem).write('a.txt', 'in doubt');
  await opened.tryAll();
  const [attempt] = [...opened.project.outbox.intents.all()];
  t.ok(attempt?.attempt.goal, 'nobody knows what came through');
  opened = await opened.reopen();
  const { intents } = opened.project.outbox;
  t.equal(intents.attemptFrom(attempt!.attempt.at), attempt!.attempt.at + 1);
  t.equal(intents.attemptFrom(attempt!.attempt.at + 1), attempt!.attempt.at + 1);
});
