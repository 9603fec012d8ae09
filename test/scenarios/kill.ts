import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { Installation, kill, MAIN } from '../support/mounted.js';
import { processesWith, until } from '../support/processes.js';
import { randomBy } from '../support/random.js';
import { type RunningSimulator, simulator, unquiet } from '../support/simulator.js';
import { difference, type Scenario, sums } from './scenarios.js';

/** Milliseconds from the start of `mount` within which the daemon is killed: starting, crawling, reading … */
const LONGEST = 4000;
/** … from the start of a crawl … */
const LONGEST_CRAWL = 2000;
/** … and once the crawl is done: a daemon polls from 5 s after its start on. */
const LONGEST_KNOWN = 9000;
/** Milliseconds of a process that polls, sweeps and reads without a pause. */
const LONGEST_VICTIM = 2500;
/** Rounds between two looks at the whole tree. */
const BETWEEN_LOOKS = 6;
/** Rows a page of the index: 50 pages of all items. */
const PAGE = 100;
/** A fifth of all content: what is read drives out what was read. */
const CACHE = 4 * 2 ** 20;
/** Index pages that a crawl may cost beyond those that are left: it steps back when rows leave its range, then come polls. */
const MORE_PAGES = 6;
const INDEX = 'GET /rest/v1.0/projects/:id/documents';
const VICTIM = fileURLToPath(import.meta.resolve('../support/kill-victim.js'));

/**
 * Kills with SIGKILL at random moments while a daemon starts, crawls, polls, sweeps, reads and evicts, and changes go
 * on at the server. After each kill every database is intact and nothing that was known is forgotten; the next mount
 * clears the dead mount point, goes on where the crawl was, and in the end shows and reads exactly what the server has.
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
    hourly: 1_000_000,
    seed: String(seed),
  } as const;
  const running = await simulator(t, settings);
  await running.admin.switches({ 'per-page-most': String(PAGE) });
  const installation = new Installation(t);
  await installation.connect(running);
  const scene: Scene = {
    ...{ t, running, installation, mnt: installation.mountpoint(), random },
    ...{ hits: { start: 0, crawl: 0, poll: 0, sweep: 0, full: 0, read: 0 }, changes: new Changes(running, random) },
  };
  let checked = 0;
  let before: Progress = NOTHING;
  for (let round = 1; round <= rounds; round++) {
    const changing = scene.changes.run();
    if (!before.done) await killDaemon(scene, before, LONGEST);
    else if (random() < 0.4) await killDaemon(scene, before, LONGEST_KNOWN);
    else await killVictim(scene);
    await changing.end();
    checked += intactDatabases(t, installation, `kill ${round}`);
    const after = progress(installation);
    goesOn(t, before, after, `kill ${round}`);
    before = after;
    if (round % BETWEEN_LOOKS !== 0 && round !== rounds) continue;
    await installation.ended();
    // How many calls an hour has is not the subject, nor how many of them the killed processes spent on looks.
    rmSync(join(installation.state, 'budget'), { recursive: true, force: true });
    await lookAtEverything(scene, before, round);
    await installation.ended();
    before = progress(installation);
    // Begin anew now and then, so that later kills hit a crawl too.
    if (random() < 0.5) {
      rmSync(join(installation.state, 'projects'), { recursive: true });
      before = NOTHING;
    }
  }
  t.ok(checked >= rounds, `${checked} databases were looked at`);
  const hits = Object.entries(scene.hits).map(([phase, count]) => `${phase} ${count}`);
  t.comment(`kills while it was under way: ${hits.join(', ')}; ${scene.changes.made} changes at the server`);
}

interface Scene {
  readonly t: Scenario;
  readonly running: RunningSimulator;
  readonly installation: Installation;
  readonly mnt: string;
  readonly random: () => number;
  /** Kills by what was under way; several things are at once. */
  readonly hits: Record<'start' | 'crawl' | 'poll' | 'sweep' | 'full' | 'read', number>;
  readonly changes: Changes;
}

/** Files that others make, change, rename and delete. */
class Changes {
  made = 0;
  readonly #running: RunningSimulator;
  readonly #random: () => number;
  readonly #alive: string[] = [];
  #last = 0;

  constructor(running: RunningSimulator, random: () => number) {
    this.#running = running;
    this.#random = random;
  }

  /** One after the other until it is ended. */
  run(): { end(): Promise<void> } {
    let isOver = false;
    const work = (async () => {
      while (!isOver) {
        await this.#change();
        await sleep(50 + this.#random() * 300);
      }
    })();
    return {
      end: async () => {
        isOver = true;
        await work;
      },
    };
  }

  async #change(): Promise<void> {
    const { admin } = this.#running;
    const at = Math.floor(this.#random() * this.#alive.length);
    const path = this.#alive[at];
    const roll = this.#random();
    this.made++;
    if (path === undefined || roll < 0.4) {
      const made = `made ${++this.#last}.txt`;
      this.#alive.push(made);
      await admin.change({ op: 'create', path: made, content: `first of ${made}` });
    } else if (roll < 0.7) await admin.change({ op: 'update', path, content: `${path} at change ${this.made}` });
    else if (roll < 0.85) {
      this.#alive[at] = `renamed ${++this.#last}.txt`;
      await admin.change({ op: 'rename', path, to: this.#alive[at] });
    } else {
      this.#alive.splice(at, 1);
      await admin.change({ op: 'delete', path });
    }
  }
}

/** How far a mirror has come, as it is on disk. */
interface Progress {
  /** Of the crawl. */
  readonly done: boolean;
  /** The next of the crawl. */
  readonly page: number;
  readonly pass: number;
  readonly total: number;
  /** Server times. */
  readonly polled: number;
  readonly swept: number;
  readonly sweepFrom: number;
}

const NOTHING: Progress = { done: false, page: 1, pass: 1, total: 0, polled: 0, swept: 0, sweepFrom: 0 };

/** Within the state folder. */
function mirrorOf({ state }: Installation): string | undefined {
  if (!existsSync(join(state, 'projects'))) return undefined;
  const names = readdirSync(state, { recursive: true }) as string[];
  return names.find((name) => basename(name) === 'mirror.db');
}

function progress(installation: Installation): Progress {
  const name = mirrorOf(installation);
  if (name === undefined) return NOTHING;
  return withCopy(installation, name, (db) => {
    const isMade = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() !== undefined;
    const found = isMade ? db.prepare<[], { key: string; value: number }>('SELECT key, value FROM meta').all() : [];
    const meta = new Map(found.map(({ key, value }) => [key, Number(value)]));
    const value = (key: string, otherwise = 0): number => meta.get(key) ?? otherwise;
    const before = 'SELECT count(*) FROM items WHERE updated_at < ?';
    const rows = isMade ? db.prepare<[number], number>(before).pluck().get(value('crawl.from'))! : 0;
    return {
      done: value('crawl.done') === 1,
      page: Math.floor(rows / PAGE) + value('crawl.page', 1),
      ...{ pass: value('crawl.pass', 1), total: value('crawl.total') },
      ...{ polled: value('poll.at'), swept: value('sweep.done'), sweepFrom: value('sweep.from') },
    };
  });
}

/** What was known is not forgotten: the crawl steps back at most where rows left its range. */
function goesOn(t: Scenario, before: Progress, after: Progress, when: string): void {
  t.ok(after.done || !before.done, `${when}: the crawl stays done`);
  if (!after.done && after.pass === before.pass)
    t.ok(after.page >= before.page - MORE_PAGES, `${when}: the crawl goes on from page ${before.page}: ${after.page}`);
  t.ok(after.polled >= before.polled, `${when}: polls go on from ${before.polled}: ${after.polled}`);
  const sweeps = after.swept > before.swept || after.sweepFrom >= before.sweepFrom;
  t.ok(sweeps, `${when}: the sweep goes on from ${before.sweepFrom}: ${after.sweepFrom}`);
}

/** Starts a mount, reads as soon as it answers, and kills the daemon somewhere in between. */
async function killDaemon(scene: Scene, { done, page }: Progress, longest: number): Promise<void> {
  const { t, running, installation, mnt, random, hits } = scene;
  const source = `Procore:${running.ready.projects[0]!.id}`;
  await running.admin.reset();
  const words = ['mount', source, mnt, '-o', `poll=1,cache=${CACHE}`];
  const mount = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, MAIN, ...words], {
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
  if (!done && random() < 0.7) {
    const pages = async (): Promise<number> => (await running.admin.calls()).byRoute[INDEX] ?? 0;
    while ((await pages()) === 0 && mount.exitCode === null) await sleep(20);
    await sleep(random() * LONGEST_CRAWL);
  } else await sleep(random() * longest);
  await until(() => daemon() !== undefined || mount.exitCode !== null);
  const pid = daemon();
  t.ok(pid !== undefined, 'a daemon ran');
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  if (readers.length > 0) hits.read++;
  if (mount.exitCode === null) hits.start++;
  const { page: reached, done: isDone } = progress(installation);
  if (!done && !isDone && reached > page) hits.crawl++;
  await reading;
  await Promise.all(readers.map((reader) => kill(reader, 'SIGTERM')));
  await until(() => daemon() === undefined);
}

/** Lets a process poll, sweep and read at once, and kills it somewhere in between. */
async function killVictim({ t, running, installation, random, hits }: Scene): Promise<void> {
  const words = [installation.state, running.ready.projects[0]!.id, CACHE, Math.floor(random() * 2 ** 31)];
  const victim = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, VICTIM, ...words.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => kill(victim));
  const underWay = new Map<string, number>();
  const lines = createInterface({ input: victim.stdout! });
  const begun = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      const [word, step] = line.startsWith('-') ? [line.slice(1), -1] : [line, 1];
      underWay.set(word, (underWay.get(word) ?? 0) + step);
      resolve();
    });
    lines.once('close', resolve);
  });
  await begun;
  await sleep(random() * LONGEST_VICTIM);
  t.ok(victim.exitCode === null, 'a process polls and sweeps');
  await kill(victim);
  for (const word of ['poll', 'sweep', 'read', 'full'] as const) if ((underWay.get(word) ?? 0) > 0) hits[word]++;
}

/** What `work` gives of a copy of a database: opening one repairs it. */
function withCopy<T>(installation: Installation, name: string, work: (db: Database.Database) => T): T {
  const folder = mkdtempSync(join(installation.folder, 'copy-'));
  for (const suffix of ['', '-wal']) {
    const from = join(installation.state, `${name}${suffix}`);
    if (existsSync(from)) cpSync(from, join(folder, basename(from)));
  }
  const db = new Database(join(folder, basename(name)));
  try {
    return work(db);
  } finally {
    db.close();
    rmSync(folder, { recursive: true });
  }
}

/** The number of databases, all of them intact. */
export function intactDatabases(t: Scenario, installation: Installation, when: string): number {
  const databases = (readdirSync(installation.state, { recursive: true }) as string[]).filter((name) =>
    name.endsWith('.db'),
  );
  for (const name of databases) {
    const found = withCopy(installation, name, (db) => db.pragma('integrity_check', { simple: true }));
    t.equal(found, 'ok', `${name} after ${when}`);
  }
  return databases.length;
}

async function lookAtEverything(scene: Scene, known: Progress, round: number): Promise<void> {
  const { t, running, installation, mnt } = scene;
  await running.admin.reset();
  const began = Date.now();
  await installation.must(['mount', `Procore:${running.ready.projects[0]!.id}`, mnt, '-o', `poll=1,cache=${CACHE}`]);
  await installation.crawled(mnt);
  const calls = await running.admin.calls();
  if (known.done)
    t.equal(unquiet(calls, began), undefined, `after ${round} kills a mount of what is known makes no call`);
  else {
    const left = known.total === 0 ? Number.POSITIVE_INFINITY : Math.ceil(known.total / PAGE) - known.page + 1;
    const pages = calls.byRoute[INDEX] ?? 0;
    t.ok(pages <= left + MORE_PAGES, `after ${round} kills ${pages} pages for the ${left} that were left`);
  }
  const files = (await running.admin.tree()).filter(({ type }) => type === 'file');
  const wanted = new Map(files.map(({ path, sha256 }) => [path, sha256!]));
  // The crawl ends before the first poll; what changed in between comes with that.
  let found = await sums(mnt).catch(() => new Map<string, string>());
  for (let look = 1; look < 20 && difference(found, wanted) !== ''; look++) {
    await sleep(500);
    found = await sums(mnt).catch(() => new Map<string, string>());
  }
  const differs = difference(found, wanted);
  t.equal(differs, '', `after ${round} kills the tree is the server's`);
  if (differs !== '') {
    // Which of them is wrong: the mirror, or what the kernel remembers of it.
    t.comment((await installation.procorefs(['status', mnt])).stdout);
    const compared = await installation.procorefs(['fsck', mnt]);
    t.comment(`fsck: ${compared.stdout}${compared.stderr}`);
    t.comment(`after fsck: ${difference(await sums(mnt), wanted)}`);
  }
  t.comment(`${round} kills: ${Object.entries(scene.hits).flat().join(' ')}`);
  await installation.must(['umount', mnt]);
}
