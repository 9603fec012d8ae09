import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { mounted } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { PATIENT, settings } from '../support/programs.js';

t.test('the versions of a document that took the place of another one are read as they are', async (t) => {
  const { installation, simulator, mnt } = await mounted(t, settings, ['--driver', 'kernel', ...PATIENT]);
  const { admin } = simulator;
  for (const name of ['one', 'two'])
    for (const [n, op] of ['create', 'update', 'update'].entries())
      await admin.change({ op, path: `${name}.txt`, content: `version ${n + 1} of ${name}` });
  await installation.must(['refresh', mnt]);
  const first = (name: string): Promise<string> =>
    readFile(join(mnt, '.procore', 'versions', `${name}.txt`, '1.txt'), 'utf8');
  await until(async () => (await readFile(join(mnt, 'two.txt'), 'utf8')) === 'version 3 of two');
  t.equal(await first('one'), 'version 1 of one');
  // It is a new version of the other document now, and has the versions of that.
  await rename(join(mnt, 'one.txt'), join(mnt, 'two.txt'));
  // So long the kernel keeps names in there.
  await sleep(1500);
  t.equal(await first('two'), 'version 1 of two');
});
