import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure, isFailure } from '#src/base/errors.js';
import { Connections } from '#src/connections/store.js';
import { accessOf } from '#src/daemon/jobs/opener.js';
import { type Endpoint, type EndpointItem, TargetEndpoint } from '#src/jobs/endpoint.js';
import type { Opener } from '#src/jobs/opener.js';
import type { JobStore } from '#src/jobs/store/job-store.js';
import { ProcoreEndpoint } from '#src/project/endpoint/procore-endpoint.js';
import { StateFolder } from '#src/project/state-folder.js';
import { Folders, folderOpener } from '../jobs.js';
import { randomBy } from '../random.js';
import { addConnection } from '../simulated-connection.js';
import { Witness } from '../witness.js';
import { Colleague } from './colleague.js';
import { Disk } from './disk.js';
import { beforeDiskCalls } from './disk-calls.js';
import { HeldProject } from './held-project.js';
import { HeldServer } from './held-server.js';
import { HeldTime } from './held-time.js';
import type { Finding, Teardown } from './outbox-run.js';

export interface JobCounts {
  runs: number;
  /** Calls of a side or the server between which somebody may act. */
  points: number;
  /** What people did while a run was on its way. */
  acts: number;
}

const TYPES = ['sync', 'copy', 'move', 'migrate', 'publish'] as const;
const CONFLICTS = ['copy', 'latest', 'source', 'destination', 'failure'] as const;
const DELETIONS = ['ignore_source', 'ignore_both', 'ignore_destination', 'mirror'] as const;
/** Source and destination: two folders, a project and a folder, a folder and a project. */
export const ENDS = ['ab', 'pb', 'ap'] as const;
export type Ends = (typeof ENDS)[number];
const RUNS = 3;
const NAMES = ['one.txt', 'two.txt', 'three.txt'];
const METHODS = ['stat', 'write', 'mkdir', 'discard', 'removeFolder', 'move', 'content', 'read', 'versions'] as const;
/** How likely somebody acts between two calls. */
const DENSITIES = [0.02, 0.05, 0.15];
/** How likely somebody changes the very item that a call is about, before its work. */
const MEETINGS: Readonly<Record<string, number>> = {
  discard: 0.3,
  write: 0.15,
  move: 0.15,
  removeFolder: 0.3,
  stat: 0.05,
};
/**
 * From this seed on people also act between any two calls to the disk and when a plan is made, listings leave names out,
 * calls come through without an answer, files get the times of others, and items of the project are hidden.
 */
export const FIRST_OF_ALL = 5000;
/** How likely somebody changes the item that a call is about before one of its own calls to the disk, and then once more. */
const AT_DISK = { first: 0.06, again: 0.4 };
const LEFT_OUT = 0.06;
const UNHEARD = 0.06;
const ALIKE = 0.7;
const HIDDEN = 0.3;
/** How likely people act between a plan and its first step. */
const AFTER_PLAN = 0.5;
/** What may be met by somebody between its calls to the disk, or come through without an answer. */
const ACTS: ReadonlySet<string> = new Set(['write', 'discard', 'removeFolder', 'move']);
/** A connection that is the project. */
const PROJECT = 'procore';

/** One end of a job, as people see and change it. */
interface Place {
  tree(): Map<string, string | undefined>;
  write(path: string): void;
  mkdir(path: string): void;
  remove(path: string): void;
  /** What an item that the job has listed or looked at contains. */
  contentOf(item: EndpointItem): string | undefined;
}

/** Runs of jobs of all kinds, with people who act between any two calls. */
export class JobsInterleaver {
  readonly counts: JobCounts = { runs: 0, points: 0, acts: 0 };
  readonly #place: HeldProject;
  readonly #witness = new Witness();
  readonly #colleague: Colleague;
  #random: () => number = () => 0;
  #log: string[] = [];
  #isOn = false;
  #density = 0;
  #places: readonly [Place, Place] | undefined;
  /** What the job has seen in this run. */
  #seen = new Set<string>();
  /** What it finds when it looks again, its policy decides about; else only what its plan has seen. */
  #decidesByLook = true;
  /** Nothing was carried out in this run yet: the plan itself looks for what a listing lacks. */
  #isPlanning = false;
  /** People change just what a call is about. */
  #meets = false;
  /** All that `FIRST_OF_ALL` says. */
  #isAll = false;
  /** Calls under way that change something in a folder. */
  readonly #underWay = new Set<{ readonly what: string; readonly end: 0 | 1; readonly path: string; met: boolean }>();
  #transfer: { readonly type: string; readonly conflicts: string } = { type: '', conflicts: '' };

  private constructor(server: HeldServer, place: HeldProject) {
    this.#place = place;
    this.#colleague = new Colleague(server, this.#witness);
    server.between = (label, phase) => this.#turn(`${phase} ${label}`);
  }

  #chance(likely: number): boolean {
    return this.#isAll && this.#random() < likely;
  }

  static async open(t: Teardown): Promise<JobsInterleaver> {
    const time = new HeldTime(Math.floor(Date.now() / 1000) * 1000);
    const server = await HeldServer.start(t, () => time.now());
    const folder = mkdtempSync(join(tmpdir(), 'procorefs-interleave-'));
    addConnection(new Connections(folder), server.ready);
    const passing = setInterval(() => time.pass(1000), 2);
    const place = await HeldProject.open(server, time, new StateFolder(folder), { settle: 0, deleteDelay: 0 });
    t.teardown(async () => {
      await place.close();
      clearInterval(passing);
      rmSync(folder, { recursive: true, force: true });
    });
    const made = new JobsInterleaver(server, place);
    beforeDiskCalls(t, (path) => made.#beforeDiskCall(path));
    return made;
  }

  /** One job of a seed, several runs of it. @returns what is wrong after one of them, or undefined */
  async run(seed: number, allEnds: readonly Ends[] = ENDS): Promise<Finding | undefined> {
    this.#random = randomBy(seed);
    this.#isAll = seed >= FIRST_OF_ALL;
    this.#underWay.clear();
    this.#log = [];
    this.#witness.forget();
    const cleanups: (() => unknown)[] = [];
    try {
      const what = await this.#job(
        { teardown: (cleanup) => cleanups.unshift(cleanup) },
        `j${seed}`,
        this.#pick(allEnds),
      );
      return what === undefined ? undefined : { seed, what, log: this.#log };
    } finally {
      this.#isOn = false;
      for (const cleanup of cleanups) await cleanup();
    }
  }

  async #job(t: Teardown, top: string, ends: Ends): Promise<string | undefined> {
    const names = { a: '', b: '', p: PROJECT };
    const opener: Opener = {
      open: async (reference, request) => {
        const { id } = reference.connection;
        const side = id === PROJECT ? this.#projectSide(top, request.job) : await folderOpener.open(reference, request);
        return this.#watched(side, id === names[ends[0] as 'a'] ? 0 : 1);
      },
      place: (reference) =>
        reference.connection.id === PROJECT
          ? Promise.resolve({
              tree: PROJECT,
              path: top,
              abilities: { title: 'Procore', keepsVersions: true, setsTimes: false, emptyFolders: true },
            })
          : folderOpener.place(reference),
    };
    const folders = new Folders(t, opener);
    names.a = folders.a;
    names.b = folders.b;
    const places = {
      a: () => this.#folder(folders.a, 'a', folders.b),
      b: () => this.#folder(folders.b, 'b', folders.a),
      p: () => this.#project(top),
    };
    this.#places = [places[ends[0] as 'a'](), places[ends[1] as 'a']()];
    if (ends.includes('p')) {
      this.#colleague.mkdir(top);
      t.teardown(() => this.#colleague.delete(top));
    }
    const transfer = {
      transfer_type: this.#pick(this.#isAll ? [...TYPES, 'sync', 'move'] : TYPES),
      conflict_resolution: this.#pick(this.#isAll ? [...CONFLICTS, 'copy', 'failure'] : CONFLICTS),
      delete_propagation: this.#pick(DELETIONS),
      delete_guard: false,
      trash_days: this.#pick([0, 30]),
      source: { connection: { id: names[ends[0] as 'a'] }, target: { path: '' } },
      destination: { connection: { id: names[ends[1] as 'a'] }, target: { path: '' } },
    };
    this.#transfer = { type: transfer.transfer_type, conflicts: transfer.conflict_resolution };
    this.#meets = ends === 'ab';
    const isByPlan = transfer.transfer_type === 'publish' || ['copy', 'failure'].includes(transfer.conflict_resolution);
    this.#decidesByLook = !(this.#meets || this.#isAll) || !isByPlan;
    this.#log.push(`${ends} ${transfer.transfer_type} ${transfer.conflict_resolution} ${transfer.delete_propagation}`);
    const job = folders.add(transfer);
    this.#whenPlanned(folders.store, () => {
      this.#isPlanning = false;
      for (let left = 3; left > 0 && this.#isOn && this.#chance(AFTER_PLAN); left--) this.#act();
    });
    for (let n = 0; n < RUNS; n++) {
      for (let acts = 0; acts < 4; acts++) this.#act();
      if (ends.includes('p') && this.#chance(HIDDEN)) this.#hide(top);
      this.#isOn = this.#random() < 0.8;
      this.#density = this.#pick(DENSITIES);
      this.#seen = new Set();
      this.#isPlanning = true;
      const before = this.#trees();
      this.#log.push(`-- run ${n + 1}`);
      const run = await folders.run(job.id);
      this.#isOn = false;
      this.#log.push(`-- ${run.status} ${run.reason ?? ''}`);
      this.counts.runs++;
      const problem = this.#judge(before, transfer.transfer_type);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #whenPlanned(store: JobStore, work: () => void): void {
    const update = store.update.bind(store);
    store.update = (id, change) => {
      if (change.phase === 'executing') work();
      return update(id, change);
    };
  }

  #projectSide(top: string, job: string): Endpoint {
    return new ProcoreEndpoint(accessOf(this.#place.project), {
      job,
      jobName: job,
      whenSpent: 'wait',
      locks: false,
      path: top,
      lastPollIsEnough: false,
    });
  }

  #folder(root: string, name: string, other: string): Place {
    const disk = new Disk(root, name, this.#witness);
    mkdirSync(root, { recursive: true });
    const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile();
    return {
      tree: () => disk.tree(),
      write: (path) => {
        const like = join(other, path);
        // Of a first meeting of two files, equal sizes and times say enough to all jobs but those that move.
        const isLike = this.#transfer.type === 'move' && isFile(like) && this.#chance(ALIKE);
        disk.write(path, isLike ? like : undefined);
      },
      mkdir: (path) => disk.mkdir(path),
      remove: (path) => disk.remove(path),
      contentOf: ({ path }) => disk.read(path),
    };
  }

  #project(top: string): Place {
    const colleague = this.#colleague;
    const tree = (): Map<string, string | undefined> =>
      new Map([...colleague.tree(top)].map(([path, content]) => [path.slice(top.length + 1), content]));
    return {
      tree,
      write: (path) => {
        const now = tree();
        if (now.get(path) !== undefined) colleague.update(`${top}/${path}`);
        else if (!now.has(path)) colleague.create(`${top}/${path}`);
      },
      mkdir: (path) => colleague.mkdir(`${top}/${path}`),
      remove: (path) => colleague.delete(`${top}/${path}`),
      contentOf: ({ version }) => (version === undefined ? undefined : colleague.ofVersion(Number(version))),
    };
  }

  /** A side between whose calls people act, and of which the witness knows what it has shown. */
  #watched(side: Endpoint, end: 0 | 1): Endpoint {
    const see = (item: EndpointItem | undefined): void => {
      const content = item && !item.folder ? this.#places![end].contentOf(item) : undefined;
      if (content !== undefined) this.#seen.add(content);
    };
    const own = side as unknown as Record<string, ((...words: unknown[]) => Promise<unknown>) | undefined>;
    for (const method of METHODS) {
      const work = own[method]?.bind(side);
      if (!work) continue;
      own[method] = async (...words) => {
        const first = words[0] as string | { readonly path: string };
        const path = typeof first === 'string' ? first : first.path;
        const what = `${end}.${method} ${path}`;
        if (this.#isOn && this.#meets && this.#random() < (MEETINGS[method] ?? 0)) this.#meet(what, end, path);
        else this.#turn(`before ${what}`);
        const one = { what, end, path, met: false };
        if (ACTS.has(method) && side instanceof TargetEndpoint) this.#underWay.add(one);
        try {
          const result = await work(...words);
          if (this.#isOn && ACTS.has(method) && side instanceof TargetEndpoint && this.#chance(UNHEARD)) {
            this.#log.push(`   no answer: ${what}`);
            throw new Failure('target-unreachable', { target: side.root, why: 'no answer came' });
          }
          if (method === 'stat' && (this.#decidesByLook || this.#isPlanning)) see(result as EndpointItem | undefined);
          return result;
        } finally {
          this.#underWay.delete(one);
          this.#turn(`after ${what}`);
        }
      };
    }
    const list = side.list.bind(side);
    const turn = (what: string): void => this.#turn(what);
    const mayLeaveOut = (): boolean => side instanceof TargetEndpoint && this.#isPlanning && this.#chance(LEFT_OUT);
    side.list = async function* (folder, signal) {
      for await (const item of list(folder, signal)) {
        if (mayLeaveOut()) continue;
        see(item);
        yield item;
        turn(`${end}.list ${folder}`);
      }
    };
    return side;
  }

  #turn(what: string): void {
    if (!this.#isOn) return;
    this.counts.points++;
    if (this.#random() >= this.#density) return;
    this.#log.push(`   at ${what}:`);
    this.counts.acts++;
    this.#act();
  }

  /** Between two calls to the disk of one call of a run. */
  #beforeDiskCall(path: string): void {
    if (!this.#isOn || this.#underWay.size === 0 || !path.startsWith('/proc/self/fd/')) return;
    if (!this.#isAll) return;
    const one = this.#pick([...this.#underWay]);
    if (!this.#chance(one.met ? AT_DISK.again : AT_DISK.first)) return;
    one.met = true;
    this.#meet(`the disk's ${one.what}`, one.end, one.path);
  }

  /** The account may not see an item of the project any more, or may again. */
  #hide(top: string): void {
    const all = [...this.#colleague.tree(top).keys()];
    if (all.length === 0) return;
    const path = this.#pick(all);
    const isVisible = this.#chance(0.3);
    this.#does(`${isVisible ? 'shows' : 'hides'} ${path}`, () => this.#colleague.show(path, isVisible));
  }

  /** Somebody saves the item that a call is about, or puts something into it, between the look and the act. */
  #meet(what: string, end: 0 | 1, path: string): void {
    const place = this.#places![end];
    const tree = place.tree();
    this.#log.push(`   at ${what}:`);
    this.counts.points++;
    this.counts.acts++;
    const isFolder = tree.has(path) && tree.get(path) === undefined;
    const inside = isFolder ? [...tree.keys()].filter((one) => one.startsWith(`${path}/`)) : [];
    const at = isFolder ? this.#pick([...inside, `${path}/${this.#pick(NAMES)}`]) : path;
    this.#does(`${end}: writes ${at}`, () => place.write(at));
  }

  #does(what: string, work: () => void): void {
    this.#log.push(what);
    try {
      work();
    } catch (error) {
      if (!isFailure(error) && !/status 4|no item|no folder|ENOENT|EEXIST|ENOTDIR/.test((error as Error).message))
        throw error;
    }
  }

  /** Somebody does something at one of both ends. */
  #act(): void {
    const end = this.#random() < 0.5 ? 0 : 1;
    const place = this.#places![end];
    const all = [...place.tree()];
    const files = all.filter(([, content]) => content !== undefined).map(([path]) => path);
    const folders = all.filter(([, content]) => content === undefined).map(([path]) => path);
    const draw = this.#random();
    const act = (what: string, work: () => void): void => this.#does(`${end}: ${what}`, work);
    if (draw < 0.45) {
      const path = [this.#pick(['', ...folders]), this.#pick(NAMES)].filter((part) => part !== '').join('/');
      act(`writes ${path}`, () => place.write(path));
    } else if (draw < 0.7 && files.length > 0) {
      const path = this.#pick(files);
      act(`writes ${path}`, () => place.write(path));
    } else if (draw < 0.85 && files.length > 0) {
      const path = this.#pick(files);
      act(`removes ${path}`, () => place.remove(path));
    } else if (draw < 0.92 && folders.length > 0) {
      const path = this.#pick(folders);
      act(`removes all of ${path}`, () => place.remove(path));
    } else {
      const path = this.#pick(['d', 'e', 'd/f']);
      act(`makes ${path}`, () => place.mkdir(path));
    }
  }

  #trees(): Map<string, string>[] {
    return this.#places!.map(
      (place) => new Map([...place.tree()].filter((one): one is [string, string] => one[1] !== undefined)),
    );
  }

  #judge(before: readonly Map<string, string>[], type: string): string | undefined {
    const trees = this.#trees();
    // No call tells that it was in a folder that looked empty.
    const unseeable = this.#colleague.unseeable();
    const there = new Set([...trees.flatMap((tree) => [...tree.values()]), ...unseeable]);
    const live = new Set(this.#witness.live);
    const left = [0, 1].flatMap((end) =>
      this.#keeps(end)
        ? [...before[end]!].filter(
            ([, one]) => live.has(one) && !unseeable.has(one) && ![...trees[end]!.values()].includes(one),
          )
        : [],
    );
    for (const content of live) {
      if (there.has(content)) continue;
      const where = this.#witness.writerOf(content)!;
      // The job itself is somebody who has seen it: a rule of the job took it away.
      if (!this.#keepsBoth && this.#seen.has(content) && !(type === 'sync' && this.#isOfOneEnd(content, before, trees)))
        this.#witness.gaveUp(content, 'the job');
      else this.#log.push(`gone: "${content}" (${where})`);
    }
    const { lost, doubled } = this.#witness.judge({ trees, waiting: unseeable });
    const problems = [
      ...left.map(([path, one]) => `left: "${one}" was at ${path}, and nobody gave it up`),
      ...lost.map((one) => `lost: ${one}`),
      ...doubled.map((one) => `doubled: ${one}`),
    ];
    if (problems.length === 0) return undefined;
    for (const [end, tree] of trees.entries())
      for (const [path, content] of tree) this.#log.push(`at ${end}: ${path} = ${content}`);
    return problems.join('\n');
  }

  /** No rule of the job takes away what nobody gave up: of two contents both are kept, or neither is touched. */
  get #keepsBoth(): boolean {
    const { type, conflicts } = this.#transfer;
    return type !== 'publish' && (conflicts === 'copy' || conflicts === 'failure');
  }

  /** Whether what nobody gave up stays at this end. */
  #keeps(end: number): boolean {
    const { type } = this.#transfer;
    if (end === 0 && (type === 'copy' || type === 'migrate')) return true;
    return this.#keepsBoth && (type !== 'move' || end === 1);
  }

  /** It was at one end alone, and the other had nothing there: no rule of a synchronisation takes it away. */
  #isOfOneEnd(content: string, before: readonly Map<string, string>[], after: readonly Map<string, string>[]): boolean {
    const [path] = [...before, ...after].flatMap((tree) => [...tree].find(([, one]) => one === content) ?? []);
    const ends = before.filter((tree) => [...tree.values()].includes(content)).length;
    const others = [...before, ...after].filter((tree) => path !== undefined && tree.has(path)).length;
    return ends === 1 && others === 1;
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)]!;
  }
}
