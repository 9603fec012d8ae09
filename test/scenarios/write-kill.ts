import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askDaemon } from '#src/daemon/control.js';
import { INTERRUPTED } from '#src/outbox/intents/intent.js';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import { type MountRecord, StateFolder } from '#src/project/state-folder.js';
import { Installation, kill, MAIN } from '../support/mounted.js';
import { processesWith, until } from '../support/processes.js';
import { randomBy } from '../support/random.js';
import { type HistoryEntry, type RunningSimulator, simulator } from '../support/simulator.js';
import { type WantedTree, Writer } from '../support/write-kill-writer.js';
import { difference, type Scenario, sums } from './scenarios.js';

/** Milliseconds of writing, of starting and of sending within which the daemon is killed. */
const LONGEST = { writing: 400, starting: 900, sending: 400 };
/** A new project and a new hour of calls after so many kills. */
const KILLS_A_PROJECT = 25;
const WRITERS = ['one', 'two'];
/** Lost replies and errors of the server, each of so many requests. */
const FAULTS = { 'reset-after': 0.05, '500-html': 0.05, 'truncated-body': 0.02, 'reset-before': 0.02 };
const OPTIONS = ['-o', 'settle=0,delete_delay=0,poll=1,hold_after=100000'];
const MOST_DRAINS = 40;
/** Milliseconds within which programs usually notice that the daemon was killed. */
const NOTICED = 5000;
/** Milliseconds within which a poll has come, also on a busy machine. */
const POLLS = 20_000;

/**
 * Kills the daemon with SIGKILL at random moments while programs write, rename and delete, while it starts, and while it
 * sends what waits; replies get lost meanwhile. After each restart everything that was acknowledged reaches the server,
 * once, and no version of any file at the server was ever anything but complete.
 */
export async function writeKillScenario(t: Scenario, kills: number, seed: number): Promise<void> {
  t.comment(`${kills} kills, seed ${seed}`);
  const random = randomBy(seed);
  const counts = { kills: 0, calls: 0, versions: 0 };
  while (counts.kills < kills) {
    const cleanups: (() => unknown)[] = [];
    try {
      await oneProject(
        {
          ok: (found, message) => t.ok(found, message),
          equal: (found, wanted, message) => t.equal(found, wanted, message),
          comment: (message) => t.comment(message),
          teardown: (cleanup) => cleanups.unshift(cleanup),
        },
        Math.min(kills, counts.kills + KILLS_A_PROJECT),
        random,
        counts,
      );
    } finally {
      for (const cleanup of cleanups) await cleanup();
    }
    t.comment(`${counts.kills} kills so far`);
  }
  t.comment(`${counts.kills} kills, ${counts.calls} acknowledged calls, ${counts.versions} versions at the servers`);
  t.ok(counts.calls > kills, 'programs got on with their work');
}

interface Counts {
  kills: number;
  calls: number;
  versions: number;
}

interface Scene {
  readonly t: Scenario;
  readonly running: RunningSimulator;
  readonly installation: Installation;
  readonly state: StateFolder;
  readonly mnt: string;
  readonly random: () => number;
  readonly counts: Counts;
}

async function oneProject(t: Scenario, end: number, random: () => number, counts: Counts): Promise<void> {
  const running = await simulator(t, {
    items: 0,
    oddNames: 'no',
    latency: 2,
    spike: 3000,
    hourly: 1_000_000,
    seed: String(Math.floor(random() * 1e6)),
  });
  const installation = new Installation(t);
  await installation.connect(running);
  const state = new StateFolder(installation.state);
  const scene: Scene = { t, running, installation, state, mnt: installation.mountpoint(), random, counts };
  await mount(scene);
  const writers = WRITERS.map((folder) => new Writer(scene.mnt, folder, random));
  for (const folder of WRITERS) await mkdir(join(scene.mnt, folder));
  await running.admin.faults(FAULTS);
  while (counts.kills < end) {
    const writersEnded = await killWriting(scene, writers);
    while (counts.kills < end && random() < 0.3) await killStarting(scene);
    await mount(scene);
    await writersEnded.all;
    await dropUnfinished(scene, writers);
    if (counts.kills < end && random() < 0.2) {
      await killSending(scene);
      await mount(scene);
    }
    await drain(scene);
    await check(scene, writers);
  }
  counts.calls += writers.reduce((sum, writer) => sum + writer.calls, 0);
  await running.admin.noFaults();
  await check(scene, writers, true);
  const log = readFileSync(record(scene).log, 'utf8').split('\n');
  const faults = log.filter((line) => line.includes('"stack"'));
  t.equal(faults.slice(0, 2).join(), '', 'nothing that the daemon did not expect');
}

const mount = ({ running, installation, mnt }: Scene): Promise<string> =>
  installation.must(['mount', `Procore:${running.ready.projects[0]!.id}`, mnt, ...OPTIONS]);

function record({ state, mnt }: Scene): MountRecord {
  const found = state.mount(mnt);
  if (!found) throw new Error('the mount has no record');
  return found;
}

async function killDaemon(scene: Scene, pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  scene.counts.kills++;
  await until(() => daemonOf(scene) === undefined);
}

const daemonOf = ({ installation }: Scene): number | undefined =>
  processesWith(`PROCOREFS_STATE=${installation.state}`).find(({ command }) => command.endsWith(' daemon'))?.pid;

/** @returns what resolves when the programs have noticed: at the next mount at the latest */
async function killWriting(scene: Scene, writers: readonly Writer[]): Promise<{ readonly all: Promise<unknown> }> {
  const { t, random } = scene;
  const { pid } = record(scene);
  let killed = false;
  const working = writers.map((writer) =>
    writer.run().then((error) => t.ok(killed, `a call failed before the kill: ${error.stack}`)),
  );
  await sleep(random() * LONGEST.writing);
  killed = true;
  await killDaemon(scene, pid);
  const all = Promise.all(working);
  await Promise.race([all, sleep(NOTICED)]);
  return { all };
}

async function killStarting(scene: Scene): Promise<void> {
  const { running, installation, mnt, random } = scene;
  const source = `Procore:${running.ready.projects[0]!.id}`;
  const starting = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, MAIN, 'mount', source, mnt, ...OPTIONS], {
    env: installation.environment,
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => starting.once('exit', () => resolve()));
  await sleep(random() * LONGEST.starting);
  await until(() => daemonOf(scene) !== undefined || starting.exitCode !== null);
  const pid = daemonOf(scene);
  if (pid !== undefined) await killDaemon(scene, pid);
  await Promise.race([ended, sleep(20_000)]);
  await kill(starting);
}

async function killSending(scene: Scene): Promise<void> {
  const { pid, socket } = record(scene);
  const draining = askDaemon(socket, 'drain', { timeout: 60 }).catch(() => undefined);
  await sleep(scene.random() * LONGEST.sending);
  await killDaemon(scene, pid);
  await draining;
}

/** What was being written when the daemon died is held, and nothing else is. A person gives it up. */
async function dropUnfinished(scene: Scene, writers: readonly Writer[]): Promise<void> {
  const { socket } = record(scene);
  const held = (await askDaemon<UploadLine[]>(socket, 'uploads')).filter((line) => line.reason === INTERRUPTED);
  for (const line of held) {
    const writer = writers.find(({ folder }) => line.path.startsWith(`${folder}/`));
    const path = line.path.slice((writer?.folder.length ?? 0) + 1);
    scene.t.ok(writer?.unsure.has(path), `${line.path} is held, and nobody was writing it`);
  }
  if (held.length > 0) await askDaemon(socket, 'discard', { ids: held.map((line) => line.id) });
}

async function drain(scene: Scene): Promise<void> {
  const { socket } = record(scene);
  let left: UploadLine[] = [];
  for (let n = 0; n < MOST_DRAINS; n++) {
    left = await askDaemon<UploadLine[]>(socket, 'drain', { timeout: 60 });
    if (left.length === 0) return;
  }
  scene.t.equal(JSON.stringify(left), '[]', 'everything went up');
}

async function check(scene: Scene, writers: readonly Writer[], isLast = false): Promise<void> {
  const { t, running, counts, mnt } = scene;
  const found = await running.admin.history();
  const name = `after kill ${counts.kills}`;
  for (const writer of writers) {
    const own = found.filter(({ path }) => path.startsWith(`${writer.folder}/`));
    const there: WantedTree = new Map(
      own
        .filter(({ deleted }) => !deleted)
        .map(({ path, type, sha256 }) => [path.slice(writer.folder.length + 1), type === 'file' ? sha256! : undefined]),
    );
    const wrong = writer.alternatives.map((wanted) => treeDifference(there, wanted, writer));
    t.ok(wrong.includes(''), `${name}, in ${writer.folder}: ${wrong.join(' OR ')}`);
    checkHistory(t, own, writer, name);
    writer.settle(there);
  }
  counts.versions += isLast ? found.reduce((sum, { history }) => sum + history.length, 0) : 0;
  const strangers = found.filter(({ path }) => path !== 'Schedules' && !WRITERS.includes(path.split('/')[0]!));
  t.equal(strangers.map(({ path }) => path).join(), '', `${name}: nothing that nobody made`);
  if (!isLast) return;
  const files = found.filter(({ type, deleted }) => type === 'file' && !deleted);
  const wanted = new Map(files.map(({ path, sha256 }) => [path, sha256!]));
  // What was given up while it was in doubt comes back with a poll.
  let differs = '';
  const end = Date.now() + POLLS;
  do differs = difference(await sums(mnt), wanted);
  while (differs !== '' && Date.now() < end);
  t.equal(differs, '', `${name}: the mount shows what the server has`);
}

/** No version was ever half written, and nothing is there twice. */
function checkHistory(t: Scenario, own: readonly HistoryEntry[], writer: Writer, name: string): void {
  const files = own.filter(({ type }) => type === 'file');
  const half = files.filter(({ history }) => history.some((sum) => !writer.complete.has(sum)));
  t.equal(half.map(({ path, size }) => `${path} (${size} bytes)`).join(), '', `${name}: every version is complete`);
  const repeated = files.filter(({ history }) => history.some((sum, n) => sum === history[n + 1]));
  t.equal(repeated.map(({ path }) => path).join(), '', `${name}: no version came twice`);
  const there = files.filter(({ deleted }) => !deleted);
  // What was given up has the server's content again, which may have gone on elsewhere by then.
  for (const { path, sha256 } of there)
    if (writer.unsure.has(path.slice(writer.folder.length + 1))) writer.givenUp.add(sha256!);
  const live = there.filter(({ sha256 }) => !writer.givenUp.has(sha256!));
  const twice = live.filter((one) => live.some((other) => other !== one && other.sha256 === one.sha256));
  const words = twice.map(({ path, history }) => `${path} (${history.map((sum) => sum.slice(0, 8)).join(', ')})`);
  t.equal(words.join('; '), '', `${name}: no file came twice`);
}

/** In a few words, how what is there differs from what is wanted, given what is not sure. */
function treeDifference(there: WantedTree, wanted: WantedTree, { unsure, complete }: Writer): string {
  const words: string[] = [];
  for (const path of new Set([...there.keys(), ...wanted.keys()])) {
    const sum = there.get(path);
    const isRight = there.has(path) === wanted.has(path) && sum === wanted.get(path);
    const isPossible = unsure.has(path) && (!there.has(path) || (sum !== undefined && complete.has(sum)));
    if (!isRight && !isPossible) words.push(`${path}: ${state(there, path)}, not ${state(wanted, path)}`);
  }
  return words.join('; ');
}

const state = (tree: WantedTree, path: string): string =>
  tree.has(path) ? (tree.get(path)?.slice(0, 8) ?? 'a folder') : 'absent';
