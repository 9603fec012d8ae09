import { appendFile, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { RENAME_EXCHANGE, renameWith } from '../support/exerciser-calls.js';
import { mounted } from '../support/mounted.js';
import { atServer, callsOf, drained, must, PATIENT, savedOnce, settings } from '../support/programs.js';

const DRIVERS = ['kernel', 'fuse-native'] as const;

/** How programs save a text file; `other` lies outside of the mount. */
const savers: Readonly<Record<string, (path: string, other: string) => Promise<unknown>>> = {
  vim: (path) => must('vim', ['-es', '-u', 'NONE', '-c', 'normal Ovim', '-c', 'wq', path]),
  'vim, copying the backup': (path) =>
    must('vim', ['-es', '-u', 'NONE', '--cmd', 'set backup backupcopy=yes', '-c', 'normal Oyes', '-c', 'wq', path]),
  'vim, renaming to the backup': (path) =>
    must('vim', ['-es', '-u', 'NONE', '--cmd', 'set writebackup backupcopy=no', '-c', 'normal Ono', '-c', 'wq', path]),
  'vim with a swap file': (path) =>
    must('vim', ['-es', '-u', 'NONE', '--cmd', 'set swapfile', '-c', 'normal Oswap', '-c', 'w', '-c', 'q', path]),
  'sed -i': (path) => must('sed', ['-i', '1s/^/sed /', path]),
  rsync: (path, other) => must('rsync', ['-a', other, path]),
  'rsync --inplace': (path, other) => must('rsync', ['-a', '--inplace', other, path]),
  'rsync --delay-updates': (path, other) => must('rsync', ['-a', '--delay-updates', other, path]),
  cp: (path, other) => must('cp', [other, path]),
  'cp --remove-destination': (path, other) => must('cp', ['--remove-destination', other, path]),
  install: (path, other) => must('install', ['-m', '644', other, path]),
  'mv from another disk': (path, other) => must('mv', ['-f', other, path]),
  dd: (path, other) => must('dd', [`if=${other}`, `of=${path}`, 'bs=7', 'status=none']),
  'a shell': (path) => must('sh', ['-c', `{ echo one; sleep 0.1; echo two; } > "$0"`, path]),
  'append by a shell': (path) => must('sh', ['-c', 'echo more >> "$0"', path]),
  'os.replace': (path) =>
    must('python3', ['-c', 'import os,sys;p=sys.argv[1];open(p+".new","w").write("py");os.replace(p+".new",p)', path]),
  "VS Code's pattern: truncate, write": (path) => writeFile(path, 'code', { flag: 'r+' }),
  "Word's pattern: save beside, rename away, rename in, delete": async (path) => {
    const folder = join(path, '..');
    await writeFile(join(folder, '~WRD0001.tmp'), `word ${path}`);
    await rename(path, join(folder, '~WRL0002.tmp'));
    await rename(join(folder, '~WRD0001.tmp'), path);
    await rm(join(folder, '~WRL0002.tmp'));
  },
};

for (const driver of DRIVERS)
  t.test(`${driver}: whatever program saves, the document gets one version more`, async (t) => {
    const project = await mounted(t, settings, ['--driver', driver, ...PATIENT]);
    const { installation, mnt } = project;
    const names = Object.keys(savers);
    for (const n of names.keys()) await writeFile(join(mnt, `${n}.txt`), `first of ${n}\n`);
    await drained(project);
    for (const [n, name] of names.entries()) {
      const other = join(installation.folder, `other ${n}`);
      await writeFile(other, `from elsewhere ${n}\n`);
      await savedOnce(t, project, `${n}.txt`, (path) => savers[name]!(path, other), name);
    }
  });

t.test('a log to which somebody appends again and again is one version a settle time', async (t) => {
  const project = await mounted(t, settings, ['-o', 'settle=60,poll=3600']);
  const path = join(project.mnt, 'log.txt');
  await writeFile(path, 'begun\n');
  await drained(project);
  for (let i = 0; i < 8; i++) {
    await appendFile(path, `line ${i}\n`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await drained(project);
  t.equal((await atServer(project)).get('log.txt')?.versions, 2);
  t.match(await readFile(path, 'utf8'), /line 7\n$/);
});

t.test('who follows a file sees what is appended', async (t) => {
  for (const driver of DRIVERS) {
    const { mnt } = await mounted(t, settings, ['--driver', driver, ...PATIENT]);
    const path = join(mnt, 'log.txt');
    await writeFile(path, 'begun\n');
    const script = 'timeout 20 tail -n +1 -f "$0" | head -n 4';
    const following = must('sh', ['-c', script, path]);
    for (const line of ['one', 'two', 'three']) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await appendFile(path, `${line}\n`);
    }
    t.equal(await following, 'begun\none\ntwo\nthree\n', driver);
  }
});

t.test('trees are copied in and out, packed and unpacked, moved with 1 call', async (t) => {
  const project = await mounted(t, settings, PATIENT);
  const { installation, simulator, mnt } = project;
  const from = join(installation.folder, 'from');
  for (let folder = 0; folder < 20; folder++) {
    await mkdir(join(from, `folder ${folder}`), { recursive: true });
    for (let n = 0; n < 5; n++) {
      const path = join(from, `folder ${folder}`, `file ${n}.txt`);
      await writeFile(path, `content ${folder} ${n}\n`.repeat(1 + n));
      await utimes(path, 1_600_000_000, 1_600_000_000 + n);
    }
  }
  await must('chown', ['-R', '1234:1235', from]);
  await simulator.admin.reset();
  await must('cp', ['-a', `${from}/.`, join(mnt, 'in')]);
  await drained(project);
  const calls = await callsOf(project);
  t.comment(`cp -a of 100 files in 20 folders: ${calls} calls`);
  t.ok(calls <= 2 * 100 + 21, `${calls} calls for 100 files in 21 folders`);
  t.equal([...(await atServer(project)).keys()].filter((path) => path.startsWith('in')).length, 121);
  await must('diff', ['-r', from, join(mnt, 'in')]);

  const again = await must('rsync', ['-a', '--stats', `${from}/`, join(mnt, 'in/')]);
  t.match(again, /transferred: 0\b/);

  await simulator.admin.reset();
  await must('mv', [join(mnt, 'in'), join(mnt, 'moved')]);
  await drained(project);
  t.equal(await callsOf(project), 1, 'a folder moved whole');

  await must('tar', ['cf', join(mnt, 'all.tar'), '-C', join(mnt, 'moved'), '.']);
  await must('mkdir', [join(mnt, 'unpacked')]);
  await must('tar', ['xf', join(mnt, 'all.tar'), '-C', join(mnt, 'unpacked')]);
  await must('diff', ['-r', from, join(mnt, 'unpacked')]);
  t.equal((await stat(join(mnt, 'unpacked', 'folder 3', 'file 2.txt'))).mtimeMs, 1_600_000_002_000);
  await must('zip', ['-qr', 'some.zip', 'moved/folder 1', 'moved/folder 2'], mnt);
  await must('zip', ['-T', 'some.zip'], mnt);
  await drained(project);
  const paths = [...(await atServer(project)).keys()];
  t.equal(paths.filter((path) => /^zi|\.zip/.test(path)).join(), 'some.zip');
});

for (const driver of DRIVERS)
  t.test(`${driver}: what belongs to others is copied by root, and belongs to who the mount says`, async (t) => {
    const project = await mounted(t, settings, ['--driver', driver, '-o', 'settle=3600,poll=3600,uid=77,gid=78']);
    const { installation, source, mnt } = project;
    const from = join(installation.folder, 'from');
    await mkdir(join(from, 'folder'), { recursive: true });
    for (const name of ['a.txt', 'folder/b.txt']) await writeFile(join(from, name), name);
    await must('chown', ['-R', '1234:1235', from]);
    await must('tar', ['cpf', join(installation.folder, 'all.tar'), '-C', from, '.']);
    await must('rsync', ['-a', `${from}/`, join(mnt, 'rsync/')]);
    await must('cp', ['-a', from, join(mnt, 'cp')]);
    await must('mkdir', [join(mnt, 'tar')]);
    await must('tar', ['xpf', join(installation.folder, 'all.tar'), '--same-owner', '-C', join(mnt, 'tar')]);
    for (const copy of ['rsync', 'cp', 'tar']) {
      await must('diff', ['-r', from, join(mnt, copy)]);
      t.equal(await must('find', [join(mnt, copy), '-printf', '%U:%G\n']), '77:78\n'.repeat(4), copy);
    }
    t.match(await must('rsync', ['-a', '--stats', `${from}/`, join(mnt, 'rsync/')]), /transferred: 0\b/);
    await drained(project);
    await installation.must(['umount', mnt]);

    await installation.must(['mount', source, mnt, '--driver', driver, '-o', 'strict_owner,uid=77,gid=78']);
    await t.rejects(must('chown', ['1234', join(mnt, 'cp', 'a.txt')]), /Operation not permitted/);
    await t.rejects(must('chgrp', ['1235', join(mnt, 'cp')]), /Operation not permitted/);
    await must('chown', ['77:78', join(mnt, 'cp', 'a.txt')]);
  });

t.test('git and SQLite work on the mount', async (t) => {
  const project = await mounted(t, settings, PATIENT);
  const { mnt } = project;
  const repository = join(mnt, 'repository');
  await mkdir(repository);
  const git = (...words: string[]): Promise<string> =>
    must('git', ['-c', 'user.name=x', '-c', 'user.email=x@y', '-c', 'safe.directory=*', ...words], repository);
  await git('init', '-q');
  await writeFile(join(repository, 'a.txt'), 'one\n');
  await git('add', '.');
  await git('commit', '-qm', 'First');
  await writeFile(join(repository, 'a.txt'), 'two\n');
  await git('commit', '-qam', 'Second');
  t.equal((await git('log', '--format=%s')).trim(), 'Second\nFirst');
  await git('fsck', '--strict');
  const database = join(mnt, 'data.db');
  await must('sqlite3', [database, 'CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);']);
  await drained(project);
  await savedOnce(t, project, 'data.db', (path) => must('sqlite3', [path, 'INSERT INTO t VALUES (3);']), 'sqlite3');
  t.equal((await must('sqlite3', [database, 'SELECT count(*) FROM t; PRAGMA integrity_check;'])).trim(), '3\nok');
  const left = [...(await atServer(project)).keys()].filter((path) => /lock$|tmp_obj|-journal|-wal/.test(path));
  t.strictSame(left, []);
  t.equal((await git('status', '--porcelain')).trim(), '');
});

for (const driver of DRIVERS)
  t.test(`${driver}: exchanging two names is refused; between projects mv copies and deletes`, async (t) => {
    const words = ['--driver', driver, ...PATIENT];
    const project = await mounted(t, { ...settings, projects: 2 }, words);
    const { installation, simulator, mnt } = project;
    const other = installation.mountpoint('other');
    await installation.must(['mount', `Procore:${simulator.ready.projects[1]!.id}`, other, ...words]);
    await writeFile(join(mnt, 'a.txt'), 'a');
    await writeFile(join(mnt, 'b.txt'), 'b');
    t.throws(() => renameWith(RENAME_EXCHANGE, join(mnt, 'a.txt'), join(mnt, 'b.txt')), { code: 'EINVAL' });
    await t.rejects(rename(join(mnt, 'a.txt'), join(other, 'a.txt')), { code: 'EXDEV' });
    t.equal(await readFile(join(mnt, 'a.txt'), 'utf8'), 'a');
    await must('mv', [join(mnt, 'a.txt'), join(other, 'a.txt')]);
    for (const one of [mnt, other]) await installation.must(['drain', one, '--timeout', '240']);
    t.strictSame([...(await atServer(project)).keys()].sort(), ['Schedules', 'b.txt']);
    t.equal(await readFile(join(other, 'a.txt'), 'utf8'), 'a');
  });

t.test('what Procore does not know is refused, and explained once', async (t) => {
  const { installation, mnt } = await mounted(t, settings, PATIENT);
  await writeFile(join(mnt, 'file.txt'), 'x');
  for (let i = 0; i < 2; i++) {
    await t.rejects(must('ln', ['-s', 'file.txt', join(mnt, 'soft')]), /not permitted/);
    await t.rejects(must('ln', [join(mnt, 'file.txt'), join(mnt, 'hard')]), /not permitted/);
    await t.rejects(must('mkfifo', [join(mnt, 'pipe')]), /not permitted/);
  }
  const log = await must('sh', ['-c', 'cat "$0"/*.log "$0"/*/*.log 2>/dev/null; true', installation.state]);
  t.equal([...log.matchAll(/a symbolic link was refused/g)].length, 1);
  t.equal([...log.matchAll(/a hard link was refused/g)].length, 1);
});
