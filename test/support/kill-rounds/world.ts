import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askDaemon } from '#src/daemon/control.js';
import { type MountRecord, StateFolder } from '#src/project/state-folder.js';
import { Installation, run } from '../mounted.js';
import { processesWith } from '../processes.js';
import { type RunningSimulator, simulator } from '../simulator.js';
import { type Content, contentOf } from './contents.js';
import { Hand } from './hand.js';

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

/** A simulator, the real command with its daemon, a mount of the kernel, and hands at it. */
export class World {
  readonly running: RunningSimulator;
  readonly hands: readonly Hand[];
  readonly #installation: Installation;
  readonly #state: StateFolder;
  readonly #mnt: string;
  /** A file that is there while the mount is not: hands wait. */
  readonly #down: string;
  readonly #random: () => number;
  kills = 0;

  private constructor(t: Teardown, name: string, running: RunningSimulator, random: () => number) {
    this.running = running;
    this.#random = random;
    this.#installation = new Installation(t);
    this.#state = new StateFolder(this.#installation.state);
    this.#mnt = this.#installation.mountpoint();
    this.#down = join(this.#installation.folder, 'down');
    this.hands = ['a', 'b'].map((one) => new Hand(`${name}${one}`, this.#mnt, this.#down));
    t.teardown(() => Promise.all(this.hands.map((hand) => hand.close())));
  }

  static async open(t: Teardown, name: string, random: () => number): Promise<World> {
    const running = await simulator(t, {
      items: 0,
      oddNames: 'no',
      spike: 1_000_000,
      hourly: 10_000_000,
      seed: String(Math.floor(random() * 1e6)),
    });
    const world = new World(t, name, running, random);
    await world.#installation.connect(running);
    await world.#mount();
    return world;
  }

  ask<T>(method: string, parameters: Record<string, unknown> = {}): Promise<T> {
    return askDaemon<T>(this.#record.socket, method, { mountpoint: this.#mnt, ...parameters });
  }

  /** The daemon ends at once; programs notice, and wait for the next one. */
  kill(): void {
    this.#kill(this.#record.pid);
    writeFileSync(this.#down, '');
  }

  /** After `kill`: mounts anew, as a user does; now and then the daemon is killed again while it starts. */
  async mountAgain(): Promise<void> {
    await this.#gone(this.#record.pid);
    while (this.#random() < 0.2) await this.#killStarting();
    // Somebody takes the dead mount point away, or the next mount does.
    if (this.#random() < 0.5) await run('umount', ['-l', this.#mnt]);
    await this.#mount();
    rmSync(this.#down);
  }

  /** Bytes that went to lost+found, of changes that were given up, and of no change at all. */
  lostAndFound(): Content[] {
    return this.#lost().map((path) => contentOf(readFileSync(path)));
  }

  forgetLostAndFound(): void {
    for (const path of this.#lost()) rmSync(path);
  }

  /** The last lines of what the daemon said. */
  daemonLog(lines: number): string[] {
    return this.#installation.log().split('\n').slice(-lines);
  }

  /** What the daemon did not expect. */
  unexpected(): string[] {
    return this.#installation
      .log()
      .split('\n')
      .filter((line) => line.includes('"stack"'));
  }

  #lost(): string[] {
    const projects = join(this.#installation.state, 'projects');
    return (readdirSync(projects, { recursive: true }) as string[])
      .filter((name) => name.includes('lost+found/'))
      .map((name) => join(projects, name));
  }

  get #record(): MountRecord {
    const found = this.#state.mount(this.#mnt);
    if (!found) throw new Error('the mount has no record');
    return found;
  }

  get #mountWords(): string[] {
    // With a pause before things go up, more of them wait at a kill.
    const [settle, deletion] = [this.#random() < 0.6 ? 0 : 1, this.#random() < 0.6 ? 0 : 1];
    const options = `settle=${settle},delete_delay=${deletion},poll=1,hold_after=100000`;
    return ['mount', `Procore:${this.running.ready.projects[0]!.id}`, this.#mnt, '-o', options];
  }

  #mount(): Promise<string> {
    return this.#installation.must(this.#mountWords);
  }

  async #killStarting(): Promise<void> {
    const starting = this.#installation.procorefs(this.#mountWords);
    let isOver = false;
    void starting.then(() => {
      isOver = true;
    });
    const daemon = (): number | undefined =>
      processesWith(`PROCOREFS_STATE=${this.#installation.state}`).find(({ command }) => command.endsWith(' daemon'))
        ?.pid;
    let pid: number | undefined;
    while (pid === undefined && !isOver) {
      await sleep(20);
      pid = daemon();
    }
    await sleep(this.#random() * 700);
    pid = daemon();
    if (pid !== undefined) {
      this.#kill(pid);
      await this.#gone(pid);
    }
    await starting;
  }

  #kill(pid: number): void {
    process.kill(pid, 'SIGKILL');
    this.kills++;
  }

  async #gone(pid: number): Promise<void> {
    while (existsSync(`/proc/${pid}`) && !isZombie(pid)) await sleep(5);
  }
}

function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}
