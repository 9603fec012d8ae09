import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { COHERENT, coherence } from '../scenarios/coherence.js';
import { OpenDirectory } from '../support/coherence/directory.js';
import { Daemon } from '../support/daemon.js';
import { mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';

/** Of each way to mount twice. */
const ROUNDS = 12;

for (const [n, setup] of COHERENT.entries())
  t.test(`two mounts show what the server has, in every handle: ${JSON.stringify(setup)}`, (t) =>
    coherence(t, ROUNDS, { ...setup, poll: 0.2 }, 1 + n * 1000),
  );

t.test('a folder that was removed while somebody is in it, and comes back, can be used', async (t) => {
  const project = await mounted(t, { items: 0 }, ['-o', 'settle=0,delete_delay=3600']);
  const { installation, mnt } = project;
  await installation.crawled(mnt);
  const daemon = new Daemon(project);
  const folder = join(mnt, 'F');
  mkdirSync(folder);
  await daemon.drain();
  const held = new OpenDirectory(folder);
  for (const time of ['once', 'twice']) {
    rmdirSync(folder);
    await daemon.discard(...(await daemon.uploads()));
    await until(() => readdirSync(mnt).includes('F'));
    writeFileSync(join(folder, time), 'x');
    t.strictSame(readdirSync(folder), [time]);
    rmSync(join(folder, time));
    await daemon.drain(1);
  }
  held.close();
});

t.test(
  'a file that comes back at the server after what was written to it became another has its own bytes',
  async (t) => {
    const project = await mounted(t, { items: 0 }, ['-o', 'settle=0,poll=3600']);
    const { installation, mnt } = project;
    const { admin } = project.simulator;
    await installation.crawled(mnt);
    const daemon = new Daemon(project);
    await admin.change({ op: 'create', path: 'a.txt', content: 'theirs' });
    await daemon.refresh();
    const path = join(mnt, 'a.txt');
    const held = openSync(path, 'r');
    try {
      await admin.network('down');
      appendFileSync(path, ' and ours');
      await admin.change({ op: 'delete', path: 'a.txt' });
      // It is there again when it is to be created anew: its name is taken.
      await admin.faults({ '503-retry-after': { count: 1, retry_after: 2, route: 'POST /rest/v1.0/files' } });
      await admin.network('up');
      await until(async () => (await admin.faults({}))['503-retry-after']?.hits === 1);
      await admin.change({ op: 'restore', path: 'a.txt' });
      await daemon.drain();
      await daemon.refresh();
      const [beside] = readdirSync(mnt).filter((name) => name.startsWith('a (conflict'));
      t.equal(readFileSync(join(mnt, beside!), 'utf8'), 'theirs and ours');
      await until(() => statSync(path).size === 6);
      t.equal(readFileSync(path, 'utf8'), 'theirs');
    } finally {
      closeSync(held);
    }
  },
);
