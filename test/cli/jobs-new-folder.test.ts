import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Installation } from '../support/mounted.js';

t.test('a destination that is not there yet is estimated without being made, and made by the run', async (t) => {
  const installation = new Installation(t);
  const from = join(installation.folder, 'from');
  const to = join(installation.folder, 'not/there/yet');
  mkdirSync(from);
  writeFileSync(join(from, 'a.txt'), 'content');
  await installation.must(['jobs', 'add', 'out', '--from', from, '--to', to]);
  const estimate = JSON.parse(await installation.must(['jobs', 'estimate', 'out', '--json']));
  t.match(estimate, { items: 1, bytes: 7, calls: 0, problems: 0 });
  t.notOk(existsSync(join(installation.folder, 'not')), 'nothing was touched');
  await installation.must(['jobs', 'run', 'out', '--wait']);
  t.equal(readFileSync(join(to, 'a.txt'), 'utf8'), 'content');
});

t.test('a source that is not there does not count as an empty one', async (t) => {
  const installation = new Installation(t);
  const to = join(installation.folder, 'to');
  await installation.must(['jobs', 'add', 'out', '--from', join(installation.folder, 'from'), '--to', to]);
  for (const words of [
    ['estimate', 'out'],
    ['run', 'out', '--wait'],
  ]) {
    const ran = await installation.procorefs(['jobs', ...words]);
    t.equal(ran.code, 1);
    t.match(ran.stderr, /failed_to_start|failed to start/);
  }
  t.notOk(existsSync(to));
});
