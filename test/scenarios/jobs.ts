import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '#src/base/log.js';
import { Connections } from '#src/connections/store.js';
import { Session } from '#src/procore/session.js';
import { Installation } from '../support/mounted.js';
import { until } from '../support/processes.js';
import { type RunningSimulator, type SimulatorSettings, simulator } from '../support/simulator.js';
import { difference, type Scenario, sums } from './scenarios.js';

/** What `jobs run --wait --json` says. */
export interface JobRun {
  readonly execution: number;
  readonly status: string;
  readonly items: { readonly copied: number; readonly skipped: number; readonly failed: number };
  readonly deleted: number;
  readonly unchanged: number;
  readonly bytes: number;
  readonly calls: number;
  readonly reason?: string;
  readonly report: string;
}

export interface JobEstimate {
  readonly items: number;
  readonly bytes: number;
  readonly calls: number;
  readonly renames: number;
  readonly problems: number;
  readonly deletions: number;
}

/** An installation with a connection to a simulator, and the jobs of it. */
export class JobBench {
  readonly installation: Installation;
  readonly running: RunningSimulator;
  /** `CONNECTION:PROJECT` */
  readonly source: string;

  private constructor(installation: Installation, running: RunningSimulator) {
    this.installation = installation;
    this.running = running;
    this.source = `Procore:${running.ready.projects[0]!.id}`;
  }

  static async create(
    t: Pick<Scenario, 'teardown'>,
    settings: SimulatorSettings | RunningSimulator,
  ): Promise<JobBench> {
    const running = 'admin' in settings ? settings : await simulator(t, settings);
    const installation = new Installation(t);
    await installation.connect(running);
    return new JobBench(installation, running);
  }

  folder(name: string): string {
    const path = join(this.installation.folder, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  async add(name: string, words: readonly string[]): Promise<void> {
    await this.installation.must(['jobs', 'add', name, ...words]);
  }

  async run(name: string): Promise<JobRun> {
    const ran = await this.installation.procorefs(['jobs', 'run', name, '--wait', '--json']);
    if (ran.stdout === '') throw new Error(`the job ${name} did not run: ${ran.stderr}`);
    return JSON.parse(ran.stdout) as JobRun;
  }

  async estimate(name: string): Promise<JobEstimate> {
    return JSON.parse(await this.installation.must(['jobs', 'estimate', name, '--json'])) as JobEstimate;
  }

  /** The next run, and what the simulator counted meanwhile. */
  async counted(name: string) {
    const { admin } = this.running;
    await admin.reset();
    const run = await this.run(name);
    return { run, calls: await admin.calls() };
  }
}

const ROOMY = { hourly: 1_000_000, spike: 100_000, oddNames: 'no' } as const;

/** A crawl of the project by a mount, its first poll included: calls. */
async function crawlCalls(t: Scenario, running: RunningSimulator): Promise<number> {
  const { installation, source } = await JobBench.create(t, running);
  const mnt = installation.mountpoint();
  await running.admin.reset();
  await installation.must(['mount', source, mnt, '-o', 'poll=3600']);
  await installation.crawled(mnt);
  await until(async () => (await installation.status(mnt)).sincePoll !== undefined);
  const { total } = await running.admin.calls();
  await installation.must(['umount', mnt]);
  return total;
}

/** What copies of a project cost: the first, one without changes, one with a changed file, one of expired URLs. */
export async function copyCalls(t: Scenario, items: number): Promise<void> {
  const running = await simulator(t, { ...ROOMY, items, fileSize: 1500, shape: 'wide' });
  const { admin } = running;
  const crawl = await crawlCalls(t, running);
  const most = Math.floor(crawl * 1.01);
  const files = (await admin.tree()).filter(({ type }) => type === 'file');
  const bench = await JobBench.create(t, running);
  const out = bench.folder('out');
  await bench.add('out', ['--from', bench.source, '--to', out]);

  const first = await bench.counted('out');
  t.comment(`${files.length} files: the crawl takes ${crawl} calls, the first run ${first.calls.total}`);
  t.equal(first.run.items.copied, files.length, 'files of the first run');
  t.ok(first.calls.total <= most, `the first run: ${first.calls.total} calls, a crawl ${crawl}`);
  t.equal(
    difference(await sums(out), new Map(files.map(({ path, sha256 }) => [path, sha256!]))),
    '',
    'every byte is right',
  );

  const second = await bench.counted('out');
  t.comment(`nothing changed: ${second.calls.total} calls`);
  t.equal(second.run.status, 'no_changes', 'nothing changed');
  t.ok(second.calls.total <= 2, `nothing changed: ${second.calls.total} calls`);
  t.equal(second.calls.storage.bytes, 0, 'bytes when nothing changed');

  await admin.change({ op: 'update', path: files[0]!.path, content: 'new content' });
  const third = await bench.counted('out');
  t.equal(third.run.items.copied, 1, 'files when one changed');
  t.equal(third.calls.storage.bytes, 11, 'bytes when one changed');
  t.ok(third.calls.total <= 2, `one changed: ${third.calls.total} calls`);

  const fresh = await JobBench.create(t, running);
  const mnt = fresh.installation.mountpoint();
  await fresh.installation.must(['mount', fresh.source, mnt, '-o', 'poll=3600']);
  await fresh.installation.crawled(mnt);
  await admin.expire({ urls: true });
  await fresh.add('out', ['--from', fresh.source, '--to', fresh.folder('out')]);
  const fourth = await fresh.counted('out');
  t.comment(`all URLs expired: ${fourth.calls.total} calls`);
  t.equal(fourth.run.items.copied, files.length, 'files whose URLs had expired');
  t.ok(fourth.calls.total <= most, `all URLs expired: ${fourth.calls.total} calls, a crawl ${crawl}`);
}

/** For each way of transferring: the calls and bytes that were foretold, and what then happened. */
export async function estimates(t: Scenario, items: number): Promise<void> {
  const bench = await JobBench.create(t, { ...ROOMY, items, projects: 2 });
  const { admin, ready } = bench.running;
  const project = ready.projects[1]!.id;
  const other = `Procore:${project}`;
  const compare = async (name: string): Promise<void> => {
    const foretold = await bench.estimate(name);
    const { run, calls } = await bench.counted(name);
    // Beside what the run counts there are the polls: when it begins, before it removes anything at Procore, and any of the
    // mirror's own in between.
    const polls = calls.total - run.calls;
    const spent = run.calls;
    const indexed = calls.byRoute['GET /rest/v1.0/projects/:id/documents'] ?? 0;
    t.ok(
      polls >= 1 && polls <= indexed,
      `${name}: ${polls} polls of ${indexed} looks into the index, and nothing else`,
    );
    t.comment(`${name}: ${foretold.calls} calls foretold, ${spent} made; ${foretold.bytes} and ${run.bytes} bytes`);
    t.equal(run.status, 'completed', `${name}: ${run.reason ?? 'the run'}`);
    t.ok(Math.abs(spent - foretold.calls) <= foretold.calls * 0.05, `${name}: ${spent} calls, not ${foretold.calls}`);
    t.equal(run.bytes, foretold.bytes, `${name}: bytes`);
  };
  const out = bench.folder('out');
  await bench.add('copy out', ['--from', bench.source, '--to', out]);
  await compare('copy out');
  await bench.add('copy in', ['--from', out, '--to', `${other}/Copied in`]);
  await compare('copy in');
  const synced = bench.folder('synced');
  const sync = ['--from', `${other}/Copied in`, '--to', synced, '--type', 'sync'];
  await bench.add('sync', [...sync, '--set', 'delete_propagation=mirror']);
  await compare('sync');
  const files = (await admin.tree({ hash: false, project }))
    .filter(({ type, path }) => type === 'file' && path.startsWith('Copied in/'))
    .map(({ path }) => path);
  const [updated, removed, appended, gone] = files as [string, string, string, string];
  const here = (path: string): string => join(synced, path.slice('Copied in/'.length));
  await admin.change({ op: 'update', project, path: updated, content: 'changed there' });
  await admin.change({ op: 'delete', project, path: removed });
  appendFileSync(here(appended), 'changed here');
  rmSync(here(gone));
  mkdirSync(join(synced, 'new'));
  writeFileSync(join(synced, 'new/file.txt'), 'new');
  await compare('sync');
  await admin.change({ op: 'create', project, path: 'Published/foreign/file.txt', parents: true, content: 'foreign' });
  await bench.add('publish', ['--from', out, '--to', `${other}/Published`, '--type', 'publish']);
  await compare('publish');
  await bench.add('move', ['--from', `${other}/Published`, '--to', bench.folder('moved'), '--type', 'move']);
  await compare('move');
}

export interface Hours {
  /** Seconds of an hour, and calls that it permits. */
  readonly hour: number;
  readonly hourly: number;
  /** What of a complete hour must be used at least; the server's times have whole seconds, which a short hour feels. */
  readonly used: number;
}

/** A job whose calls fill several hours, while a person looks at folders and asks the server something. */
export async function severalHours(
  t: Scenario,
  calls: number,
  hours: Hours,
  how: 'manual' | 'schedule',
): Promise<void> {
  const { hour, hourly } = hours;
  // As much faster than the hour as the server's 25 calls in 10 s are.
  const spikeSeconds = 1;
  const spike = Math.ceil((2.5 * hourly) / hour);
  const bench = await JobBench.create(t, { items: 40, oddNames: 'no', hour, hourly, spike, spikeSeconds });
  const { installation, running, source } = bench;
  const connections = new Connections(installation.state);
  const connection = connections.update(connections.get('Procore').id, {
    rateWindows: { hour, spike: spikeSeconds },
  });
  const folder = bench.folder('in');
  // Two calls a file.
  for (let n = 0; n < calls / 2; n++) writeFileSync(join(folder, `${n}.txt`), `content ${n}`);
  const mnt = installation.mountpoint();
  await installation.must(['mount', source, mnt, '-o', 'poll=3600']);
  await installation.crawled(mnt);
  const { secrets } = connections;
  const session = new Session(connection, { stateFolder: installation.state, secrets, log: silentLog });
  t.teardown(() => session.close());
  const schedule = how === 'manual' ? 'manual' : 'every 1s';
  await bench.add('in', ['--from', folder, '--to', `${source}/In`, '--schedule', schedule]);
  await running.admin.reset();
  const began = Date.now();
  if (how === 'manual') await installation.must(['jobs', 'run', 'in']);
  let [longest, asked] = [0, 0];
  const timed = async (work: () => Promise<unknown>): Promise<void> => {
    const start = performance.now();
    await work();
    longest = Math.max(longest, performance.now() - start);
  };
  let executions: readonly Ended[] = [];
  for (;;) {
    await timed(() => readdir(mnt));
    await timed(() => session.client.me({ class: 'interactive' }));
    asked++;
    await sleep(hour * 25);
    executions = JSON.parse(await installation.must(['jobs', 'show', 'in', '--json'])).executions as Ended[];
    if (executions.some(({ status }) => ['completed', 'warn', 'failed'].includes(status))) break;
  }
  const seconds = (Date.now() - began) / 1000;
  const { windows, status429, total } = await running.admin.calls();
  const complete = windows.slice(0, -1).filter(({ limit }) => limit === hourly);
  const reasons = executions.map(({ status, reason }) => `${status}${reason === undefined ? '' : ` (${reason})`}`);
  t.comment(
    `${how}: ${total} calls (${asked} of a person, who waited ${longest.toFixed(0)} ms at most) in ${seconds.toFixed(0)} s; ` +
      `complete hours used ${complete.map(({ used }) => used).join(', ')} of ${hourly}; runs: ${reasons.join('; ')}`,
  );
  const cut = executions.filter(({ status }) => status === 'not_complete');
  t.ok(
    executions.some(({ status }) => status === 'completed'),
    `everything is there: ${reasons.join('; ')}`,
  );
  t.ok(complete.length >= Math.floor((calls - 1) / hourly), `${complete.length} complete hours`);
  // Of the first hour a part had passed when the job began; in another it ended.
  let sum = complete[0]?.used ?? 0;
  for (const { used } of complete.slice(1)) {
    sum += used;
    if (sum < calls) t.ok(used >= hours.used * hourly, `${used} of ${hourly} calls of an hour`);
  }
  t.equal(status429, 0, 'replies 429');
  t.ok(longest <= 1000, `a person waited ${longest.toFixed(0)} ms`);
  if (how === 'manual') t.equal(cut.length, 0, 'runs that were cut');
  else {
    t.ok(cut.length > 0, 'runs were cut');
    for (const { reason } of cut)
      t.ok(/^\d+ items left: hourly limit; next run \d\d:\d\d$/.test(reason ?? ''), `why it was cut: ${reason}`);
  }
  const job = JSON.parse(await installation.must(['jobs', 'show', 'in', '--json'])) as { counts: Counts };
  t.equal(job.counts.failures, 0, 'failures counted');
  const copied = (await running.admin.tree({ hash: false })).filter(({ path }) => /^In\/\d+\.txt$/.test(path));
  t.equal(copied.length, Math.ceil(calls / 2), 'files that are there');
}

interface Ended {
  readonly status: string;
  readonly reason?: string;
}

interface Counts {
  readonly failures: number;
}
