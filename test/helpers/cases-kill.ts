import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { processesWith, until } from './cases.js';
import { difference, type Scenario, sums } from './cases-scenarios.js';
import { Installation, kill, MAIN } from './mounted.js';
import { randomBy } from './random.js';
import { type RunningSimulator, simulator } from './simulator.js';

/** Milliseconds from the start of `mount` within which the daemon is killed: starting, crawling, reading. */
const LONGEST = 4000;
/** Rounds between two looks at the whole tree. */
const BETWEEN_LOOKS = 6;

/**
 * Kills the daemon with SIGKILL at random moments while it starts, crawls and reads, and changes go on at the server.
 * After each kill every database is intact; the next mount clears the dead mount point and in the end shows exactly
 * what the server has.
 */
export async function killScenario(t: Scenario, rounds: number, seed: number): Promise<void> {
  t.comment(`${rounds} kills, seed ${seed}`);
  const random = randomBy(seed);
  const settings = {
    items: 5000,
    fileSize: 4000,
    oddNames: 'no',
    latency: 15,
    spike: 1000,
    seed: String(seed),
  } as const;
  const running = await simulator(t, settings);
  const installation = new Installation(t);
  await installation.connect(running);
  const scene: Scene = { t, running, installation, mnt: installation.mountpoint(), random };
  let checked = 0;
  for (let round = 1; round <= rounds; round++) {
    await changeSomething(scene, round);
    await killOnce(scene);
    checked += intactDatabases(t, installation, `kill ${round}`);
    if (round % BETWEEN_LOOKS !== 0 && round !== rounds) continue;
    await lookAtEverything(scene, round);
    // Begin anew, so that later kills hit a crawl too.
    rmSync(join(installation.state, 'projects'), { recursive: true });
  }
  t.ok(checked >= rounds, `${checked} databases were looked at`);
}

interface Scene {
  readonly t: Scenario;
  readonly running: RunningSimulator;
  readonly installation: Installation;
  readonly mnt: string;
  readonly random: () => number;
}

async function changeSomething({ running }: Scene, round: number): Promise<void> {
  const { admin } = running;
  await admin.changes([
    { op: 'create', path: `made ${round}.txt`, content: `version 1 of ${round}` },
    ...(round > 1 ? [{ op: 'update', path: `made ${round - 1}.txt`, content: `version 2 of ${round - 1}` }] : []),
    ...(round > 2 ? [{ op: 'delete', path: `made ${round - 2}.txt` }] : []),
  ]);
}

/** Starts a mount, reads as soon as it answers, and kills the daemon somewhere in between. */
async function killOnce({ t, running, installation, mnt, random }: Scene): Promise<void> {
  const source = `Procore:${running.ready.projects[0]!.id}`;
  const mount = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, MAIN, 'mount', source, mnt, '-o', 'poll=1'], {
    env: installation.environment,
    stdio: 'ignore',
  });
  t.teardown(() => kill(mount));
  const mountEnded = new Promise<number | null>((resolve) => mount.once('exit', (code) => resolve(code)));
  let readers: ChildProcess[] = [];
  const reading = mountEnded.then((code) => {
    if (code !== 0) return;
    readers = ['cat', 'sha256sum'].map((program) =>
      spawn('sh', ['-c', `find '${mnt}' -type f -print0 | xargs -0 -n 20 ${program} >/dev/null 2>&1`], {
        stdio: 'ignore',
      }),
    );
  });
  const daemon = (): number | undefined =>
    processesWith(`PROCOREFS_STATE=${installation.state}`).find(({ command }) => command.endsWith(' daemon'))?.pid;
  await sleep(random() * LONGEST);
  await until(() => daemon() !== undefined || mount.exitCode !== null);
  const pid = daemon();
  t.ok(pid !== undefined, 'a daemon ran');
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  await reading;
  await Promise.all(readers.map((reader) => kill(reader, 'SIGTERM')));
  await until(() => daemon() === undefined);
}

/** The number of databases, all of them intact. Looks at copies: opening one repairs it. */
export function intactDatabases(t: Scenario, installation: Installation, when: string): number {
  const databases = (readdirSync(installation.state, { recursive: true }) as string[]).filter((name) =>
    name.endsWith('.db'),
  );
  for (const name of databases) {
    const folder = mkdtempSync(join(installation.folder, 'copy-'));
    for (const suffix of ['', '-wal']) {
      const from = join(installation.state, `${name}${suffix}`);
      if (existsSync(from)) cpSync(from, join(folder, basename(from)));
    }
    const db = new Database(join(folder, basename(name)));
    t.equal(db.pragma('integrity_check', { simple: true }), 'ok', `${name} after ${when}`);
    db.close();
    rmSync(folder, { recursive: true });
  }
  return databases.length;
}

async function lookAtEverything({ t, running, installation, mnt }: Scene, round: number): Promise<void> {
  await installation.must(['mount', `Procore:${running.ready.projects[0]!.id}`, mnt, '-o', 'poll=1']);
  await installation.crawled(mnt);
  const files = (await running.admin.tree()).filter(({ type }) => type === 'file');
  const wanted = new Map(files.map(({ path, sha256 }) => [path, sha256!]));
  // The crawl ends before the first poll; what changed in between comes with that.
  let found = await sums(mnt).catch(() => new Map<string, string>());
  for (let look = 1; look < 20 && difference(found, wanted) !== ''; look++) {
    await sleep(500);
    found = await sums(mnt).catch(() => new Map<string, string>());
  }
  t.equal(difference(found, wanted), '', `after ${round} kills the tree is the server's`);
  await installation.must(['umount', mnt]);
}
