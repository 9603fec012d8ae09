import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { jobsDatabasePath } from '#src/daemon/jobs/opener.js';
import type { Execution } from '#src/jobs/store/executions.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import { StateFolder } from '#src/project/state-folder.js';
import { Folders, put } from '../support/jobs.js';
import { Installation } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { simulator } from '../support/simulator.js';

const FILES = 60;
const SIZE = 10_000;
/** Bytes per second: all of it takes 20 s. */
const RATE = 30_000;

t.test('one daemon runs the jobs; people hold runs up and end them; when it dies, another goes on', async (t) => {
  const running = await simulator(t, { items: 5, projects: 2, oddNames: 'no', spike: 3000, hourly: 1_000_000 });
  const installation = new Installation(t);
  await installation.connect(running);
  const state = new StateFolder(installation.state);
  const [one, two] = running.ready.projects.map(({ id }) => `Procore:${id}`) as [string, string];
  const mount = async (source: string, name: string): Promise<number> => {
    const mnt = installation.mountpoint(name);
    await installation.must(['mount', source, mnt]);
    return state.mount(mnt)!.pid;
  };
  const first = await mount(one, 'one');
  const store = new JobStore(jobsDatabasePath(state));
  t.teardown(() => store.close());
  const leader = (): number => Number(readFileSync(join(installation.state, 'jobs', 'lock'), 'utf8'));
  await until(() => leader() === first);
  const second = await mount(two, 'two');

  const folder = join(installation.folder, 'from');
  const small = join(installation.folder, 'small');
  mkdirSync(folder);
  put(small, { 'small.txt': 'small' });
  for (let n = 0; n < FILES; n++) writeFileSync(join(folder, `${n}.bin`), Buffer.alloc(SIZE, n));
  const slow = ['--set', `performance.upload.bytes_per_second=${RATE}`];
  await installation.must(['jobs', 'add', 'in', '--from', folder, '--to', `${one}/In`, ...slow]);
  await installation.must(['jobs', 'add', 'two', '--from', small, '--to', `${two}/Two`]);
  const last = (name: string): Execution => store.executions(store.get(name).id, 1)[0]!;
  const copied = (): number => last('in').stats.copied ?? 0;

  const ran = JSON.parse(await installation.must(['jobs', 'run', 'two', '--wait', '--json']));
  t.match(ran, { status: 'completed', items: { copied: 1 } });
  t.equal(last('two').pid, second, 'a command asks the leader, and that the owner of the project');

  await installation.must(['jobs', 'run', 'in']);
  await until(() => copied() >= 2);
  t.equal(last('in').pid, first);
  await installation.must(['jobs', 'pause', 'in']);
  await until(() => store.get('in').status === 'paused');
  // What is under way comes to its end; then nothing more goes.
  let held: number;
  do {
    held = copied();
    await sleep(1500);
  } while (copied() > held);
  t.ok(held < FILES, `${held} files when it was paused`);
  t.equal(last('in').ended, undefined);
  await installation.must(['jobs', 'resume', 'in']);
  await until(() => copied() > held);

  process.kill(first, 'SIGKILL');
  await until(() => last('in').pid === second && copied() >= 2);
  t.equal(leader(), second);
  const [, cut] = store.executions(store.get('in').id);
  t.match(cut, { pid: first, status: 'not_complete', reason: 'the process that ran it ended' });
  await installation.must(['jobs', 'cancel', 'in']);
  await until(() => store.get('in').status === 'idle');
  t.equal(last('in').status, 'cancelled');

  const { category: _, ...body } = store.get('in');
  const { upload: __, ...fast } = body.transfer.performance;
  store.replace(body.id, { ...body, transfer: { ...body.transfer, performance: fast }, category: undefined });
  t.match(JSON.parse(await installation.must(['jobs', 'run', 'in', '--wait', '--json'])), { status: 'completed' });
  t.equal(last('in').pid, second);
  const there = (await running.admin.tree()).filter(({ path, type }) => type === 'file' && path.startsWith('In/'));
  t.strictSame(
    there.map(({ path, size, versions }) => [path, size, versions]).sort(),
    Array.from({ length: FILES }, (_, n) => [`In/${n}.bin`, SIZE, 1]).sort(),
    'everything once',
  );
});

t.test('a run that was paused when its process ended waits for a person', async (t) => {
  const folders = new Folders(t);
  const { a, store, engine } = folders;
  put(a, { 'one.txt': '1' });
  const job = folders.add();
  // Nobody runs it.
  const left = store.begin(job.id, 'manual', false, Date.now() - 60_000);
  store.setState(job.id, { status: 'paused' });
  engine.start();
  await until(() => store.execution(left.id)?.ended !== undefined);
  await sleep(1500);
  t.equal(store.executions(job.id).length, 1, 'it is not begun anew');
  t.equal(store.get(job.id).status, 'paused');
  store.ask(job.id, 'resume');
  await until(() => store.executions(job.id).length === 2 && store.get(job.id).status === 'success');
});
