import t from 'tap';
import { Colleague } from '../support/interleave/colleague.js';
import { HeldProject } from '../support/interleave/held-project.js';
import { until } from '../support/processes.js';
import { Witness } from '../support/witness.js';

t.test('a deletion that fails has its pauses also where somebody waits for its place, and ends', async (t) => {
  const { time, server, place, reopen } = await HeldProject.alone(t);
  const { files, project } = place;
  const colleague = new Colleague(server, new Witness());
  await files.mkdir('Plans');
  await files.write('Plans/a.txt', 'one');
  await project.scheduler.drain(AbortSignal.timeout(60_000));
  let deletions = 0;
  server.between = (label, phase) => {
    if (!label.startsWith('DELETE') || phase !== 'request' || deletions++ > 0) return;
    // Nobody but who may see it can tell what becomes of it.
    colleague.show('Plans/a.txt', false);
    colleague.delete('Plans/a.txt');
  };
  server.world.faults.set('reset-before', { route: 'DELETE', probability: 1, count: 1 });
  await files.unlink('Plans/a.txt');
  const [deletion] = project.outbox.intents.all();
  await until(() => /does not show yet/.test(project.outbox.intents.get(deletion!.inode)?.reason ?? ''));
  await files.write('Plans/a.txt', 'two');
  const began = time.monotonic();
  deletions = 1;
  await until(() => time.monotonic() - began > 600_000);
  t.ok(deletions < 20, `${deletions} calls in ten minutes`);
  await until(() => project.outbox.intents.size === 0);
  t.strictSame([...colleague.tree('Plans')], [['Plans/a.txt', 'two']]);
  // What it took is shown nowhere, so what it was is never known.
  const asked: string[] = [];
  server.between = (label, phase) => {
    if (phase === 'request') asked.push(label);
  };
  await reopen();
  const ended = time.monotonic();
  await until(() => time.monotonic() - ended > 600_000);
  t.ok(asked.length < 20, `${asked.length} calls in ten minutes more: ${asked.slice(0, 10)}`);
});
