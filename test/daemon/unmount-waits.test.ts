import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { askDaemon } from '#src/daemon/control.js';
import type { DrainProgress } from '#src/daemon/draining.js';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import { StateFolder } from '#src/project/state-folder.js';
import { isMounted, mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { atServer, drained, PATIENT, settings } from '../support/programs.js';

t.jobs = 3;

const TOO_BUSY = { '500-html': { on: ['api'] } } as const;

t.test('drain tries again what a busy server refuses, and ends with 0', async (t) => {
  const project = await mounted(t, settings, PATIENT);
  const { simulator, mnt } = project;
  await writeFile(join(mnt, 'a.txt'), 'a');
  await simulator.admin.faults(TOO_BUSY);
  const draining = drained(project);
  await until(async () => ((await simulator.admin.faults({}))['500-html']?.hits ?? 0) > 2);
  await simulator.admin.noFaults();
  await draining;
  t.ok((await atServer(project)).has('a.txt'));
});

t.test('an unmount waits for a busy server, and tells how far it is', async (t) => {
  const project = await mounted(t, settings, PATIENT);
  const { installation, simulator, mnt } = project;
  for (const name of ['a.txt', 'b.txt']) await writeFile(join(mnt, name), name);
  await simulator.admin.faults(TOO_BUSY);
  const { socket } = new StateFolder(installation.state).mount(mnt)!;
  const told: DrainProgress[] = [];
  const words = { mountpoint: mnt, timeout: 300 };
  const unmounting = askDaemon<UploadLine[]>(socket, 'unmount', words, undefined, (progress) =>
    told.push(progress as DrainProgress),
  );
  await until(() => !isMounted(mnt) && told.length > 1);
  t.match(told[0], { left: 2, done: 0, bytes: 10 });
  await simulator.admin.noFaults();
  t.strictSame(await unmounting, []);
  t.match([...(await atServer(project)).keys()].sort(), ['Schedules', 'a.txt', 'b.txt']);
});

t.test(
  'an unmount waits as long as asked also when its daemon has nothing else to do, and lists what is left',
  async (t) => {
    const { installation, simulator, source, mnt } = await mounted(t, settings, PATIENT);
    await writeFile(join(mnt, 'waits.txt'), 'waits');
    await simulator.close();
    const ran = await installation.procorefs(['umount', mnt, '--timeout', '16']);
    t.match(ran, { code: 0, stderr: /1 changes? (is|are) not at the server yet[\s\S]*waits\.txt/ });
    t.notOk(isMounted(mnt));
    await installation.must(['mount', source, mnt, ...PATIENT]);
    t.match(JSON.parse(await installation.must(['uploads', mnt, '--json'])), [{ path: 'waits.txt' }]);
  },
);
