import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { isFailure } from '#src/base/errors.js';
import { CommandContext } from '#src/cli/command.js';
import { jobCommands } from '#src/cli/jobs/index.js';
import { Connections } from '#src/connections/store.js';
import { contentOf, put } from '../support/jobs.js';
import { Installation } from '../support/mounted.js';

const isRoot = process.getuid?.() === 0;

interface Said {
  readonly exit?: number;
  readonly line: RegExp;
}

/** A command that fails with one line: what, why, what to do. */
async function fails(t: Test, installation: Installation, words: readonly string[], { exit = 1, line }: Said) {
  const ran = await installation.procorefs(words);
  t.equal(ran.code, exit, words.join(' '));
  t.match(ran.stderr, line, words.join(' '));
  t.match(ran.stderr, /^procorefs: [^\n]+\n$/, 'in one line');
}

/** A small disk of its own. */
class Disk {
  readonly path: string;

  constructor(t: Test, path: string) {
    this.path = path;
    mkdirSync(path);
    t.teardown(() => this.umount());
  }

  mount(options: string): void {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'procorefs-test', this.path]);
  }

  remount(options: string): void {
    execFileSync('mount', ['-o', `remount,${options}`, this.path]);
  }

  umount(): void {
    spawnSync('umount', [this.path]);
  }
}

/** What `jobs add` says in this process: to start a program for each row would take a minute. */
async function refusal(state: string, name: string, flags: Readonly<Record<string, unknown>>) {
  const context = new CommandContext([name], flags, { state });
  const add = jobCommands.find((command) => command.name === 'jobs add')!;
  const failure = await add.run(context).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!isFailure(failure)) throw failure ?? new Error(`${JSON.stringify(flags)} is not refused`);
  return { exit: failure.code === 'usage' ? 2 : 1, line: failure.line };
}

t.test('what cannot be a job is refused in one line, and no job is kept', async (t) => {
  const installation = new Installation(t);
  const { folder, state } = installation;
  const [from, to] = [join(folder, 'a'), join(folder, 'b')];
  put(from, { 'one.txt': '1' });
  mkdirSync(to);
  const cut = join(folder, 'cut.json');
  const list = join(folder, 'list.json');
  writeFileSync(cut, '{"a":');
  writeFileSync(list, '[1]');
  const set = (...words: string[]) => ({ from, to, set: words });
  const rows: readonly (readonly [object, Said, name?: string])[] = [
    [set('colour=red'), { line: /transfer.colour: no such key/ }],
    [set('trash_days=soon'), { line: /transfer.trash_days: .*expected number/ }],
    [set('versioning.select=all'), { line: /versioning.select: "all" cannot be/ }],
    [set('filter.source=[{"action":"include","rules":[]}]'), { line: /filter.source.0.rules/ }],
    [set('names_from=nobody'), { line: /there is no job "nobody"/ }],
    [set('colour'), { exit: 2, line: /"colour" is not KEY=VALUE/ }],
    [set('__proto__.x=1'), { exit: 2, line: /no such key/ }],
    [
      { from, to, schedule: 'now and then' },
      { exit: 2, line: /"now and then" is no schedule/ },
    ],
    [
      { from, to, schedule: '{"mode":' },
      { exit: 2, line: /is no schedule/ },
    ],
    [{ from, to }, { line: /name: no control characters/ }, 'line\nbreak\u001b[2J'],
    [{ from, to }, { line: /name: / }, 'x'.repeat(201)],
    [{ from, to: join(from, 'inside') }, { line: /contain each other/ }],
    [{ from, to: 'Nowhere:/' }, { line: /there is no connection "Nowhere"/ }],
    [
      { from, to: 'relative' },
      { exit: 2, line: /neither CONNECTION.* nor a folder's absolute path/ },
    ],
    [{ from }, { exit: 2, line: /needs --from and --to/ }],
    [
      { file: cut, type: 'sync' },
      { exit: 2, line: /--type beside --file/ },
    ],
    [{ file: cut }, { exit: 2, line: /holds no job/ }],
    [{ file: list }, { exit: 2, line: /holds no job/ }],
    [{ file: join(folder, 'none.json') }, { exit: 2, line: /holds no job/ }],
  ];
  for (const [flags, { exit = 1, line }, name = 'x'] of rows) {
    const said = await refusal(state, name, { ...flags });
    t.equal(said.exit, exit, line.source);
    t.match(said.line, line);
    t.notMatch(said.line, /\n/, 'in one line');
  }
  await fails(t, installation, ['jobs', 'add', 'x', '--from', from, '--to', to, '--set', 'colour=red'], {
    line: /transfer.colour: no such key; correct the key that is named/,
  });
  t.strictSame(JSON.parse(await installation.must(['jobs', 'list', '--json'])), []);
  t.strictSame(contentOf(to), {});
});

t.test(
  'a target that cannot be written, is full or has gone',
  { skip: !isRoot && 'mounting takes root' },
  async (t) => {
    const installation = new Installation(t);
    const from = join(installation.folder, 'from');
    const disk = new Disk(t, join(installation.folder, 'disk'));
    const run = ['jobs', 'run', 'out', '--wait'];
    put(from, { '1.txt': 'small', '3.txt': 'small' });
    writeFileSync(join(from, '2.bin'), Buffer.alloc(3 * 2 ** 20, 'x'));
    disk.mount('size=1m');
    const one = 'performance.parallel_writes.requested=1';
    await installation.must(['jobs', 'add', 'out', '--from', from, '--to', disk.path, '--set', one]);

    disk.remount('ro');
    await fails(t, installation, run, { line: /"out" ended as failed to start.*no permission on .* for writing/ });
    t.strictSame(readdirSync(disk.path), []);

    disk.remount('rw');
    await fails(t, installation, run, { line: /"out" ended as failed.*(full|no space)/ });
    const whole = (): string[] => readdirSync(disk.path).filter((name) => !name.startsWith('.procorefs-'));
    t.strictSame(whole(), ['1.txt'], 'what was whole is there, nothing half');
    disk.remount('size=8m');
    await installation.must(run);
    t.strictSame(whole(), ['1.txt', '2.bin', '3.txt']);
    t.ok(readFileSync(join(disk.path, '2.bin')).equals(readFileSync(join(from, '2.bin'))));

    put(from, { '4.txt': 'more' });
    disk.umount();
    await fails(t, installation, run, { line: /"out" ended as failed to start.*nothing is mounted at / });
    t.strictSame(readdirSync(disk.path), [], 'nothing went to where the disk is missing');
  },
);

t.test('hostile names go as they are or are flagged; a path never leads out', async (t) => {
  const installation = new Installation(t);
  const { folder } = installation;
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  const names = ['-rf', '=cmd|x', '\u001b[31mred', 'a\nb', '$(touch gone)', "it's", 'ü\u0308', '%s', '~', 'COM1'];
  put(from, Object.fromEntries(names.map((name) => [name, name])));
  writeFileSync(Buffer.concat([Buffer.from(`${from}/`), Buffer.from([0xff, 0xfe])]), 'no text');
  mkdirSync(to);
  await installation.must(['jobs', 'add', 'out', '--from', from, '--to', to]);
  await fails(t, installation, ['jobs', 'run', 'out', '--wait'], { line: /"out" ended as warn.*1 items? failed/ });
  t.strictSame(readdirSync(to).sort(), [...names].sort());
  const [row] = JSON.parse(await installation.must(['jobs', 'items', 'out', '--flagged', '--json']));
  t.match(row, { status: 'remediation', reason: 'its name is not valid UTF-8' });
  new Connections(installation.state).addTarget({ name: 'Up', platform: 'fs', uri: to }, undefined, {});
  const said = await refusal(installation.state, 'up', { from, to: 'Up:/../../etc' });
  t.match(said, { exit: 1, line: /it is no path below the root/ });
});
