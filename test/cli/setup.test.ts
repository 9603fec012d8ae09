import { mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { atFault, rootRuns } from '#src/cli/root-only.js';
import { fstabLine, putFstabLine } from '#src/cli/setup/fstab.js';
import type { Job } from '#src/jobs/definition/job-schema.js';
import { Installation, isMounted, MAIN } from '../support/mounted.js';
import { simulator } from '../support/simulator.js';

/** A checkout that others than root can change is not installed. */
const fault = atFault(rootRuns(realpathSync(process.execPath), realpathSync(MAIN)));
const skip = fault === undefined ? false : `root alone must own the checkout: ${fault}`;

t.test('setup asks five questions and leaves a mount, an fstab line and a nightly copy-out', { skip }, async (t) => {
  const running = await simulator(t, { items: 30, projects: 2 });
  const { ready } = running;
  const installation = new Installation(t);
  const mnt = installation.mountpoint();
  const fstab = join(installation.folder, 'fstab');
  const before = 'UUID=1234 / ext4 defaults 0 1\n';
  writeFileSync(fstab, before, { mode: 0o644 });
  const to = join(installation.folder, 'copy');
  const prefix = join(installation.folder, 'sbin');
  const chosen = ready.projects[1]!;
  // No connection is there yet: the first question takes its default, a new one.
  const answers = ['', ready.client_id, ready.client_secret, String(ready.company_id), chosen.name, mnt, fstab, to];
  const words = ['setup', '--domain', ready.login, '--api', ready.api, '--prefix', prefix];
  const said = await installation.must(words, { input: `${answers.join('\n')}\n` });
  for (const n of [1, 2, 3, 4, 5]) t.match(said, new RegExp(`^${n}/5 {2}`, 'm'));
  t.match(said, /Connection test succeeded/);
  t.match(said, /\$ procorefs mount /, 'the commands are shown');
  t.notMatch(said, ready.client_secret, 'the secret is not');
  t.match(said, /Next run of the copy-out: /);
  t.ok(isMounted(mnt));

  const line = readFileSync(fstab, 'utf8').slice(before.length).trim();
  t.equal(readFileSync(fstab, 'utf8').slice(0, before.length), before);
  t.equal(statSync(fstab).mode & 0o777, 0o644);
  const source = `Procore:${chosen.name}`;
  t.equal(line, fstabLine(source, mnt, ['_netdev', 'nofail', `state=${installation.state}`]));
  t.notMatch(line.split(' ')[0], /\s/);
  t.ok(statSync(join(prefix, 'mount.procorefs')).mode & 0o100);

  const [job] = JSON.parse(await installation.must(['jobs', 'list', '--json'])) as Job[];
  t.match(job, {
    name: `nightly copy-out of ${source}`,
    transfer: { transfer_type: 'copy' },
    schedule: {
      mode: 'auto',
      run_at: { hr: 22 },
      start_window: { hr: 22 },
      end_window: { hr: 6 },
      repeat_interval: { value: 1, unit: 'h' },
    },
  });
  await installation.must(['jobs', 'run', job!.name, '--wait']);
  const files = (await running.admin.tree({ project: chosen.id })).filter(({ type }) => type === 'file');
  t.ok(files.length > 0);

  const flags = ['--mountpoint', mnt, '--fstab', fstab, '--copy-to', to, '--project', chosen.name, '--prefix', prefix];
  const again = JSON.parse(await installation.must(['setup', '--yes', '--json', ...flags]));
  t.match(again, { connection: 'Procore', source, mountpoint: mnt, job: { id: job!.id, next_run: /T/ } });
  t.equal(readFileSync(fstab, 'utf8'), `${before}${line}\n`, 'a second time changes nothing');
  t.equal((JSON.parse(await installation.must(['jobs', 'list', '--json'])) as Job[]).length, 1);
});

t.test('what cannot be set up stops there, in one line, and keeps what is done', async (t) => {
  const running = await simulator(t, { items: 10 });
  const installation = new Installation(t);
  await installation.connect(running);
  const mnt = installation.mountpoint();
  const ran = await installation.procorefs(['setup', '--yes', '--project', 'No Such', '--mountpoint', mnt]);
  t.equal(ran.code, 1);
  t.match(ran.stderr, /^(.*\n)?procorefs: setup stopped at `procorefs mount 'Procore:No Such' .*sees no project/);
  t.notOk(isMounted(mnt));
});

t.test('an fstab keeps what is not ours', async (t) => {
  const installation = new Installation(t);
  mkdirSync(installation.folder, { recursive: true });
  const file = join(installation.folder, 'fstab');
  putFstabLine(file, fstabLine('A:b c#d', '/mnt/x y', ['nofail']));
  t.equal(readFileSync(file, 'utf8'), 'A:b\\040c\\043d /mnt/x\\040y procorefs nofail 0 0\n');
  writeFileSync(file, '# /mnt/x is mine\n/dev/sda1 /mnt/x ext4 defaults 0 0');
  t.throws(() => putFstabLine(file, fstabLine('A:b', '/mnt/x', [])), { code: 'usage' });
  putFstabLine(file, fstabLine('A:b', '/mnt/y', ['nofail']));
  putFstabLine(file, fstabLine('A:c', '/mnt/y', ['nofail']));
  t.equal(
    readFileSync(file, 'utf8'),
    '# /mnt/x is mine\n/dev/sda1 /mnt/x ext4 defaults 0 0\nA:c /mnt/y procorefs nofail 0 0\n',
  );
});
