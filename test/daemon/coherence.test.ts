import { mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { COHERENT, coherence } from '../scenarios/coherence.js';
import { OpenDirectory } from '../support/coherence/directory.js';
import { Daemon } from '../support/daemon.js';
import { mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';

/** Of each way to mount twice. */
const ROUNDS = 34;

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
