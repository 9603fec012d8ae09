import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Connections } from '#src/connections/store.js';
import { StateFolder } from '#src/daemon/state-folder.js';
import { Colleague } from '../helpers/interleave/colleague.js';
import { HeldProject } from '../helpers/interleave/held-project.js';
import { HeldServer } from '../helpers/interleave/held-server.js';
import { HeldTime } from '../helpers/interleave/held-time.js';
import { until } from '../helpers/processes.js';
import { addConnection } from '../helpers/simulated-connection.js';
import { Witness } from '../helpers/witness.js';

t.test('a deletion that fails has its pauses also where somebody waits for its place, and ends', async (t) => {
  const time = new HeldTime(Date.now());
  const server = await HeldServer.start(t, () => time.now());
  const folder = mkdtempSync(join(tmpdir(), 'procorefs-pauses-'));
  addConnection(new Connections(folder), server.ready);
  const passing = setInterval(() => time.pass(1000), 2);
  const place = await HeldProject.open(server, time, new StateFolder(folder));
  t.teardown(async () => {
    server.letAllGo();
    await place.close();
    clearInterval(passing);
    rmSync(folder, { recursive: true, force: true });
  });
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
});
