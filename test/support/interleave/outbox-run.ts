import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { asInode } from '#src/base/ids.js';
import type { Log } from '#src/base/log.js';
import { Connections } from '#src/connections/store.js';
import { STALE_LISTING_S } from '#src/mirror/database/confirmed.js';
import { type Intent, NO_REMOTE } from '#src/outbox/intents/intent.js';
import { discard, uploadLines } from '#src/outbox/uploads-view.js';
import { projectKey } from '#src/project/project.js';
import { StateFolder } from '#src/project/state-folder.js';
import { randomBy } from '../random.js';
import { addConnection } from '../simulated-connection.js';
import { Witness } from '../witness.js';
import { Colleague } from './colleague.js';
import { HeldProject } from './held-project.js';
import { type Fate, type HeldCall, HeldServer } from './held-server.js';
import { HeldTime } from './held-time.js';
import { Person } from './person.js';
import { Quiet } from './quiet.js';

export interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

/** Kinds of steps that can be left out. */
export const KINDS = [
  'faults',
  'late',
  'network',
  'permissions',
  'kills',
  'old-mirror',
  'old-outbox',
  'open',
  'deletions',
  'folder-deleted-there',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Counts {
  sequences: number;
  steps: number;
  calls: number;
  /** What colleagues did while a call of this project was on its way. */
  duringSend: number;
  /** What colleagues did that no poll had seen when the next change went to the server. */
  unseen: number;
  kills: number;
  oldDatabases: number;
}

export interface Finding {
  readonly seed: number;
  readonly what: string;
  readonly log: readonly string[];
}

const STEPS = 28;
const NAMES = ['a.txt', 'b.txt', 'c.txt'];
const FOLDERS = ['d', 'e'];
/**
 * From this seed on all calls come through soon, and more is brought to the server while people go on; colleagues act on
 * just what a call is about, before it comes through or before its reply.
 */
export const FIRST_OF_MEETINGS = 40_000;
/** No sequence needs more, with all that is tried again. */
const MOST_CALLS = 1000;
/** How likely a colleague does something to an item just before a call that changes it comes through. */
const MEETING = 0.3;
/** How likely a person at the mount goes on at such a moment. */
const GOES_ON = 0.15;
/** Milliseconds that pass between what people do. */
const PAUSES = [1500, 4000, 4000, 6000, 15_000, 60_000];
const ROUNDS = 10;
/** When it begins, so that hours and days end at the same moments of each run. */
const BEGIN = Date.UTC(2026, 0, 15, 10);
/** Milliseconds that pass at most in one step. */
const SPANS = [100, 1500, 2500, 4000, 20_000, 100_000];
/** How long a sequence's end may take, milliseconds of held time. */
const LONGEST_END = 6 * 3_600_000;
/** Errors that a person's program gets told, and lives with. */
const TOLD =
  /^(ENOENT|EEXIST|EACCES|EPERM|EISDIR|ENOTDIR|ENOTEMPTY|EIO|EINTR|EBUSY|ESTALE|ENETUNREACH|EAGAIN|EHOSTUNREACH|ETIMEDOUT|EREMOTEIO|EINVAL|EROFS|ENONET|EHOSTDOWN|ENETDOWN)$/;

/** People, a project and a server, with one who decides at each moment which of them goes on. */
export class OutboxInterleaver {
  readonly counts: Counts = { sequences: 0, steps: 0, calls: 0, duringSend: 0, unseen: 0, kills: 0, oldDatabases: 0 };
  readonly #server: HeldServer;
  readonly #time: HeldTime;
  readonly #state: StateFolder;
  readonly #quiet: Quiet;
  readonly #kinds: ReadonlySet<Kind>;
  readonly #witness = new Witness();
  readonly #colleague: Colleague;
  readonly #person: Person;
  #place!: HeldProject;
  #folder = '';
  #random: () => number = () => 0;
  /** Calls are met, and go on by themselves. */
  #isMeeting = false;
  #log: string[] = [];
  /** What the project says. */
  readonly #told: Log = pino({ base: null, timestamp: false }, { write: (line: string) => this.#say(inShort(line)) });
  #top = '';
  #busy: Promise<void> | undefined;
  #poll: Promise<void> | undefined;
  /** What colleagues did since the last poll, or the last change that went out. */
  #unseen = 0;
  #isDown = false;
  #copies: { readonly name: string; readonly at: string; readonly late: ReadonlySet<number> }[] = [];

  private constructor(t: Teardown, server: HeldServer, time: HeldTime, state: StateFolder, kinds: ReadonlySet<Kind>) {
    this.#server = server;
    this.#time = time;
    this.#state = state;
    this.#kinds = kinds;
    this.#quiet = new Quiet(t, server);
    server.passed = (label, phase) => this.#say(`${phase} ${label}`);
    this.#colleague = new Colleague(server, this.#witness);
    this.#person = new Person(
      () => this.#place,
      this.#witness,
      (id) => this.#colleague.ofVersion(id),
    );
  }

  static async open(t: Teardown, kinds: ReadonlySet<Kind>): Promise<OutboxInterleaver> {
    const time = new HeldTime(BEGIN);
    const { random } = Math;
    t.teardown(() => {
      Math.random = random;
    });
    const server = await HeldServer.start(t, () => time.now());
    const folder = mkdtempSync(join(tmpdir(), 'procorefs-interleave-'));
    const state = new StateFolder(folder);
    addConnection(new Connections(folder), server.ready);
    const made = new OutboxInterleaver(t, server, time, state, kinds);
    made.#place = await made.#open();
    made.#folder = state.project(projectKey(made.#place.project.session));
    t.teardown(async () => {
      server.letAllGo();
      await made.#place.close();
      rmSync(folder, { recursive: true, force: true });
    });
    return made;
  }

  /** One sequence of a seed. @returns what is wrong at its end, or undefined */
  async run(seed: number): Promise<Finding | undefined> {
    this.#random = randomBy(seed);
    // Of pauses after a failure.
    Math.random = randomBy(seed);
    this.#log = [];
    this.#top = `r${seed}`;
    this.counts.sequences++;
    this.#witness.forget();
    await this.#untilWholeSecond();
    await this.#place.files.mkdir(this.#top);
    if (this.#random() < 0.5) await this.#settle(1);
    this.#colleagueBegins();
    await this.#settle(1);
    const isMeeting = seed >= FIRST_OF_MEETINGS;
    this.#server.isHolding = true;
    const steps = isMeeting ? ROUNDS : STEPS / 2 + Math.floor(this.#random() * STEPS);
    const { calls } = this.#server;
    let problem: string | undefined;
    try {
      for (let n = 0; n < steps; n++) {
        // An older database is rare by chance: of each tenth sequence it is certain.
        const kind = seed % 20 === 0 ? 'old-mirror' : 'old-outbox';
        const isTime = n === Math.floor(steps / 4) || n === Math.floor((steps * 3) / 4);
        if (seed % 10 === 0 && this.#kinds.has(kind) && isTime) await this.#kill(kind);
        else if (isMeeting) await this.#round();
        else await this.#step();
      }
    } catch (error) {
      problem = `a step failed: ${(error as Error).stack}`;
    }
    this.#isMeeting = false;
    problem = (await this.#end()) ?? problem;
    const spent = this.#server.calls - calls;
    if (spent > MOST_CALLS) problem ??= `${spent} calls`;
    return problem === undefined ? undefined : { seed, what: problem, log: this.#log };
  }

  /** Times of the API are whole seconds: a sequence begins with one, so that its seed does the same by itself. */
  async #untilWholeSecond(): Promise<void> {
    for (let left = 1000 - (this.#time.now() % 1000); left > 0; left -= this.#time.pass(left)) await this.#rest();
  }

  /** Something is there already, which both have seen. */
  #colleagueBegins(): void {
    this.#maybe(() => this.#colleague.create(`${this.#top}/a.txt`));
    this.#maybe(() => this.#colleague.mkdir(`${this.#top}/d`));
    this.#maybe(() => this.#colleague.create(`${this.#top}/d/a.txt`));
    this.#maybe(() => this.#colleague.create(`${this.#top}/d/b.txt`));
  }

  #maybe(work: () => void): void {
    if (this.#random() < 0.6)
      try {
        work();
      } catch {
        // The folder is not at the server yet, or is not there.
      }
  }

  async #step(): Promise<void> {
    this.counts.steps++;
    await this.#rest();
    const { waiting } = this.#server;
    const draw = this.#random() * 100;
    if (waiting.length > 0 && draw < 45) return this.#letGo();
    if (draw < 62) return this.#personActs();
    if (draw < 78) return this.#colleagueActs();
    if (draw < 84) return this.#startPoll();
    if (draw < 97) return this.#pass(this.#pick(SPANS));
    return this.#upheaval();
  }

  /** People do something, and some of it goes to the server while others act on it. */
  async #round(): Promise<void> {
    this.counts.steps++;
    this.#isMeeting = true;
    for (let acts = 1 + Math.floor(this.#random() * 3); acts > 0; acts--) {
      this.#personActs();
      await this.#rest();
    }
    if (this.#random() < 0.4) this.#colleagueActs();
    if (this.#random() < 0.2) this.#startPoll();
    await this.#flow(this.#pick(PAUSES));
    if (this.#random() < 0.1) await this.#upheaval();
  }

  /** Time passes, and calls come through as they are made. */
  async #flow(ms: number): Promise<void> {
    this.#say(`time passes: ${ms / 1000} s`);
    for (let left = ms; left > 0; ) {
      await this.#rest();
      if (this.#server.waiting.length > 0) this.#letGo();
      else left -= Math.max(1, this.#time.pass(left));
    }
  }

  async #rest(): Promise<void> {
    await this.#quiet.come();
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)]!;
  }

  #say(text: string): void {
    this.#log.push(`${((this.#time.monotonic() % 1e8) / 1000).toFixed(1)} ${text}`);
  }

  #letGo(): void {
    const { waiting } = this.#server;
    const call = this.#pick(this.#isMeeting ? waiting.toSorted(byWhatTheyAre) : waiting);
    const fate = this.#fate(call.isWrite, call.phase);
    this.counts.calls++;
    if (this.#isMeeting && call.isWrite && this.#random() < MEETING) this.#meet(call.label);
    if (this.#isMeeting && call.isWrite && this.#random() < GOES_ON) this.#personActs();
    if (call.phase === 'request' && call.isWrite) {
      this.counts.unseen += this.#unseen;
      this.#unseen = 0;
    }
    this.#say(`${call.phase} ${call.label}: ${fate}`);
    call.meet(fate);
  }

  #fate(isWrite: boolean, phase: 'request' | 'reply'): Fate {
    const draw = this.#random();
    if (this.#kinds.has('faults') && draw < 0.06) return 'cut';
    if (phase === 'request' && this.#kinds.has('faults') && draw < 0.08) return 'busy';
    if (phase === 'request' && isWrite && this.#kinds.has('late') && draw < 0.12) return 'late';
    return 'go';
  }

  /** A file's place, of those that there may be; in a folder that is there, mostly. */
  #somewhere(folders: readonly string[]): string {
    return `${this.#pick([this.#top, ...folders])}/${this.#pick(NAMES)}`;
  }

  #personActs() {
    if (this.#busy) return;
    const person = this.#person;
    const tree = person.tree(this.#top);
    const files = [...tree].filter(([, content]) => content !== undefined).map(([path]) => path);
    const folders = [...tree].filter(([, content]) => content === undefined).map(([path]) => path);
    const place = this.#somewhere(folders);
    const file = files.length > 0 ? this.#pick(files) : place;
    const folder = folders.length > 0 ? this.#pick(folders) : `${this.#top}/${this.#pick(FOLDERS)}`;
    const draw = this.#random() * 100;
    // Two who write to one open file make a mixture, which is nobody's.
    if (person.isOpen(place) || person.isOpen(file)) return;
    const act = (what: string, work: () => unknown): void => {
      this.#say(`here: ${what}`);
      const done = Promise.resolve()
        .then(work)
        .then(
          () => undefined,
          (error: { errno?: string }) => {
            if (!TOLD.test(error.errno ?? '')) throw error;
            this.#say(`here: ${what}: ${error.errno}`);
          },
        )
        .finally(() => {
          if (this.#busy === done) this.#busy = undefined;
          this.#server.activity++;
        });
      this.#busy = done;
      done.catch((error: unknown) => this.#say(`UNEXPECTED ${(error as Error).stack}`));
    };
    if (person.isInTheMiddle && draw < 70) return act('goes on', () => person.goOn());
    if (person.isWriting && draw < 30) return act('writes and closes', () => person.close());
    if (draw < 22) return act(`writes ${place}`, () => person.write(place));
    if (draw < 36) return act(`writes ${file}`, () => person.write(file));
    if (draw < 42) return act(`appends to ${file}`, () => person.append(file));
    const mayDelete = this.#kinds.has('deletions');
    if (draw < 54 && mayDelete) return act(`removes ${file}`, () => person.unlink(file));
    if (draw < 66 && (mayDelete || !tree.has(place)))
      return act(`moves ${file} to ${place}`, () => person.rename(file, place));
    if (draw < 71) return act(`makes ${folder}`, () => person.mkdir(folder));
    if (draw < 75) {
      const to = `${this.#top}/${this.#pick(FOLDERS)}`;
      return act(`moves ${folder} to ${to}`, () => person.rename(folder, to));
    }
    if (draw < 82) return act(`reads ${file}`, () => person.read(file));
    if (draw < 88 && mayDelete) return act(`saves ${file}`, () => person.save(file));
    if (draw < 94 && mayDelete && !person.isInTheMiddle)
      return act(`removes all of ${folder}`, () => person.removeAll(folder));
    if (this.#kinds.has('open') && !person.isWriting) return act(`opens ${place}`, () => person.open(place));
  }

  #colleagueActs() {
    const colleague = this.#colleague;
    const tree = colleague.tree(this.#top);
    const files = [...tree].filter(([, content]) => content !== undefined).map(([path]) => path);
    const folders = [...tree].filter(([, content]) => content === undefined).map(([path]) => path);
    const place = this.#somewhere(folders);
    const file = files.length > 0 ? this.#pick(files) : place;
    const folder = folders.length > 0 ? this.#pick(folders) : `${this.#top}/${this.#pick(FOLDERS)}`;
    const draw = this.#random() * 100;
    const act = this.#actThere;
    if (draw < 20) return act(`makes ${place}`, () => colleague.create(place));
    if (draw < 60) return act(`saves ${file}`, () => colleague.update(file));
    if (draw < 70) return act(`deletes ${file}`, () => colleague.delete(file));
    if (draw < 80) return act(`moves ${file} to ${place}`, () => colleague.move(file, place));
    if (draw < 88) return act(`makes ${folder}`, () => colleague.mkdir(folder));
    if (draw < 93 && this.#kinds.has('folder-deleted-there') && !this.#isMeeting)
      return act(`deletes ${folder}`, () => colleague.delete(folder));
    if (draw < 97 || !this.#kinds.has('permissions')) {
      const to = `${this.#top}/${this.#pick(FOLDERS)}`;
      return act(`moves ${folder} to ${to}`, () => colleague.move(folder, to));
    }
    const isVisible = this.#random() < 0.5;
    const what = this.#pick([...tree.keys(), file]);
    return act(`${isVisible ? 'shows' : 'hides'} ${what}`, () => colleague.show(what, isVisible));
  }

  readonly #actThere = (what: string, work: () => void, isDuringSend = false): void => {
    try {
      work();
      this.#say(`there: ${what}`);
      this.#unseen++;
      if (isDuringSend || this.#server.waiting.some(({ isWrite }) => isWrite)) this.counts.duringSend++;
    } catch (error) {
      // Taken, or not there: people are told so.
      this.#say(`there: ${what}: ${(error as Error).message}`);
    }
  };

  /** A colleague does something to the very item that a call is about, which nobody here has seen. */
  #meet(label: string): void {
    const colleague = this.#colleague;
    const id = /\/(?:files|folders)\/(\d+)/.exec(label)?.[1];
    const intents = [...this.#place.project.outbox.intents.all()];
    const paths = (id === undefined ? intents.map((one) => one.remoteId) : [Number(id)]).flatMap((one) => {
      const path = colleague.pathOf(one);
      return path?.startsWith(`${this.#top}/`) ? [path] : [];
    });
    if (paths.length === 0) return;
    const path = this.#pick(paths);
    const act = (what: string, work: () => void): void => this.#actThere(what, work, true);
    const tree = colleague.tree(this.#top);
    const kind = this.#random();
    if (tree.get(path) !== undefined) {
      const to = `${this.#top}/${this.#pick(NAMES)}`;
      if (kind < 0.5) act(`saves ${path}`, () => colleague.update(path));
      else if (kind < 0.8) act(`saves ${path} as we do`, () => colleague.update(path, true));
      else if (kind < 0.9) act(`deletes ${path}`, () => colleague.delete(path));
      else act(`moves ${path} to ${to}`, () => colleague.move(path, to));
      return;
    }
    const inside = [...tree.keys()].filter((one) => one.startsWith(`${path}/`) && tree.get(one) !== undefined);
    const one = inside.length > 0 && kind < 0.5 ? this.#pick(inside) : `${path}/${this.#pick(NAMES)}`;
    if (tree.has(one)) act(`saves ${one}`, () => colleague.update(one));
    else act(`makes ${one}`, () => colleague.create(one));
  }

  #startPoll(): void {
    if (this.#poll) return;
    this.#say('poll');
    this.#unseen = 0;
    const done = this.#place.project.mirror
      .pollNow(new AbortController().signal)
      .catch(() => undefined)
      .finally(() => {
        if (this.#poll === done) this.#poll = undefined;
        this.#server.activity++;
      });
    this.#poll = done;
  }

  /** Lets time pass, until something comes up. */
  async #pass(ms: number): Promise<void> {
    const before = this.#server.waiting.length;
    this.#say(`time passes: ${ms / 1000} s`);
    for (let left = ms; left > 0; ) {
      left -= Math.max(1, this.#time.pass(left));
      await this.#rest();
      if (this.#server.waiting.length > before) return;
    }
  }

  async #upheaval(): Promise<void> {
    const kinds = (['network', 'kills', 'old-mirror', 'old-outbox', 'late'] as const).filter((one) =>
      this.#kinds.has(one),
    );
    const kind = kinds.length > 0 ? this.#pick(kinds) : undefined;
    if (kind === 'late') {
      const { late } = this.#server.world;
      if (late.count === 0) return;
      this.#say(`late work is done: ${(await late.finish(1)).join()}`);
    } else if (kind === 'network') {
      this.#isDown = !this.#isDown;
      this.#say(`network ${this.#isDown ? 'down' : 'up'}`);
      await this.#server.network(this.#isDown ? 'down' : 'up');
    } else if (kind !== undefined) await this.#kill(kind);
  }

  /** The daemon ends at once, and another one begins with what is on the disk; or with an older copy of a database. */
  async #kill(upheaval: 'kills' | 'old-mirror' | 'old-outbox'): Promise<void> {
    await this.#rest();
    const { outbox } = this.#place.project;
    const { late } = outbox;
    const copy = this.#copies.find(({ name }) => name === 'outbox.db');
    // What is known of a call stays until its outcome is.
    const isNew = copy !== undefined && late.all().some(({ at }) => !copy.late.has(at));
    const isDone = isNew || [...outbox.intents.all()].some(isOnStableStorage);
    const kind = upheaval === 'old-outbox' && isDone ? 'kills' : upheaval;
    const name = kind === 'old-mirror' ? 'mirror.db' : 'outbox.db';
    const old = this.#copies.find((one) => one.name === name);
    if (kind !== 'kills' && !old) {
      const at = mkdtempSync(join(tmpdir(), 'procorefs-copy-'));
      this.#copyDatabase(name, this.#folder, at);
      this.#copies.push({ name, at, late: new Set(late.all().map((one) => one.at)) });
      this.#say(`a copy of ${name} is made`);
      return;
    }
    this.counts.kills++;
    this.#say(kind === 'kills' ? 'kill' : `kill, and the older ${name} is put back`);
    const at = mkdtempSync(join(tmpdir(), 'procorefs-killed-'));
    copyState(this.#folder, at);
    this.#server.isHolding = false;
    for (const call of [...this.#server.held]) call.meet(this.#random() < 0.5 ? 'go' : 'cut');
    if (this.#isDown) await this.#server.network('up');
    this.#isDown = false;
    await this.#place.close();
    await this.#rest();
    // A caller that waits for a killed daemon gets an error from the kernel.
    this.#busy = this.#poll = undefined;
    this.#person.interrupted();
    for (const name of NOT_KEPT)
      if (existsSync(join(this.#folder, name))) renameSync(join(this.#folder, name), join(at, name));
    rmSync(this.#folder, { recursive: true });
    renameSync(at, this.#folder);
    if (kind !== 'kills' && old) {
      this.counts.oldDatabases++;
      this.#copyDatabase(name, old.at, this.#folder);
      this.#dropCopies();
    }
    this.#place = await this.#open();
    this.#server.isHolding = true;
  }

  #copyDatabase(name: string, from: string, to: string): void {
    for (const end of ['', '-wal', '-shm']) {
      rmSync(join(to, name + end), { force: true });
      if (existsSync(join(from, name + end))) copyFileSync(join(from, name + end), join(to, name + end));
    }
  }

  #dropCopies(): void {
    for (const { at } of this.#copies) rmSync(at, { recursive: true, force: true });
    this.#copies = [];
  }

  async #open(): Promise<HeldProject> {
    let isOpen = false;
    const opening = HeldProject.open(this.#server, this.#time, this.#state, {}, this.#told).finally(() => {
      isOpen = true;
    });
    // What it waits for passes.
    while (!isOpen) {
      await this.#rest();
      if (!isOpen && this.#time.next < 60_000) this.#time.pass(1000);
    }
    return opening;
  }

  /** Nobody acts, and all that waits goes up. @returns what is left of it */
  async #settle(rounds = 4): Promise<readonly string[]> {
    const { scheduler, mirror } = this.#place.project;
    let left: readonly string[] | undefined;
    for (let round = 0; round < rounds; round++) {
      await this.#whileTimePasses(mirror.pollNow(new AbortController().signal).catch(() => undefined));
      left = (await this.#whileTimePasses(scheduler.drain(new AbortController().signal))).map(
        ({ here, state, reason, deleted }) => `${here.name} (${state}${deleted ? ', to be deleted' : ''}): ${reason}`,
      );
      if ((left.length === 0 && round > 0) || rounds === 1) break;
      await this.#whileTimePasses(this.#time.sleep(round < 2 ? 20_000 : 1_000_000));
    }
    return left ?? [];
  }

  async #whileTimePasses<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const done = work.finally(() => {
      isOver = true;
      this.#server.activity++;
    });
    done.catch(() => undefined);
    for (let left = LONGEST_END; !isOver && left > 0; ) {
      await this.#rest();
      if (!isOver) left -= Math.max(1, this.#time.pass(5000));
    }
    if (!isOver) throw new Error(`it does not end: ${this.#whatGoesOn()}`);
    return done;
  }

  #whatGoesOn(): string {
    const { outbox, scheduler, mirror } = this.#place.project;
    const waiting = this.#server.waiting.map(({ label, phase }) => `${phase} ${label}`);
    const intents = [...outbox.intents.all()].map(
      (one) => `${scheduler.isUnderWay(one.inode) ? '*' : ''}${JSON.stringify(one)}`,
    );
    return [mirror.state, `next ${this.#time.next}`, ...waiting, ...intents].join(' | ');
  }

  /** Everything comes through, and the witness judges. */
  async #end(): Promise<string | undefined> {
    const server = this.#server;
    const problems: string[] = [];
    try {
      if (this.#isDown) await server.network('up');
      this.#isDown = false;
      server.letAllGo();
      await this.#rest();
      while (this.#busy || this.#person.isInTheMiddle || this.#person.isWriting) {
        if (this.#busy) await this.#whileTimePasses(this.#busy.catch(() => undefined));
        else if (this.#person.isInTheMiddle) await this.#person.goOn().catch(() => undefined);
        else await this.#person.close().catch(() => undefined);
      }
      if (this.#poll) await this.#whileTimePasses(this.#poll);
      for (const [path] of this.#colleague.tree(this.#top)) this.#maybeShow(path);
      await server.world.late.finish();
      const left = await this.#settle();
      if (this.#judge(left).length > 0) {
        // What was deleted while the account could not see it, only a comparison of everything tells, once listings do not
        // lag behind our own calls any more.
        const { mirror } = this.#place.project;
        await this.#whileTimePasses(this.#time.sleep(STALE_LISTING_S * 1000));
        await this.#whileTimePasses(mirror.sweepNow('background', new AbortController().signal));
      }
      problems.push(...this.#judge(left));
    } catch (error) {
      problems.push((error as Error).stack ?? String(error));
    }
    if (problems.length > 0) this.#describe();
    await this.#clear().catch((error: unknown) => problems.push(`clearing up: ${(error as Error).stack}`));
    return problems.length > 0 ? problems.join('\n') : undefined;
  }

  #judge(left: readonly string[]): string[] {
    const { outbox } = this.#place.project;
    const there = this.#colleague.tree(this.#top);
    const here = this.#person.tree(this.#top);
    const files = (tree: ReadonlyMap<string, string | undefined>): Map<string, string> =>
      new Map([...tree].filter((one): one is [string, string] => one[1] !== undefined));
    // What cannot go up is in `uploads`, with its bytes and why, wherever it is in the tree.
    const lines = uploadLines(outbox, this.#place.project.scheduler, new Map());
    const told = new Set(lines.flatMap(({ id, reason }) => (reason === undefined ? [] : id)));
    const waiting = [...outbox.intents.all()].flatMap((intent) =>
      told.has(intent.inode) ? (this.#person.contentOf(intent.inode) ?? []) : [],
    );
    const lostAndFound = join(this.#folder, 'lost+found');
    const saved = readdirSync(lostAndFound).map((name) => readFileSync(join(lostAndFound, name), 'utf8'));
    const kept = new Set([...waiting, ...saved, ...this.#colleague.unseeable()]);
    // What a call did late and is told of has covered, deleted or made it: it stays in versions and the bin.
    const { view } = this.#place.project.mirror;
    const late = lines.flatMap(({ id, state }) => (state === 'late' ? (view.item(asInode(id))?.remoteId ?? []) : []));
    const taken = this.#colleague.everOf(late);
    const { lost, doubled } = this.#witness.judge({
      trees: [files(there)],
      waiting: new Set([...kept, ...taken]),
      taken,
    });
    const problems = [...lost.map((one) => `lost: ${one}`), ...doubled.map((one) => `doubled: ${one}`)];
    for (const intent of outbox.intents.all())
      if (intent.state !== 'local' && !told.has(intent.inode)) problems.push(`stranded: ${intent.here.name}`);
    if (left.length > 0) this.#say(`left: ${left.join('; ')}`);
    else for (const one of differences(here, there)) problems.push(`differs: ${one}`);
    return problems;
  }

  #describe(): void {
    for (const [path, content] of this.#colleague.tree(this.#top)) this.#say(`at the server: ${path} = ${content}`);
    for (const [path, content] of this.#person.tree(this.#top)) this.#say(`here: ${path} = ${content}`);
    for (const intent of this.#place.project.outbox.intents.all()) this.#say(`waits: ${JSON.stringify(intent)}`);
  }

  #maybeShow(path: string): void {
    try {
      this.#colleague.show(path, true);
    } catch {
      // Something else is at that place as well.
    }
  }

  /** Nothing of this sequence is left for the next one. */
  async #clear(): Promise<void> {
    const { outbox } = this.#place.project;
    this.#dropCopies();
    const left = [...outbox.intents.all()].map(({ inode }) => inode);
    if (left.length > 0) discard(outbox, left);
    const lostAndFound = join(this.#folder, 'lost+found');
    for (const name of readdirSync(lostAndFound)) rmSync(join(lostAndFound, name));
    try {
      this.#colleague.delete(this.#top);
    } catch {
      // It is gone already.
    }
    if (left.length > 0) await this.#settle();
  }
}

/**
 * No power cut brings an outbox without it. A call is on stable storage before it is made, and stays until its outcome is
 * known; what it had covered unseen, and is kept beside, follows from it: its bytes are nowhere else on this machine.
 */
const isOnStableStorage = ({ attempt, remoteId, content }: Intent): boolean =>
  attempt.goal !== undefined || (remoteId === NO_REMOTE && content.item !== NO_REMOTE);

/** Whichever came first: two connections are as fast as they happen to be. The server names uploads by chance. */
function byWhatTheyAre(a: HeldCall, b: HeldCall): number {
  const [one, other] = [a, b].map(({ label, phase }) => `${label.replace(/\/upload\/.*/, '/upload')} ${phase}`);
  return one! < other! ? -1 : Number(one! > other!);
}

/**
 * Who has a name keeps it, and another one of that name is told apart by its id (semantics, names), of which a conflict's
 * name may be made: that is left out, and what has one name then is counted.
 */
function differences(
  here: ReadonlyMap<string, string | undefined>,
  there: ReadonlyMap<string, string | undefined>,
): string[] {
  const lines = (tree: ReadonlyMap<string, string | undefined>): string[] =>
    [...tree].map(([path, content]) => `${path.replace(/ \(\d{12,}\)/g, '')} = "${content ?? 'a folder'}"`);
  const more = lines(there);
  const found: string[] = [];
  for (const line of lines(here)) {
    const at = more.indexOf(line);
    if (at < 0) found.push(`only here: ${line}`);
    else more.splice(at, 1);
  }
  return [...found, ...more.map((line) => `only at the server: ${line}`)];
}

function inShort(line: string): string {
  const { msg, level: _, ...others } = JSON.parse(line) as Record<string, unknown>;
  return `it says: ${String(msg)} ${JSON.stringify(others).slice(0, 200)}`;
}

/** The lock ends with its process; and room that is kept. */
const NOT_KEPT: ReadonlySet<string> = new Set(['lock', 'ballast']);

/** A state folder as a kill leaves it at this moment: databases as they are, other files with the times that they have. */
function copyState(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, copy] = [join(from, entry.name), join(to, entry.name)];
    if (NOT_KEPT.has(entry.name)) continue;
    if (entry.isDirectory()) copyState(source, copy);
    else if (entry.name.includes('.db')) copyFileSync(source, copy);
    else linkSync(source, copy);
  }
}
