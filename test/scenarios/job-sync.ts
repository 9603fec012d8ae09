import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Connections } from '#src/connections/store.js';
import { jobsDatabasePath } from '#src/daemon/jobs/opener.js';
import { parseJobBody } from '#src/jobs/definition/job-schema.js';
import type { Execution } from '#src/jobs/store/executions.js';
import { JobStore } from '#src/jobs/store/job-store.js';
import { StateFolder } from '#src/project/state-folder.js';
import type { AdminChange } from '#src/simulator/admin/changes.js';
import { FailingDisk } from '../support/failing-disk.js';
import { kill } from '../support/mounted.js';
import { randomBy } from '../support/random.js';
import { addConnection } from '../support/simulated-connection.js';
import { type Admin, simulator } from '../support/simulator.js';
import type { Scenario } from './scenarios.js';

/** One side of a sync, as people work on it: files by path, with the hash of what they hold; folders have null. */
interface Place {
  list(): Promise<Map<string, string | null>>;
  write(path: string, content: string): Promise<void>;
  mkdir(path: string): Promise<void>;
  rename(path: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Hashes of everything that can be got back: what is there, and what was put away. */
  versions(): Promise<Set<string>>;
}

const hashOf = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');
const TRASH = '.procorefs-trash';

/** Milliseconds between two writes of people. */
const TICK = 5;
let lastWrite = 0;

class FolderPlace implements Place {
  readonly #root: string;
  readonly #putAway = new Map<string, string>();

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true });
  }

  async list(): Promise<Map<string, string | null>> {
    return this.#under('', (path) => path !== TRASH && !path.split('/').at(-1)!.startsWith('.procorefs-part-'));
  }

  #under(top: string, wanted: (path: string) => boolean, known?: Map<string, string>): Map<string, string | null> {
    const found = new Map<string, string | null>();
    const walk = (path: string): void => {
      for (const entry of readdirSync(join(this.#root, path), { withFileTypes: true })) {
        const one = path === '' ? entry.name : `${path}/${entry.name}`;
        if (!wanted(one)) continue;
        if (entry.isDirectory()) {
          found.set(one, null);
          walk(one);
          continue;
        }
        const hash = known?.get(one) ?? hashOf(readFileSync(join(this.#root, one)));
        known?.set(one, hash);
        found.set(one, hash);
      }
    };
    walk(top);
    return found;
  }

  async write(path: string, content: string): Promise<void> {
    writeFileSync(join(this.#root, path), content);
    // The kernel's clock ticks every few milliseconds: what two people save would look like one copied file.
    lastWrite = Math.max(Date.now(), lastWrite + TICK);
    utimesSync(join(this.#root, path), lastWrite / 1000, lastWrite / 1000);
  }

  async mkdir(path: string): Promise<void> {
    mkdirSync(join(this.#root, path));
  }

  async rename(path: string, to: string): Promise<void> {
    renameSync(join(this.#root, path), join(this.#root, to));
  }

  async remove(path: string): Promise<void> {
    rmSync(join(this.#root, path), { recursive: true });
  }

  async versions(): Promise<Set<string>> {
    const hashes = new Set<string>();
    for (const hash of (await this.list()).values()) if (hash) hashes.add(hash);
    if (statSync(join(this.#root, TRASH), { throwIfNoEntry: false }))
      for (const hash of this.#under(TRASH, () => true, this.#putAway).values()) if (hash) hashes.add(hash);
    return hashes;
  }
}

class ProcorePlace implements Place {
  readonly #admin: Admin;

  constructor(admin: Admin) {
    this.#admin = admin;
  }

  async list(): Promise<Map<string, string | null>> {
    const tree = await this.#admin.tree();
    return new Map(
      tree
        .filter(({ path }) => path !== '' && path !== '/')
        .map(({ path, type, sha256 }) => [path.replace(/^\//, ''), type === 'file' ? sha256! : null]),
    );
  }

  async write(path: string, content: string): Promise<void> {
    const exists = (await this.list()).has(path);
    await this.#change({ op: exists ? 'update' : 'create', type: 'file', path, content });
  }

  mkdir(path: string): Promise<void> {
    return this.#change({ op: 'create', type: 'folder', path });
  }

  rename(path: string, to: string): Promise<void> {
    const parent = (one: string): string => one.slice(0, Math.max(0, one.lastIndexOf('/')));
    if (parent(path) === parent(to)) return this.#change({ op: 'rename', path, to: to.split('/').at(-1)! });
    return this.#change({ op: 'move', path, to });
  }

  remove(path: string): Promise<void> {
    return this.#change({ op: 'delete', path });
  }

  async versions(): Promise<Set<string>> {
    return new Set((await this.#admin.history()).flatMap(({ history }) => history ?? []));
  }

  async #change(change: AdminChange): Promise<void> {
    await this.#admin.change(change);
  }
}

/** A process that runs jobs, killed and started anew as often as one likes. */
class Runner {
  readonly #state: string;
  readonly #environment: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  constructor(t: Scenario, state: string, environment: NodeJS.ProcessEnv) {
    this.#state = state;
    this.#environment = environment;
    t.teardown(() => this.stop());
  }

  /** Undefined: it was killed, `after` milliseconds from its start. */
  async run(job: string, after?: number): Promise<Execution | undefined> {
    const child = (this.#child ??= await this.#start());
    const answer = new Promise<Execution | undefined>((resolve) => {
      const end = (execution?: Execution): void => {
        child.off('message', end).off('exit', gone);
        resolve(execution);
      };
      const gone = (): void => end();
      child.once('message', end).once('exit', gone);
    });
    child.send(job);
    const killer = after === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), after);
    const execution = await answer;
    clearTimeout(killer);
    if (!execution) await this.stop();
    return execution;
  }

  async #start(): Promise<ChildProcess> {
    const { NODE_OPTIONS: _, ...environment } = { ...process.env, ...this.#environment };
    const script = fileURLToPath(new URL('../support/job-process.js', import.meta.url));
    const child = fork(script, [this.#state], { stdio: 'inherit', execArgv: [], env: environment });
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`the process that runs jobs ended with ${code}`)));
    });
    child.removeAllListeners('exit');
    return child;
  }

  async stop(): Promise<void> {
    if (this.#child) await kill(this.#child);
    this.#child = undefined;
  }
}

const NAMES = ['one', 'two', 'three', 'four', 'five', 'six'];
/** Runs after which two sides must have come together, once nothing disturbs them any more. */
const SETTLE = 5;
/** Rounds after which it tells how far it is. */
const REPORT = 200;
/** Seconds: many rounds take more calls than an hour permits. */
const HOUR = 20;
/** Of the calls, where a server is at the other end. */
const FAULTS = { '500-html': 0.05, 'reset-after': 0.05 };

/**
 * Sync of two sides that people change at random, run by a process that is killed at random while the disk or the
 * server fails at times. After each round both are the same but for what the run flagged, and nothing that was there
 * when a run began is gone for good.
 */
export async function randomSync(t: Scenario, kind: 'folder' | 'procore', rounds: number, seed: number): Promise<void> {
  const random = randomBy(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const top = mkdtempSync(join(tmpdir(), 'procorefs-sync-'));
  t.teardown(() => rmSync(top, { recursive: true, force: true, maxRetries: 3 }));
  const state = new StateFolder(join(top, 'state'));
  const connections = new Connections(state.path);
  const disks = join(top, 'disks');
  const a = new FolderPlace(join(disks, 'a'));
  const source = connections.addTarget({ name: 'a', platform: 'fs', uri: join(disks, 'a') }, undefined, {});
  let b: Place;
  let admin: Admin | undefined;
  let destination: { connection: { id: string }; target?: { path: string } };
  if (kind === 'folder') {
    b = new FolderPlace(join(disks, 'b'));
    const { id } = connections.addTarget({ name: 'b', platform: 'fs', uri: join(disks, 'b') }, undefined, {});
    destination = { connection: { id } };
  } else {
    const { ready, admin: own } = await simulator(t, {
      items: 0,
      oddNames: 'no',
      spike: 30_000,
      hourly: 1_000_000,
      hour: HOUR,
    });
    admin = own;
    b = new ProcorePlace(own);
    const { id } = addConnection(connections, ready, { rateWindows: { hour: HOUR, spike: 10 } });
    destination = { connection: { id }, target: { path: `/${ready.projects[0]!.id}` } };
  }
  mkdirSync(state.jobs(), { recursive: true });
  const store = new JobStore(jobsDatabasePath(state));
  t.teardown(() => store.close());
  const job = store.add(
    parseJobBody({
      name: 'both ways',
      transfer: {
        transfer_type: 'sync',
        delete_propagation: 'mirror',
        delete_guard: false,
        source: { connection: { id: source.id } },
        destination,
      },
      schedule: { mode: 'manual' },
    }),
  );
  const disk = new FailingDisk(top, disks);
  const runner = new Runner(t, state.path, disk.environment);
  await a.write('keep.txt', 'nobody touches it');

  let written = 0;
  const change = async (place: Place): Promise<void> => {
    const items = await place.list();
    const paths = [...items.keys()].filter((path) => path !== 'keep.txt');
    const folders = ['', ...paths.filter((path) => items.get(path) === null && path.split('/').length < 3)];
    const fresh = (suffix: string): string => {
      const folder = pick(folders);
      return `${folder === '' ? '' : `${folder}/`}${pick(NAMES)}${suffix}`;
    };
    const content = (): string => `${(written++).toString().padStart(6, '0')}${'.'.repeat(pick([0, 0, 10, 5000]))}`;
    const files = paths.filter((path) => items.get(path) !== null);
    const roll = random();
    if (roll < 0.35) {
      const path = fresh(random() < 0.1 ? '' : '.txt');
      if (items.get(path) !== null) await place.write(path, content());
    } else if (roll < 0.6) {
      if (files.length > 0) await place.write(pick(files), content());
    } else if (roll < 0.72) {
      const path = fresh('');
      if (!items.has(path)) await place.mkdir(path);
    } else if (roll < 0.86) {
      const path = paths.length > 0 ? pick(paths) : undefined;
      const to = fresh(path !== undefined && items.get(path) !== null ? '.txt' : '');
      if (path !== undefined && !items.has(to) && !`${to}/`.startsWith(`${path}/`)) await place.rename(path, to);
    } else if (paths.length > 0) await place.remove(pick(paths));
  };

  const done = { kills: 0, faults: 0, flagged: 0, conflicts: 0 };
  let faultsOfServer = 0;
  const said = (): string => JSON.stringify({ ...done, faults: done.faults + faultsOfServer });
  for (let round = 1; round <= rounds; round++) {
    const where = `seed ${seed}, round ${round}`;
    for (const place of [a, b]) for (let n = 1 + Math.floor(random() * 5); n > 0; n--) await change(place);
    const before = new Set([...(await hashes(a)), ...(await hashes(b))]);
    // Disturbed, until a run comes to its end.
    if (random() < 0.3)
      disk.fail(1 + Math.floor(random() * 60), random() < 0.8 ? 'once' : 'for ever', pick(['EIO', 'ENOSPC']));
    if (admin) await admin.faults(FAULTS);
    for (let tries = 0; tries < 3; tries++) {
      const isKilled = random() < 0.15;
      const execution = await runner.run(job.id, isKilled ? random() * 150 : undefined);
      if (execution) break;
      done.kills++;
    }
    done.faults += disk.counts.failed;
    disk.mend();
    if (admin) {
      await admin.noFaults();
      // They are counted from the beginning.
      faultsOfServer = Object.values(await admin.faults({})).reduce((sum, one) => sum + one.hits, 0);
    }
    // Left alone.
    let last: Execution | undefined;
    for (let n = 0; n < SETTLE; n++) {
      last = await runner.run(job.id);
      const flaggedOnly =
        last?.status === 'warn' && last.stats.copied === 0 && last.stats.deleted === 0 && last.stats.folders === 0;
      if (last?.status === 'no_changes' || flaggedOnly) break;
      await sleep(1);
    }
    const flagged = last
      ? [...store.items(last.id).rows(['remediation'])].map(({ folder, name }) =>
          folder === '' ? name : `${folder}/${name}`,
        )
      : [];
    const [left, right] = [await a.list(), await b.list()];
    const differing = [...new Set([...left.keys(), ...right.keys()])].filter(
      (path) => left.get(path) !== right.get(path),
    );
    const unexplained = differing.filter((path) => !flagged.some((one) => path === one || path.startsWith(`${one}/`)));
    t.equal(unexplained.join('; '), '', `${where}: both sides are the same (${last?.status} ${last?.reason ?? ''})`);
    const found = new Set([...(await a.versions()), ...(await b.versions())]);
    t.equal([...before].filter((hash) => !found.has(hash)).length, 0, `${where}: nothing is lost`);
    done.flagged += flagged.length;
    done.conflicts = [...left.keys()].filter((path) => path.includes('(conflict')).length;
    // A person looks at what was flagged, and puts away what piles up.
    for (const path of flagged) if (left.has(path)) await a.remove(path);
    if (left.size > 60)
      for (const path of [...left.keys()])
        if (path !== 'keep.txt' && !path.includes('/') && random() < 0.5 && !flagged.includes(path))
          await a.remove(path);
    if (unexplained.length > 0) break;
    if (round % REPORT === 0) t.comment(`${round} rounds so far, ${said()}`);
  }
  t.ok(done.flagged <= rounds / 2, `${done.flagged} items were flagged: what is flagged once does not stay so`);
  t.comment(`${rounds} rounds, ${written} versions, ${said()}`);
}

const hashes = async (place: Place): Promise<string[]> =>
  [...(await place.list()).values()].filter((hash) => hash !== null);
