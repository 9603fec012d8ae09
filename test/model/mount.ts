import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connections } from '#src/connections/store.js';
import { askDaemon } from '#src/daemon/control.js';
import type { MountStatus } from '#src/daemon/status.js';
import type { UploadLine } from '#src/outbox/uploads-view.js';
import { StateFolder } from '#src/project/state-folder.js';
import type { Scenario } from '../scenarios/scenarios.js';
import { Installation } from '../support/mounted.js';
import { processesWith, until } from '../support/processes.js';
import { addConnection } from '../support/simulated-connection.js';
import { type Admin, type RunningSimulator, simulator } from '../support/simulator.js';
import { Place } from './place.js';
import type { ModelScene, Pace } from './run.js';

const OPTIONS: Readonly<Record<Pace, string>> = {
  racing: 'settle=0,delete_delay=0,hold_after=1000000,poll=0.2',
  waiting: 'settle=3600,delete_delay=3600,hold_after=1000000,poll=0.2',
};
/** Seconds. */
const DRAIN = 120;
/** Looks, until what was closed must be so for the daemon as well. */
const RELEASED = 20;
/** Seconds: no client makes more than 3,600 calls in what it takes for an hour. */
export const HOUR = 20;
/** A mount in the kernel; its daemon is another process. */
export class MountScene implements ModelScene {
  readonly running: RunningSimulator;
  readonly installation: Installation;
  readonly mnt: string;
  readonly pace: Pace;
  readonly counts: Record<string, number>;

  private constructor(
    running: RunningSimulator,
    installation: Installation,
    pace: Pace,
    counts: Record<string, number>,
  ) {
    this.running = running;
    this.installation = installation;
    this.mnt = installation.mountpoint();
    this.pace = pace;
    this.counts = counts;
  }

  static async open(t: Scenario, pace: Pace, counts: Record<string, number>): Promise<MountScene> {
    const running = await simulator(t, { items: 0, oddNames: 'no', spike: 3000, hourly: 1_000_000, hour: HOUR });
    const installation = new Installation(t);
    const { ready } = running;
    addConnection(new Connections(new StateFolder(installation.state).path), ready, {
      rateWindows: { hour: HOUR, spike: 10 },
    });
    const scene = new MountScene(running, installation, pace, counts);
    await scene.#mount();
    await installation.crawled(scene.mnt);
    return scene;
  }

  async folder(name: string): Promise<Place> {
    const place = new Place(join(this.mnt, name));
    await fs.mkdir(place.root);
    return place;
  }

  /** close(2) does not wait until the daemon hears of it: what is still held as open is tried again. */
  async drain(): Promise<UploadLine[]> {
    for (let tries = 0; ; tries++) {
      const left = await this.#ask<UploadLine[]>('drain', { timeout: DRAIN });
      const isOpen = left.some(({ state, reason }) => state === 'held' && reason === undefined);
      if (!isOpen || tries === RELEASED) return left;
      await sleep(50);
    }
  }

  get admin(): Admin {
    return this.running.admin;
  }

  async #mount(): Promise<void> {
    const source = `Procore:${this.running.ready.projects[0]!.id}`;
    await this.installation.must(['mount', source, this.mnt, '-o', OPTIONS[this.pace]]);
  }

  async unmount(): Promise<void> {
    await this.installation.must(['umount', '--timeout', String(DRAIN), this.mnt]);
    await this.#mount();
  }

  async kill(): Promise<void> {
    process.kill(this.#record().pid, 'SIGKILL');
    await until(
      () =>
        !processesWith(`PROCOREFS_STATE=${this.installation.state}`).some(({ command }) => command.endsWith(' daemon')),
    );
    await this.#mount();
  }

  #ask<T>(method: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<T> {
    return askDaemon<T>(this.#record().socket, method, parameters);
  }

  /** Resolves when the mount shows what the server has by now. */
  async polled(): Promise<void> {
    const since = performance.now();
    const isOlder = async (): Promise<boolean> => {
      const passed = performance.now() - since;
      const { sincePoll } = await this.#ask<MountStatus>('status', { mountpoint: this.mnt });
      return sincePoll === undefined || sincePoll * 1000 >= passed;
    };
    while (await isOlder()) await sleep(20);
    await this.#ask('refresh', { mountpoint: this.mnt, path: '' });
  }

  #record() {
    const record = new StateFolder(this.installation.state).mount(this.mnt);
    if (!record) throw new Error('the mount has no record');
    return record;
  }
}
