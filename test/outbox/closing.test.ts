import t from 'tap';
import { abortable } from '#src/base/abort.js';
import { ROOT_INODE } from '#src/base/ids.js';
import { Colleague } from '../support/interleave/colleague.js';
import { HeldProject } from '../support/interleave/held-project.js';
import { until } from '../support/processes.js';
import { Witness } from '../support/witness.js';

t.test('a project is closed also while content that is to stay here does not come', async (t) => {
  const { server, place, reopen } = await HeldProject.alone(t);
  const { files, project } = place;
  await files.write('a.txt', 'one');
  await project.scheduler.drain(AbortSignal.timeout(60_000));
  new Colleague(server, new Witness()).update('a.txt');
  await until(async () => {
    await project.mirror.pollNow(new AbortController().signal);
    return project.mirror.view.child(project.mirror.view.item(ROOT_INODE)!, 'a.txt')?.versionNumber === 2;
  });
  await files.mkdir('.Trash-1000');
  await files.rename('a.txt', '.Trash-1000/a.txt');
  const isContent = ({ label }: { readonly label: string }): boolean => label.includes('/prostore/');
  server.isHolding = true;
  const letting = setInterval(() => {
    for (const call of server.held) if (!isContent(call)) call.meet('go');
  }, 5);
  t.teardown(() => clearInterval(letting));
  await until(() => [...server.held].some(isContent));
  const waited = AbortSignal.timeout(60_000);
  const again = await abortable(reopen(), waited);
  t.strictSame(await again.files.list('.Trash-1000'), ['a.txt']);
});
