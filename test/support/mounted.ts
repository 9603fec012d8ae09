import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { MountStatus } from '#src/daemon/status.js';
import { parseMountTable } from '#src/fuse/mountpoint.js';
import { runCommandLine } from './command-line.js';
import { processesWith, signalTo } from './processes.js';
import { type RunningSimulator, type SimulatorSettings, simulator } from './simulator.js';

/** The program as it is installed. */
export const MAIN = fileURLToPath(import.meta.resolve('#src/bundle/main.js'));

interface Teardown {
  teardown(cleanup: () => unknown): unknown;
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly fresh?: boolean;
}

/** Milliseconds that a command may take where the disk is slow and the machine busy: only one that hangs takes longer. */
const COMMAND_LIMIT = 300_000;
/** Milliseconds that a daemon may take to end once its mounts are gone. */
export const LAST_WRITES = 20_000;

/**
 * Runs a program to its end, without blocking this process (a blocked one could not tear down a mount). Without the
 * NODE_OPTIONS by which tap looks into child processes: they would take twice the time to start.
 */
export async function run(
  program: string,
  words: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv; cwd?: string; timeout?: number } = {},
): Promise<Ran> {
  const child = spawn('env', ['-u', 'NODE_OPTIONS', program, ...words], {
    env: options.env ?? process.env,
    cwd: options.cwd,
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeout ?? COMMAND_LIMIT,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, stdout, stderr };
}

/** A state folder, and the command line that works on it. Everything it leaves is cleaned up with the test. */
export class Installation {
  readonly folder: string;
  readonly state: string;
  readonly #mountpoints: string[] = [];

  constructor(t: Teardown, state?: string) {
    this.folder = mkdtempSync(join(tmpdir(), 'procorefs-test-'));
    this.state = state ?? join(this.folder, 'state');
    t.teardown(async () => {
      for (const mountpoint of this.#mountpoints) await this.#clear(mountpoint);
      await this.ended();
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    });
  }

  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, PROCOREFS_STATE: this.state };
  }

  /** Runs a command of procorefs, in a process that has loaded it already; `fresh`: in one of its own. */
  procorefs(words: readonly string[], options: CommandOptions = {}): Promise<Ran> {
    const { input = '', env = this.environment, fresh = false } = options;
    if (fresh) return run(process.execPath, [MAIN, ...words], { env, input });
    return runCommandLine({ words, input, env, cwd: process.cwd() }, COMMAND_LIMIT);
  }

  /** As `procorefs`, and fails unless the command succeeds. */
  async must(words: readonly string[], options: CommandOptions = {}): Promise<string> {
    const ran = await this.procorefs(words, options);
    if (ran.code === 0) return ran.stdout;
    const last = this.log().split('\n').slice(-12).join('\n');
    throw new Error(`procorefs ${words.join(' ')} ended with ${ran.code}: ${ran.stderr}\n${last}`);
  }

  async connect(running: RunningSimulator, more: readonly string[] = []): Promise<void> {
    const { ready } = running;
    await this.must(
      [
        ...['connections', 'add', '--client-id', ready.client_id, '--client-secret-file', '-'],
        ...['--domain', ready.login, '--api', ready.api, '--company', String(ready.company_id), ...more],
      ],
      { input: ready.client_secret },
    );
  }

  /** What the daemons have logged. */
  log(): string {
    const folder = join(this.state, 'log');
    if (!existsSync(folder)) return '';
    return readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('');
  }

  /** A folder to mount at, cleared and removed with the test. */
  mountpoint(name = 'mnt'): string {
    const path = join(this.folder, name);
    mkdirSync(path, { recursive: true });
    this.#mountpoints.push(path);
    return path;
  }

  async status(mountpoint: string): Promise<MountStatus> {
    return JSON.parse(await this.must(['status', '--json', mountpoint])) as MountStatus;
  }

  /** Resolves with the status once the crawl is done. */
  async crawled(mountpoint: string): Promise<MountStatus> {
    for (;;) {
      const status = await this.status(mountpoint);
      if (status.crawl.done) return status;
      await sleep(100);
    }
  }

  /** Waits for the processes of the state folder: what they write at their end would be in the way of its removal. */
  async ended(): Promise<void> {
    const left = (): { readonly pid: number }[] => processesWith(`PROCOREFS_STATE=${this.state}`);
    for (const end = Date.now() + LAST_WRITES; left().length > 0 && Date.now() < end; ) await sleep(50);
    for (const { pid } of left()) signalTo(pid, 'SIGKILL');
  }

  async #clear(mountpoint: string): Promise<void> {
    if (!isMounted(mountpoint)) return;
    await this.procorefs(['umount', '--force', '--timeout', '5', mountpoint]);
    if (isMounted(mountpoint)) spawnSync('umount', ['-l', mountpoint]);
  }
}

/** Whether the kernel has a mount there, dead or alive; asks nothing of the mount itself. */
export function isMounted(mountpoint: string): boolean {
  return parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8')).some((entry) => entry.mountpoint === mountpoint);
}

export interface MountedProject {
  readonly installation: Installation;
  readonly simulator: RunningSimulator;
  /** `CONNECTION:PROJECT` */
  readonly source: string;
  readonly mnt: string;
}

/** A simulated project, connected and mounted. */
export async function mounted(
  t: Teardown,
  settings: SimulatorSettings = {},
  mountWords: readonly string[] = [],
): Promise<MountedProject> {
  const running = await simulator(t, settings);
  const installation = new Installation(t);
  await installation.connect(running);
  const source = `Procore:${running.ready.projects[0]!.id}`;
  const mnt = installation.mountpoint();
  await installation.must(['mount', source, mnt, ...mountWords]);
  return { installation, simulator: running, source, mnt };
}

/** Kills a child and waits until it is gone. */
export async function kill(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  await gone;
}
