import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFailure } from '#src/base/errors.js';
import { Connections } from '#src/connections/store.js';
import { StateFolder } from '#src/project/state-folder.js';
import { disagreement, shownAs, type Truth } from '../support/coherence/comparison.js';
import { FOLDERS, NAMES, Person, Place, Written } from '../support/coherence/people.js';
import { Daemon } from '../support/daemon.js';
import { Installation } from '../support/mounted.js';
import { randomBy } from '../support/random.js';
import { addConnection } from '../support/simulated-connection.js';
import { type RunningSimulator, simulator } from '../support/simulator.js';
import type { Scenario } from './scenarios.js';

export type Driver = 'kernel' | 'fuse-native';

export interface Coherence {
  readonly drivers: readonly [Driver, Driver];
  /** All projects of a company in each mount; else one project. */
  readonly company?: true;
  /** Seconds between polls; absent: as it is needed, and what is shown is right within what is promised. */
  readonly poll?: number;
}

/** Ways to mount twice. */
export const COHERENT: readonly Coherence[] = [
  { drivers: ['kernel', 'kernel'] },
  { drivers: ['kernel', 'fuse-native'] },
  { drivers: ['kernel', 'kernel'], company: true },
];

/** Seconds: no client makes more than its calls in what it takes for an hour. */
const HOUR = 20;
const PEOPLE = 8;
const DEEDS = 8;
/** One round in so many has no network at first. */
const AWAY = 8;
/** Seconds: what others did shows within this after a poll at the latest. */
const TOLD = 10;
/** Seconds within which a change at the server is promised to show. */
const PROMISED = 5;
/** Seconds of a busy machine beside it. */
const BUSY = 2;
/** Names kept in mind, beside those of the round. */
const REMEMBERED = 150;

/**
 * People at two mounts and at the server who list, read, write, rename and remove while folders, names and files are kept
 * open. After each quiet moment every name, listing, handle and byte at both mounts is what the server has.
 */
export async function coherence(t: Scenario, rounds: number, setup: Coherence, seed: number): Promise<void> {
  t.comment(`${rounds} rounds, ${JSON.stringify(setup)}, seed ${seed}`);
  const scene = await Scene.open(t, setup);
  let found = '';
  for (let round = 0; round < rounds && !found; round++) {
    const log: string[] = [];
    found = await scene.round(randomBy(seed + round), log).catch((error: Error) => error.stack ?? error.message);
    const cause = found === '' ? [] : [...log, ...(await scene.server()), ...scene.daemonLog(12)];
    t.equal([found, ...cause].join('\n'), '', `round of seed ${seed + round}`);
  }
}

class Scene {
  readonly installation: Installation;
  readonly #running: RunningSimulator;
  readonly #project: number;
  readonly #places: readonly Place[];
  readonly #daemons: readonly Daemon[];
  readonly #isPolled: boolean;
  readonly #written = new Written();
  readonly #known = new Set<string>();

  private constructor(
    running: RunningSimulator,
    installation: Installation,
    mounts: readonly string[],
    { company, poll, drivers }: Coherence,
  ) {
    const project = running.ready.projects[0]!;
    this.installation = installation;
    this.#running = running;
    this.#project = project.id;
    this.#places = mounts.map((mnt, n) => new Place(company ? join(mnt, project.name) : mnt, drivers[n] === 'kernel'));
    this.#daemons = mounts.map((mnt) => new Daemon({ installation, mnt }));
    this.#isPolled = poll !== undefined;
  }

  static async open(t: Scenario, setup: Coherence): Promise<Scene> {
    const running = await simulator(t, {
      ...{ items: 0, oddNames: 'no', spike: 3000, hourly: 1_000_000, hour: HOUR },
      projects: setup.company ? 2 : 1,
    });
    const { ready } = running;
    const installation = new Installation(t);
    addConnection(new Connections(new StateFolder(installation.state).path), ready, {
      rateWindows: { hour: HOUR, spike: 10 },
    });
    const source = setup.company ? 'Procore:' : `Procore:${ready.projects[0]!.id}`;
    const poll = setup.poll === undefined ? '' : `,poll=${setup.poll}`;
    const mounts: string[] = [];
    for (const [n, driver] of setup.drivers.entries()) {
      const mnt = installation.mountpoint(`mnt${n}`);
      const options = `settle=0,delete_delay=0,hold_after=1000000${poll}`;
      await installation.must(['mount', source, mnt, '--driver', driver, '-o', options]);
      mounts.push(mnt);
    }
    const scene = new Scene(running, installation, mounts, setup);
    t.teardown(async () => {
      for (const place of scene.#places) await place.closeAll();
    });
    for (const { root } of scene.#places) await fs.readdir(root);
    return scene;
  }

  /** What was found; '' for nothing. */
  async round(random: () => number, log: string[]): Promise<string> {
    const { admin } = this.#running;
    await this.#fill(random);
    const isAway = random() * AWAY < 1;
    if (isAway) await admin.network('down');
    const people = Array.from(
      { length: PEOPLE },
      () =>
        new Person({
          random: randomBy(Math.floor(random() * 2 ** 31)),
          ...{ places: this.#places, admin, project: this.#project, written: this.#written, log, known: this.#known },
        }),
    );
    try {
      await Promise.all(
        people.map(async (person) => {
          for (let n = 0; n < DEEDS; n++) await person.act(isAway);
        }),
      );
    } finally {
      if (isAway) await admin.network('up');
    }
    await this.#quiet();
    for (const [n, place] of this.#places.entries()) {
      const wrong = await this.#agreed(place);
      if (wrong) return `mount ${n}: ${wrong}`;
    }
    return '';
  }

  /** What the server has, for who looks for a cause. */
  async server(): Promise<readonly string[]> {
    const tree = await this.#running.admin.history({ project: this.#project });
    return tree.map(({ id, path, size, deleted }) => `${id} ${path} ${size} ${deleted ? 'deleted' : ''}`);
  }

  /** The last lines of it. */
  daemonLog(lines: number): readonly string[] {
    return this.installation.log().split('\n').slice(-lines);
  }

  async #truth(): Promise<Truth> {
    const tree = await this.#running.admin.tree({ project: this.#project });
    const truth = new Map(tree.map((entry) => [entry.path, entry]));
    for (const path of this.#known) if (this.#known.size > REMEMBERED && !truth.has(path)) this.#known.delete(path);
    for (const path of truth.keys()) this.#known.add(path);
    return truth;
  }

  /** There is always something to work with. */
  async #fill(random: () => number): Promise<void> {
    const { admin } = this.#running;
    const project = this.#project;
    const there = new Set((await admin.tree({ project, hash: false })).map(({ path }) => path));
    for (const folder of FOLDERS)
      if (folder !== '' && !there.has(folder))
        await admin.change({ op: 'create', project, path: folder, type: 'folder' });
    for (const folder of FOLDERS)
      for (const name of NAMES.slice(0, 5)) {
        const path = join(folder, name);
        if (there.has(path) || random() < 0.3) continue;
        await admin.change({ op: 'create', project, path, content: this.#written.make(random) });
      }
  }

  /** What people did is at the server, and what the server has is here. */
  async #quiet(): Promise<void> {
    const daemon = this.#daemons[0]!;
    for (;;) {
      const left = await daemon.drain();
      if (left.length === 0) break;
      // What nobody waits for: a closed file that the daemon has not heard of yet, or what must wait for a person.
      await sleep(50);
      for (const line of await daemon.uploads())
        if (line.reason !== undefined)
          await daemon.discard(line).catch((error: unknown) => {
            // It went meanwhile.
            if (!isFailure(error, 'no-such-upload')) throw error;
          });
    }
    if (!this.#isPolled) return sleep((PROMISED + BUSY) * 1000);
    for (const daemon of this.#daemons) await daemon.polled();
  }

  /** The kernel hears of what others did a moment after the daemon. */
  async #agreed(place: Place): Promise<string> {
    const end = performance.now() + (this.#isPolled ? TOLD * 1000 : 0);
    for (;;) {
      const truth = await this.#truth();
      const wrong = await shownAs(place, truth)
        .then((shown) => disagreement(place, shown, this.#known, this.#written))
        .catch((error: Error) => error.stack ?? error.message);
      if (!wrong || performance.now() > end) return wrong;
      await sleep(100);
    }
  }
}
