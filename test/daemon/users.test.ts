import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Machine, machineUnavailable, type Person, people } from '../support/cases.js';
import { simulator } from '../support/simulator.js';

const skip = machineUnavailable;

t.test('an ordinary user mounts, reads and unmounts with fusermount3, no root anywhere', { skip }, async (t) => {
  const running = await simulator(t, { items: 60, oddNames: 'no' });
  const machine = await Machine.create(t);
  const as = { as: 'alice' } as const;
  await machine.connect(running, as);
  const mnt = machine.mountpoint('mnt', 'alice');
  const ran = await machine.procorefs(['mount', `Procore:${running.ready.projects[0]!.id}`, mnt], as);
  t.equal(ran.code, 0, ran.stderr);
  t.equal(ran.stderr, '', 'no word about root');
  await machine.crawled(mnt, as);
  const files = (await running.admin.tree()).filter(({ type }) => type === 'file');
  const sums = await machine.run('sh', ['-c', `find ${mnt} -type f -exec sha256sum {} +`], as);
  t.equal(sums.code, 0, sums.stderr);
  const seen = new Map(
    sums.stdout
      .trim()
      .split('\n')
      .map((line) => [line.slice(66 + mnt.length + 1), line.slice(0, 64)]),
  );
  t.strictSame(seen, new Map(files.map(({ path, sha256 }) => [path, sha256])));
  const processes = machine.processes();
  t.ok(processes.length > 0);
  for (const { pid, command } of processes)
    t.match(readFileSync(`/proc/${pid}/status`, 'utf8'), new RegExp(`^Uid:\\s+${people.alice.uid}\\s`, 'm'), command);
  t.not((await machine.run('ls', [mnt])).code, 0, 'root is kept out, as FUSE does without allow_other');
  const unmounted = await machine.run('fusermount3', ['-u', mnt], as);
  t.equal(unmounted.code, 0, unmounted.stderr);
  t.ok(await machine.isQuiet(), 'nothing is left');
  await machine.must(['mount', `Procore:${running.ready.projects[0]!.id}`, mnt], as);
  await machine.must(['umount', mnt], as);
  t.ok(await machine.isQuiet(), 'and nothing after our own umount');
});

t.test('root lets others in by allow_other, uid, gid and umask, and nobody without', { skip }, async (t) => {
  const running = await simulator(t, { items: 30, oddNames: 'no' });
  await running.admin.changes([
    { op: 'create', path: 'Private/plan.txt', content: 'secret', parents: true },
    { op: 'permission', path: 'Private', private: true },
  ]);
  const machine = await Machine.create(t);
  await machine.connect(running);
  const source = `Procore:${running.ready.projects[0]!.id}`;
  const mnt = machine.mountpoint('mnt');
  const path = async (): Promise<string> => {
    await machine.crawled(mnt);
    const tree = await running.admin.tree({ hash: false });
    const isShown = (at: string): boolean => !at.startsWith('Private/');
    return join(mnt, tree.find((entry) => entry.type === 'file' && entry.size > 0 && isShown(entry.path))!.path);
  };
  const head = async (file: string, as: Person): Promise<string> => {
    const ran = await machine.run('head', ['-c', '1', file], { as });
    if (ran.code === 0) return `${ran.stdout.length} byte`;
    return /Permission denied|Operation not permitted/.exec(ran.stderr)?.[0] ?? ran.stderr;
  };

  const group = people.alice.gid;
  const quiet = await machine.procorefs(['mount', source, mnt, '-o', `allow_other,uid=0,gid=${group},umask=027`]);
  t.equal(quiet.stderr, '', 'nothing to say');
  const file = await path();
  const { stdout } = await machine.run('stat', ['-c', '%a %u %g', file, mnt]);
  t.equal(stdout, `640 0 ${group}\n750 0 ${group}\n`);
  t.strictSame(
    await Promise.all((['root', 'alice', 'bob', 'eve'] as const).map((person) => head(file, person))),
    ['1 byte', '1 byte', '1 byte', 'Permission denied'],
    'the group reads, others get EACCES',
  );
  const plan = join(mnt, 'Private', 'plan.txt');
  t.equal(await head(plan, 'root'), '1 byte');
  t.equal(await head(plan, 'alice'), 'Permission denied', 'private items are for the owner of the mount');
  const { stderr: inHidden } = await machine.run('rmdir', [join(mnt, '.procore', 'versions')], { as: 'alice' });
  t.match(inHidden, /Permission denied/);
  await machine.must(['umount', mnt]);

  const noted = await machine.procorefs(['mount', source, mnt]);
  t.equal(noted.code, 0);
  t.match(noted.stderr, /^procorefs: only root can read this mount; add -o allow_other.*\n$/, 'one line says so');
  t.strictSame(
    await Promise.all((['root', 'alice', 'eve'] as const).map((person) => head(file, person))),
    ['1 byte', 'Permission denied', 'Permission denied'],
    'only root reads',
  );
  await machine.must(['umount', mnt]);
  t.ok(await machine.isQuiet());
});

t.test('a user may let others in only where /etc/fuse.conf allows it', { skip }, async (t) => {
  const running = await simulator(t, { items: 10, oddNames: 'no' });
  const machine = await Machine.create(t, { scratch: ['/etc'] });
  await machine.connect(running, { as: 'alice' });
  const mnt = machine.mountpoint('mnt', 'alice');
  const words = ['mount', `Procore:${running.ready.projects[0]!.id}`, mnt, '-o', 'allow_other'];
  await machine.run('sh', ['-c', 'echo >/etc/fuse.conf']);
  const refused = await machine.procorefs(words, { as: 'alice' });
  t.equal(refused.code, 1);
  t.match(refused.stderr, /^procorefs: allow_other is not allowed[^\n]*; add the line user_allow_other[^\n]*\n$/);
  t.ok(await machine.isQuiet(), 'nothing is left');
  await machine.run('sh', ['-c', 'echo user_allow_other >/etc/fuse.conf']);
  await machine.must(words, { as: 'alice' });
  const { stdout } = await machine.run('ls', [mnt], { as: 'eve' });
  t.ok(stdout.split('\n').length > 1, 'another user lists');
  t.equal(readdirSync(mnt).length, 0, 'outside of the namespace nothing was mounted');
});
