import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { nativePackages } from '#src/cli/root-only.js';
import type { MountStatus } from '#src/daemon/status.js';
import { type MountEntry, parseMountTable } from '#src/fuse/mountpoint.js';
import { LAST_WRITES, MAIN, type Ran, run } from './mounted.js';
import { processesWith, signalTo } from './processes.js';
import type { RunningSimulator } from './simulator.js';

interface Test {
  teardown(cleanup: () => unknown): unknown;
}

/** People of a test's machine. Bob is in Alice's group, Eve is not. */
export const people = {
  root: { uid: 0, gid: 0 },
  alice: { uid: 64_001, gid: 64_001 },
  bob: { uid: 64_002, gid: 64_001 },
  eve: { uid: 64_003, gid: 64_003 },
} as const;
export type Person = keyof typeof people;

export interface MachineSettings {
  /** Mode of /dev/fuse, or no such device at all; 0666 as on a usual machine unless told. */
  readonly device?: '0666' | '0600' | 'absent';
  /** Programs and libraries that are not there. */
  readonly without?: readonly string[];
  /** Folders of the system that are empty at first. */
  readonly empty?: readonly string[];
  /** Folders of the system that can be changed without anybody noticing. */
  readonly scratch?: readonly string[];
  /** Node and the program are copies which only root may change, as a package would put them. */
  readonly installed?: true;
}

export interface RunOptions {
  readonly as?: Person;
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeout?: number;
}

/** Why no `Machine` can be made here, or false. For `t.test(name, { skip: … })`. */
export const machineUnavailable: string | false =
  process.getuid?.() === 0 ? false : 'needs root: it changes a mount namespace of its own';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Where the copies of a machine with `installed` are, for it alone. */
export const INSTALLED = '/opt';

/**
 * This machine as one test wants it to be, in a mount namespace of its own: with another /dev/fuse, without some
 * program, with people who exist nowhere else. Whatever is started in it is ended, and what is mounted in it vanishes
 * with the test.
 */
export class Machine {
  /** A folder that everybody may enter; what belongs to a person lies in `home(person)`. */
  readonly folder: string;
  /** Node and the program, where an ordinary user can read them wherever the checkout is. */
  readonly node: string;
  readonly main: string;
  readonly #holder: ChildProcess;

  private constructor(folder: string, holder: ChildProcess, installed: boolean) {
    this.folder = folder;
    this.node = installed ? join(INSTALLED, 'node') : join(folder, 'bin/node');
    this.main = installed ? join(INSTALLED, 'app/dist/bundle/main.js') : join(folder, 'app/dist/bundle/main.js');
    this.#holder = holder;
  }

  static async create(t: Test, settings: MachineSettings = {}): Promise<Machine> {
    const folder = mkdtempSync(join(tmpdir(), 'procorefs-machine-'));
    chmodSync(folder, 0o755);
    for (const name of ['app', 'bin', 'dev', 'home']) mkdirSync(join(folder, name));
    for (const [person, { uid, gid }] of Object.entries(people)) {
      const home = join(folder, 'home', person);
      mkdirSync(home, { mode: 0o700 });
      chownSync(home, uid, gid);
    }
    const holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', script(folder, settings)], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const machine = new Machine(folder, holder, settings.installed === true);
    t.teardown(() => machine.#close());
    await new Promise<void>((resolve, reject) => {
      let complaint = '';
      holder.stderr!.on('data', (chunk: Buffer) => (complaint += chunk));
      holder.stdout!.once('data', () => resolve());
      holder.once('exit', () => reject(new Error(`no mount namespace: ${complaint}`)));
      holder.once('error', reject);
    });
    return machine;
  }

  home(person: Person): string {
    return join(this.folder, 'home', person);
  }

  /** The state folder that a person gets without being asked for one, except root: /var/lib is everybody's. */
  state(person: Person): string {
    return person === 'root' ? join(this.folder, 'state') : join(this.home(person), '.local/state/procorefs');
  }

  /** A new folder of a person, to mount at. */
  mountpoint(name: string, person: Person = 'root'): string {
    const path = join(this.folder, name);
    mkdirSync(path);
    chownSync(path, people[person].uid, people[person].gid);
    return path;
  }

  run(program: string, words: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const person = options.as ?? 'root';
    const { uid, gid } = people[person];
    const become =
      person === 'root'
        ? []
        : ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--inh-caps=-all', '--'];
    return run('nsenter', [`--mount=/proc/${this.#holder.pid}/ns/mnt`, '--', ...become, program, ...words], {
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        LC_ALL: 'C.UTF-8',
        HOME: this.home(person),
        PROCOREFS_TEST: this.folder,
        ...(person === 'root' ? { PROCOREFS_STATE: this.state(person) } : {}),
        ...options.env,
      },
      ...(options.input === undefined ? {} : { input: options.input }),
      ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    });
  }

  procorefs(words: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return this.run(this.node, [this.main, ...words], options);
  }

  /** As `procorefs`, and fails unless the command succeeds. */
  async must(words: readonly string[], options: RunOptions = {}): Promise<string> {
    const ran = await this.procorefs(words, options);
    if (ran.code !== 0) throw new Error(`procorefs ${words.join(' ')} ended with ${ran.code}: ${ran.stderr}`);
    return ran.stdout;
  }

  connect({ ready }: RunningSimulator, options: RunOptions = {}, more: readonly string[] = []): Promise<string> {
    return this.must(
      [
        ...['connections', 'add', '--client-id', ready.client_id, '--client-secret-file', '-'],
        ...['--domain', ready.login, '--api', ready.api, '--company', String(ready.company_id), ...more],
      ],
      { input: ready.client_secret, ...options },
    );
  }

  async crawled(mountpoint: string, options: RunOptions = {}): Promise<MountStatus> {
    for (;;) {
      const status = JSON.parse(await this.must(['status', '--json', mountpoint], options)) as MountStatus;
      if (status.crawl.done) return status;
      await sleep(100);
    }
  }

  /** Mounts of FUSE within the namespace, dead ones too. */
  fuseMounts(): MountEntry[] {
    return parseMountTable(readFileSync(`/proc/${this.#holder.pid}/mountinfo`, 'utf8')).filter(
      ({ type, mountpoint }) => type.startsWith('fuse') && mountpoint.startsWith(this.folder),
    );
  }

  /** Processes that were started in the namespace and still run. */
  processes(): { readonly pid: number; readonly command: string }[] {
    return processesWith(`PROCOREFS_TEST=${this.folder}`);
  }

  /** Waits until nothing that was started here runs or is mounted; false when it goes on for longer than that takes. */
  async isQuiet(): Promise<boolean> {
    for (const end = Date.now() + LAST_WRITES; Date.now() < end; await sleep(50))
      if (this.processes().length === 0 && this.fuseMounts().length === 0) return true;
    return false;
  }

  async #close(): Promise<void> {
    for (const { mountpoint } of this.fuseMounts()) await this.run('umount', ['-l', mountpoint]);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const)
      if (!(await this.isQuiet())) for (const { pid } of this.processes()) signalTo(pid, signal);
    const gone = new Promise<void>((resolve) => this.#holder.once('exit', () => resolve()));
    if (this.#holder.exitCode === null && this.#holder.signalCode === null) {
      this.#holder.stdin!.end();
      await gone;
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Makes the machine, says so, and keeps the namespace until its standard input ends. */
function script(folder: string, settings: MachineSettings): string {
  const { device = '0666', without = [], empty = [], scratch = [] } = settings;
  const lines = [
    `mount --bind ${quote(ROOT)} ${folder}/app`,
    `touch ${folder}/bin/node`,
    `mount --bind ${quote(process.execPath)} ${folder}/bin/node`,
    `mount -t tmpfs -o mode=0755 procorefs-test ${folder}/dev`,
    ...without.filter((file) => existsSync(file)).map((file) => `mount --bind /dev/null ${file}`),
    ...empty.map((path) => `mkdir -p ${path}; mount -t tmpfs -o mode=0755 procorefs-test ${path}`),
    ...scratch.flatMap((path, n) => [
      `mkdir ${folder}/dev/upper${n} ${folder}/dev/work${n}`,
      `mount -t overlay -o lowerdir=${path},upperdir=${folder}/dev/upper${n},workdir=${folder}/dev/work${n} procorefs-test ${path}`,
    ]),
    ...(settings.installed ? installing() : []),
    `cp /etc/passwd ${folder}/passwd`,
    ...Object.entries(people)
      .filter(([person]) => person !== 'root')
      .map(
        ([person, { uid, gid }]) =>
          `echo ${person}:x:${uid}:${gid}::${folder}/home/${person}:/bin/sh >>${folder}/passwd`,
      ),
    `mount --bind ${folder}/passwd /etc/passwd`,
  ];
  if (device === 'absent') {
    lines.push(
      `for name in null zero full random urandom; do touch ${folder}/dev/$name; mount --bind /dev/$name ${folder}/dev/$name; done`,
      `mount --rbind ${folder}/dev /dev`,
    );
  } else {
    lines.push(
      `mknod ${folder}/dev/fuse c 10 229`,
      `chmod ${device} ${folder}/dev/fuse`,
      `[ -e /dev/fuse ] || touch /dev/fuse`,
      `mount --bind ${folder}/dev/fuse /dev/fuse`,
    );
  }
  return [...lines, 'echo ready', 'exec cat >/dev/null'].join('\n');
}

/** Copies what is run, not what it is built and tested with. */
function installing(): string[] {
  const app = `${INSTALLED}/app`;
  const copied = (from: string, to: string): string =>
    `mkdir -p ${quote(dirname(to))}; cp -rT --no-preserve=all ${quote(from)} ${quote(to)}`;
  const packages = nativePackages(realpathSync(MAIN)).map((path) => {
    const [, ...names] = path.split('/node_modules/');
    return copied(path, [app, ...names].join('/node_modules/'));
  });
  return [
    `mount -t tmpfs -o mode=0755 procorefs-test ${INSTALLED}`,
    ...['package.json', 'dist/bundle'].map((path) => copied(join(ROOT, path), join(app, path))),
    ...packages,
    copied(process.execPath, `${INSTALLED}/node`),
    `chmod 0755 ${INSTALLED}/node`,
  ];
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
