import { setTimeout as sleep } from 'node:timers/promises';
import { INTERRUPTED } from '#src/outbox/intents/intent.js';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import { Colleague } from '../support/kill-rounds/colleague.js';
import type { Content, HandEvent } from '../support/kill-rounds/contents.js';
import { type Counts, Ledger } from '../support/kill-rounds/ledger.js';
import { World } from '../support/kill-rounds/world.js';
import { randomBy } from '../support/random.js';
import type { HistoryEntry } from '../support/simulator.js';
import type { Scenario } from './scenarios.js';

/** Worlds that go on side by side: each waits most of the time. */
const WORLDS = 5;
/** A new server, project and daemon after so many rounds. */
const ROUNDS_A_WORLD = 25;
/** Programs of one hand in a round. */
const STEPS = 24;
const COLLEAGUE_ACTS = 8;
/** Milliseconds between two acts of the colleague, at most. */
const COLLEAGUE_PAUSE = 150;
/** Steps of the programs, as they tell of them, within which the daemon is killed. */
const EVENTS = 60;
/** Milliseconds after such a step at most, and of sending. */
const MOMENT = 3;
const SENDING = 300;
/** Milliseconds after which what is wrong will not mend itself any more. */
const PATIENCE = 40_000;

/** What may go wrong in a round, each by itself with a probability of one in three. */
const FAULTS = {
  'reset-after': { probability: 0.06 },
  'reset-before': { probability: 0.04 },
  '500-html': { probability: 0.05 },
  '503-retry-after': { probability: 0.05, retry_after: 1 },
  'truncated-body': { probability: 0.03 },
  slow: { probability: 0.1, route: 'POST', ms: 400 },
  late: { probability: 0.05, ms: 600 },
  'late-reset': { probability: 0.05, ms: 600 },
} as const;

export interface KillFigures extends Counts {
  rounds: number;
  kills: number;
  remoteChanges: number;
  faults: number;
  /** Files that were being written at a kill, and contents that went to lost+found. */
  held: number;
  lostAndFound: number;
  /** Changes that could not go up, and were given up. */
  left: number;
  lost: number;
  doubled: number;
}

/**
 * Rounds in which programs work at a mount, a colleague changes the same things at the server, replies get lost or come
 * late, and the daemon is killed with SIGKILL at any moment. After each the witness judges: what was acknowledged and
 * what the colleague saved is at the server or visibly waits, once, unless somebody who had seen exactly it took it away;
 * no version was ever half written; the mount shows what the server has.
 */
export async function killRounds(t: Scenario, rounds: number, seed: number, worlds = WORLDS): Promise<KillFigures> {
  t.comment(`${rounds} rounds, seed ${seed}`);
  const figures: KillFigures = {
    ...{ rounds: 0, kills: 0, remoteChanges: 0, faults: 0, acknowledged: 0, interrupted: 0, unseen: 0, perhapsSeen: 0 },
    ...{ held: 0, lostAndFound: 0, left: 0, lost: 0, doubled: 0 },
  };
  let left = rounds;
  let count = 0;
  const one = async (): Promise<void> => {
    while (left > 0) {
      const some = Math.min(left, ROUNDS_A_WORLD, Math.ceil(rounds / worlds));
      left -= some;
      const done = await inOneWorld(t, some, seed + count++, figures);
      left += some - done;
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: worlds }, one));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  t.comment(JSON.stringify(figures));
  return figures;
}

/** @returns how many rounds it came to */
async function inOneWorld(t: Scenario, rounds: number, seed: number, figures: KillFigures): Promise<number> {
  let done = 0;
  const cleanups: (() => unknown)[] = [];
  try {
    const random = randomBy(seed);
    const world = await World.open({ teardown: (cleanup) => cleanups.unshift(cleanup) }, `w${seed % 1000}`, random);
    const colleague = new Colleague(world.running.admin, random);
    for (let n = 0; n < rounds; n++) {
      const round = new Round(world, colleague, random, `r${n}`, figures);
      const problems = await round.run();
      const told = problems.length > 0 ? [...problems, ...round.log, ...world.daemonLog(30)] : [];
      t.equal(told.join('\n'), '', `seed ${seed}, round ${n}`);
      figures.rounds++;
      done++;
      if (figures.rounds % 25 === 0) t.comment(`${figures.rounds} rounds so far: ${JSON.stringify(figures)}`);
      // What comes after something went wrong proves nothing.
      if (problems.length > 0) break;
    }
    figures.kills += world.kills;
    figures.remoteChanges += colleague.made;
    for (const { hits } of Object.values(await world.running.admin.faults({}))) figures.faults += hits;
    t.equal(world.unexpected().slice(0, 2).join(), '', `seed ${seed}: nothing that the daemon did not expect`);
    return done;
  } finally {
    for (const cleanup of cleanups) await cleanup();
  }
}

class Round {
  readonly log: string[] = [];
  readonly #world: World;
  readonly #colleague: Colleague;
  readonly #random: () => number;
  readonly #top: string;
  readonly #areas: readonly string[];
  readonly #figures: KillFigures;
  readonly #ledger = new Ledger();
  readonly #began = performance.now();
  readonly #resolving: Promise<void>[] = [];
  /** Contents that waited for somebody, and were looked at. */
  readonly #waiting: Content[] = [];
  readonly #problems: string[] = [];
  #awaited: { steps: number; readonly resolve: () => void } | undefined;

  constructor(world: World, colleague: Colleague, random: () => number, top: string, figures: KillFigures) {
    this.#world = world;
    this.#colleague = colleague;
    this.#random = random;
    this.#top = top;
    this.#areas = world.hands.map(({ who }) => `${top}/${who.slice(-1)}`);
    this.#figures = figures;
  }

  /** @returns what is wrong */
  async run(): Promise<readonly string[]> {
    const { hands, running } = this.#world;
    await running.admin.change({ op: 'create', type: 'folder', path: this.#top });
    await this.#colleague.begin(this.#ledger, this.#areas);
    for (const path of ['', this.#top, ...this.#areas]) await this.#world.ask('refresh', { path });
    if (this.#random() < 0.7) await running.admin.faults(this.#someFaults());
    for (const hand of hands) hand.heard = (event) => this.#heard(hand.who, event);
    const working = hands.map((hand, n) =>
      hand.ask({ do: 'work', area: this.#areas[n]!, steps: STEPS, seed: Math.floor(this.#random() * 2 ** 31) }),
    );
    const colleague = this.#colleagueWorks();
    const all = Promise.all([...working, colleague]);
    const kills = this.#random() < 0.25 ? 2 : 1;
    for (let n = 0; n < kills; n++) {
      await Promise.race([all, this.#someStep()]);
      await this.#kill();
    }
    await all;
    if (this.#random() < 0.15) {
      const draining = this.#world.ask('drain', { timeout: 30 }).catch(() => undefined);
      await sleep(this.#random() * SENDING);
      await this.#kill();
      await draining;
    }
    await Promise.all(this.#resolving);
    await this.#settle();
    await this.#judge();
    await this.#clear();
    for (const [name, count] of Object.entries(this.#ledger.counts)) this.#figures[name as keyof Counts] += count;
    return this.#problems;
  }

  /** Some moment of the programs' work: in the middle of a call, or between two. */
  async #someStep(): Promise<void> {
    const steps = 1 + Math.floor(this.#random() * EVENTS);
    await new Promise<void>((resolve) => {
      this.#awaited = { steps, resolve };
    });
    if (this.#random() < 0.5) await sleep(this.#random() * MOMENT);
  }

  async #kill(): Promise<void> {
    this.#say('kill');
    this.#ledger.kill();
    this.#world.kill();
    await this.#world.mountAgain();
    this.#say('mounted again');
  }

  #someFaults(): Record<string, object> {
    const some = Object.entries(FAULTS).filter(() => this.#random() < 0.33);
    this.#say(`faults: ${some.map(([name]) => name).join(', ')}`);
    return Object.fromEntries(some);
  }

  async #colleagueWorks(): Promise<void> {
    for (let n = 0; n < COLLEAGUE_ACTS; n++) {
      await sleep(this.#random() * COLLEAGUE_PAUSE);
      this.#say(`there: ${await this.#colleague.act(this.#ledger, this.#areas)}`);
    }
  }

  #heard(who: string, event: HandEvent): void {
    if (this.#awaited && --this.#awaited.steps === 0) this.#awaited.resolve();
    if (event.at === 'begin') {
      const looks = event.looks.map(({ path, label, id }) => `${path} = ${label} of ${id}`);
      this.#say(`${who} ${event.act}: ${event.what}${looks.length > 0 ? `, having seen ${looks.join(', ')}` : ''}`);
    } else if (event.at === 'acknowledged')
      this.#say(`${who} ${event.act}: has ${event.contents.map(({ label }) => label).join(', ')}`);
    else if (event.at === 'end') this.#say(`${who} ${event.act}: ${event.error ?? 'done'}`);
    const over = this.#ledger.take(who, event);
    if (!over || !this.#ledger.isDoubtful(over)) return;
    const ended = performance.now();
    this.#resolving.push(this.#colleague.told().then((told) => this.#ledger.resolve(over, told, ended)));
  }

  #say(text: string): void {
    this.log.push(`${((performance.now() - this.#began) / 1000).toFixed(3)} ${text}`);
  }

  /** Nobody acts and nothing goes wrong any more; what only a person can decide, a person decides. */
  async #settle(): Promise<void> {
    const { admin } = this.#world.running;
    await admin.noFaults();
    await admin.finishLate();
    let left = await this.#drain();
    const held = left.filter(({ reason }) => reason === INTERRUPTED);
    for (const line of held) {
      this.#figures.held++;
      const { content } = await this.#world.hands[0]!.ask({ do: 'read', path: line.path }).catch(() => ({
        content: undefined,
      }));
      this.#say(`held: ${line.path} = ${content?.label}`);
      if (content) {
        this.#waiting.push(content);
        if (this.#ledger.isLive(content) && !this.#ledger.wasWriting(line.id, line.path))
          this.#problems.push(`held: ${line.path} is acknowledged, and nobody was writing it`);
      }
      const isReleased = content !== undefined && this.#random() < 0.5;
      if (isReleased) this.#ledger.complete(content);
      await this.#world
        .ask(isReleased ? 'release' : 'discard', { ids: [line.id] })
        .catch((error: unknown) => this.#say(`${line.path}: ${String(error)}`));
    }
    if (held.length > 0) left = await this.#drain();
    for (const line of left) {
      this.#figures.left++;
      this.#say(`left: ${line.path} (${line.what}, ${line.state}): ${line.reason}`);
    }
    // Others may wait for what waits for a person.
    if (left.length > 0 && left.every(({ reason }) => reason === undefined))
      this.#problems.push(`stranded: ${left.map(({ path, what }) => `${path} (${what})`).join(', ')}`);
    if (left.length > 0) await this.#world.ask('discard', { ids: left.map(({ id }) => id) });
  }

  #drain(): Promise<UploadLine[]> {
    return this.#world.ask<UploadLine[]>('drain', { timeout: 60 });
  }

  /** What polls bring, comes within their time. */
  async #judge(): Promise<void> {
    const end = performance.now() + PATIENCE;
    for (;;) {
      const { problems, lost, doubled, history, shown } = await this.#look();
      if (problems.length > 0 && performance.now() < end) {
        await sleep(250);
        if (performance.now() > end - PATIENCE / 2) await this.#drain();
        continue;
      }
      this.#figures.lost += lost;
      this.#figures.doubled += doubled;
      this.#figures.lostAndFound += this.#world.lostAndFound().length;
      this.#problems.push(...problems);
      if (this.#problems.length === 0) return;
      for (const one of history)
        this.#say(
          `at the server: ${one.deleted ? 'DELETED ' : ''}${one.path} (${one.id}) = ${one.history.map((sum) => this.#ledger.nameOf(sum)).join(' <- ')}`,
        );
      for (const [path, sum] of shown ?? [])
        this.#say(`here: ${path} = ${sum === undefined ? 'a folder' : this.#ledger.nameOf(sum)}`);
      for (const content of [...this.#waiting, ...this.#world.lostAndFound()]) this.#say(`waited: ${content.label}`);
      return;
    }
  }

  async #look() {
    const history = await this.#world.running.admin.history();
    const waiting = [...this.#waiting, ...this.#world.lostAndFound()];
    const lines = await this.#world.ask<UploadLine[]>('uploads', {});
    const late = lines.flatMap(({ state, path }) => (state === 'late' ? [path] : []));
    const { lost, doubled, half } = this.#ledger.judge(this.#top, history, waiting, late);
    const problems = [
      ...lost.map((one) => `lost: ${one}`),
      ...doubled.map((one) => `doubled: ${one}`),
      ...half.map((one) => `half written: ${one}`),
    ];
    const { tree: shown } = await this.#world.hands[0]!.ask({ do: 'list' }).catch(() => ({ tree: undefined }));
    const differs = difference(shown, history);
    if (differs !== '') problems.push(`the mount shows something else: ${differs}`);
    return { problems, lost: lost.length, doubled: doubled.length, history, shown };
  }

  /** Nothing of this round is left for the next one. */
  async #clear(): Promise<void> {
    this.#world.forgetLostAndFound();
    const { admin } = this.#world.running;
    const live = (await admin.tree({ hash: false })).filter(({ path }) => !path.includes('/') && path !== 'Schedules');
    for (const { path, type } of live) await admin.change({ op: 'delete', path, type });
  }
}

/** How what the mount shows differs from what the server has, in a few words. */
function difference(
  shown: ReadonlyMap<string, string | undefined> | undefined,
  history: readonly HistoryEntry[],
): string {
  if (!shown) return 'it cannot be read';
  // Who has a name keeps it, and another one of that name is told apart by its id (semantics, names).
  const here = [...shown].map(([path, sum]) => `${path.replace(/ \(\d{6,}\)/g, '')} = ${sum ?? 'a folder'}`);
  const there = history
    .filter(({ deleted }) => !deleted)
    .map(({ path, type, sha256 }) => `${path} = ${type === 'folder' ? 'a folder' : sha256}`);
  const [more, less] = [without(here, there), without(there, here)];
  return [...more.map((one) => `only here: ${one}`), ...less.map((one) => `only at the server: ${one}`)].join('; ');
}

function without(from: readonly string[], these: readonly string[]): string[] {
  const left = [...these];
  return from.filter((one) => {
    const at = left.indexOf(one);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
