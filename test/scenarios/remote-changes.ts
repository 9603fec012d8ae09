import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT_INODE } from '#src/base/ids.js';
import type { Item } from '#src/mirror/database/view.js';
import { discard } from '#src/outbox/uploads-view.js';
import { mirrorLines, mirrorTree, serverLines } from '../support/mirror.js';
import { Files, type OpenProject, openProject } from '../support/project.js';
import { randomBy } from '../support/random.js';
import type { TreeEntry } from '../support/simulator.js';
import type { Scenario } from './scenarios.js';

/** Seconds of an hour: how many calls one has is not the subject. */
const HOUR = 60;
const never = new AbortController().signal;
/** Changes at the server between two comparisons. */
const ROUND = 250;
/** Seconds by which the index lags when it does. */
const LAG = 2;
/** Seconds of the server, more than listings may lag behind our own calls. */
const LAG_BELIEVED = 150;
const FAULTS = {
  'stale-index': { probability: 0.15, seconds: LAG },
  'reset-after': 0.03,
  'truncated-body': 0.02,
  '500-html': 0.02,
};
/** What is not known of the API and decides what polls and listings show; each round draws one of each. */
const SWITCHES: Readonly<Record<string, readonly string[]>> = {
  'bump-rename': ['yes', 'no'],
  'bump-move': ['yes', 'no'],
  'bump-delete': ['yes', 'no'],
  'bump-restore': ['yes', 'no'],
  'bump-permission': ['no', 'yes'],
  'bump-subtree': ['no', 'yes'],
  'bump-parent': ['no', 'yes'],
  'recycled-parent': ['kept', 'bin'],
  'recycled-subtree': ['deleted', 'kept'],
  'recycled-in-index': ['included', 'excluded'],
  'equal-keys': ['by-id', 'unstable'],
  'per-page-most': ['10000', '100'],
  'total-header': ['yes', 'no'],
};

const OPERATIONS = [
  'create',
  'create',
  'create',
  'update',
  'rename',
  'move',
  'delete',
  'restore',
  'purge',
  'permission',
  'checkout',
] as const;

/**
 * Random changes of every kind at the server while the mirror polls, lists and sweeps, with a lagging index, pages that
 * shift, lost replies, and people here who write: after the next sweep the mirror is what the server has.
 */
export async function remoteChanges(t: Scenario, changes: number, seed: number): Promise<void> {
  t.comment(`${changes} changes, seed ${seed}`);
  const random = randomBy(seed);
  const settings = { items: 300, seed: String(seed), oddNames: 'yes', hour: HOUR } as const;
  const opened = await openProject(t, settings, {}, { hour: HOUR * 1000, spike: 10_000 });
  const counts: Record<string, number> = {};
  const people = new People(opened, random, counts);
  await people.settled();
  let skew = 0;
  for (let done = 0; done < changes; done += ROUND) {
    await opened.simulator.admin.switches(
      Object.fromEntries(Object.entries(SWITCHES).map(([name, values]) => [name, pick(values, random)!])),
    );
    await opened.simulator.admin.faults({
      ...FAULTS,
      ...(skew > 0 ? { 'clock-skew': { probability: 1, seconds: skew } } : {}),
    });
    for (let n = 0; n < ROUND; n++) await people.change();
    await opened.simulator.admin.faults(Object.fromEntries(Object.keys(FAULTS).map((name) => [name, 0])));
    await people.giveUp();
    // What our own calls did lately is believed more than listings for a while, which is over now.
    skew += LAG_BELIEVED;
    await opened.simulator.admin.faults({ 'clock-skew': { probability: 1, seconds: skew } });
    await sleep(LAG * 1000 + 1000);
    await opened.project.mirror.sweepNow('background', never);
    const wanted = await serverLines(opened.simulator);
    const found = mirrorLines(opened.project.mirror);
    t.equal(differences(found, wanted).join('\n'), '', `after ${done + ROUND} changes: ${wanted.length} items`);
    if ((done + ROUND) % 1000 === 0) t.comment(`${done + ROUND} changes so far`);
  }
  t.comment(JSON.stringify(counts));
  t.ok((counts.changes ?? 0) > changes / 3, 'the server was changed');
}

class People {
  readonly #opened: OpenProject;
  readonly #random: () => number;
  readonly #counts: Record<string, number>;
  #tree: TreeEntry[] = [];
  #next = 0;
  #recycled: string[] = [];

  constructor(opened: OpenProject, random: () => number, counts: Record<string, number>) {
    this.#opened = opened;
    this.#random = random;
    this.#counts = counts;
  }

  async settled(): Promise<void> {
    while (!this.#opened.project.mirror.view.crawlDone) await sleep(20);
  }

  /** One change at the server, and sometimes a look at it, or somebody's work here. */
  async change(): Promise<void> {
    const { mirror } = this.#opened.project;
    if (this.#next++ % 25 === 0) this.#tree = await this.#opened.simulator.admin.tree({ hash: false });
    await this.#count('changes', () => this.#atServer());
    const dice = this.#random();
    if (dice < 0.1) await this.#count('polls', () => mirror.pollNow(never));
    else if (dice < 0.15) await this.#count('pages', () => mirror.sweep.step({ class: 'background', signal: never }));
    else if (dice < 0.2) await this.#count('listings', () => mirror.refresh(this.#folder(), 'background', never));
    else if (dice < 0.35) await this.#count('local', () => this.#here());
  }

  /** Brings up what can go, and gives up the rest as a person would. */
  async giveUp(): Promise<void> {
    const { project } = this.#opened;
    for (let n = 0; n < 3; n++) await project.scheduler.drain(AbortSignal.timeout(60_000));
    const left = [...project.outbox.intents.all()].map(({ inode }) => inode);
    discard(project.outbox, left);
    this.#counts.discarded = (this.#counts.discarded ?? 0) + left.length;
  }

  /** Others may have been faster, a name may be taken: what is refused changes nothing. */
  async #count(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      this.#counts[what] = (this.#counts[what] ?? 0) + 1;
    } catch {
      this.#counts[`${what} refused`] = (this.#counts[`${what} refused`] ?? 0) + 1;
    }
  }

  async #atServer(): Promise<void> {
    const op = pick(OPERATIONS, this.#random)!;
    const { admin } = this.#opened.simulator;
    const name = `${pick(['plan', 'Résumé', 'a', 'x:y', 'log'], this.#random)} ${Math.floor(this.#random() * 40)}`;
    const entry = this.#tree[Math.floor(this.#random() * this.#tree.length)];
    const folders = this.#tree.filter(({ type }) => type === 'folder');
    const parent = this.#random() < 0.2 ? '' : (pick(folders, this.#random)?.path ?? '');
    if (op === 'create') {
      const type = this.#random() < 0.3 ? 'folder' : 'file';
      await admin.change({ op, parent, name, type, content: name.repeat(1 + Math.floor(this.#random() * 5)) });
      return;
    }
    if (op === 'restore') {
      const path = pick(this.#recycled, this.#random);
      if (path !== undefined) await admin.change({ op, path });
      return;
    }
    if (!entry || (entry.type === 'folder' && (op === 'update' || op === 'checkout'))) return;
    const target = { id: entry.id };
    if (op === 'update') await admin.change({ op, ...target, content: `${name} ${this.#next}` });
    else if (op === 'rename') await admin.change({ op, ...target, to: name });
    else if (op === 'move') await admin.change({ op, ...target, to: parent });
    else if (op === 'permission') {
      const visible = entry.hidden === true || this.#random() < 0.5;
      await admin.change({ op, ...target, visible, private: this.#random() < 0.3 });
    } else if (op === 'checkout') await admin.change({ op, ...target, ...(this.#random() < 0.5 ? { by: null } : {}) });
    // Large folders are not thrown away too often, or nothing would be left.
    else if (entry.type === 'file' || this.#random() < 0.1) {
      await admin.change({ op, ...target });
      if (op === 'delete') this.#recycled.push(entry.path);
    }
  }

  #folder(): Item {
    const { mirror } = this.#opened.project;
    const folders = [...mirrorTree(mirror).values()].filter(({ isFile }) => !isFile);
    return pick(folders, this.#random) ?? mirror.view.item(ROOT_INODE)!;
  }

  async #here(): Promise<void> {
    const files = new Files(this.#opened.fileSystem);
    const folder = pick(['', ...this.#shown(false)], this.#random)!;
    const own = `${folder}/local ${Math.floor(this.#random() * 20)}.txt`;
    const some = pick(this.#shown(true), this.#random) ?? own;
    const dice = this.#random();
    if (dice < 0.4) await files.write(own, `written here ${this.#next}`);
    else if (dice < 0.6) await files.write(some, `a new version ${this.#next}`);
    else if (dice < 0.7) await files.mkdir(`${folder}/made here ${Math.floor(this.#random() * 20)}`);
    else if (dice < 0.85) await files.rename(some, own);
    else await files.unlink(some);
  }

  /** Paths of up to a hundred items as they are shown. */
  #shown(isFile: boolean): string[] {
    const { view } = this.#opened.project.mirror;
    const items = [...mirrorTree(this.#opened.project.mirror).values()].filter((item) => item.isFile === isFile);
    return items.slice(-100).map((item) => view.path(item) ?? '');
  }
}

function differences(found: readonly string[], wanted: readonly string[]): string[] {
  const [here, there] = [new Set(found), new Set(wanted)];
  return [
    ...found.filter((line) => !there.has(line)).map((line) => `+ ${line}`),
    ...wanted.filter((line) => !here.has(line)).map((line) => `- ${line}`),
  ].slice(0, 10);
}

const pick = <T>(values: readonly T[], random: () => number): T | undefined =>
  values[Math.floor(random() * values.length)];
