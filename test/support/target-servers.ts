import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterwards } from './afterwards.js';

/** A port of this machine that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A folder for a server and its files, that goes with the test. */
export class ServerFolder {
  readonly top = mkdtempSync(join(tmpdir(), 'procorefs-server-'));
  readonly files = join(this.top, 'files');

  constructor() {
    mkdirSync(this.files);
  }

  at(name: string): string {
    return join(this.top, name);
  }

  remove(): void {
    rmSync(this.top, { recursive: true, force: true });
  }
}

/** Ports that a server is tried at. */
const PORTS = 3;
/** Milliseconds in which a server listens, on a busy machine too. */
const LISTENS = 30_000;

/** A server process of a test: it can be taken away with kill -9 and started again. */
export class TestServer {
  readonly port: number;
  readonly #start: () => ChildProcess;
  #process: ChildProcess | undefined;
  #said = '';

  private constructor(port: number, start: () => ChildProcess) {
    this.port = port;
    this.#start = start;
  }

  static async start(command: (port: number) => readonly string[], env: NodeJS.ProcessEnv = {}): Promise<TestServer> {
    for (let tries = 1; ; tries++) {
      const port = await freePort();
      const [program, ...words] = command(port);
      const server = new TestServer(port, () =>
        // A group of its own, so that what it starts goes with it.
        spawn(program!, words, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, detached: true }),
      );
      try {
        await server.start();
        return server;
      } catch (error) {
        await server.kill();
        // Another test may have taken the port meanwhile.
        if (tries === PORTS) throw error;
      }
    }
  }

  async start(): Promise<void> {
    const child = this.#start();
    this.#process = child;
    const takeBack = afterwards('kill -s KILL -- "-$1"', String(child.pid));
    child.once('exit', takeBack).once('error', takeBack);
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => (this.#said = (this.#said + text).slice(-4000)));
    for (const end = Date.now() + LISTENS; Date.now() < end; ) {
      if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}: ${this.#said}`);
      if (await answers(this.port)) return;
      await new Promise((done) => setTimeout(done, 25));
    }
    throw new Error(`${child.spawnfile} does not listen: ${this.#said}`);
  }

  /** At once, as a machine that loses its power. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    // Those that serve a connection may have a group of their own.
    for (const pid of [...descendants(child.pid!), child.pid!]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    await ended;
  }
}

/** Processes that a process started, and those that they started. */
function descendants(pid: number): number[] {
  const children = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))?.[1]) === pid;
    } catch {
      return false;
    }
  });
  return children.map(Number).flatMap((child) => [child, ...descendants(child)]);
}

const answers = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });

export const serveWebdav = (folder: ServerFolder, password = 'secret word'): Promise<TestServer> =>
  TestServer.start((port) => ['rclone', 'serve', 'webdav', folder.files, '--addr', `127.0.0.1:${port}`], {
    RCLONE_USER: 'procorefs',
    RCLONE_PASS: password,
    RCLONE_CONFIG: folder.at('none.conf'),
  });

/** A pair of ssh keys, without a passphrase; `.pub` is the public one. */
export function makeKey(file: string): string {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  return file;
}

export const serveSftp = (folder: ServerFolder, hostKey: string, password = 'secret word'): Promise<TestServer> =>
  TestServer.start(
    (port) => ['rclone', 'serve', 'sftp', folder.files, '--addr', `127.0.0.1:${port}`, '--key', hostKey],
    { RCLONE_USER: 'procorefs', RCLONE_PASS: password, RCLONE_CONFIG: folder.at('none.conf') },
  );

export const serveS3 = (folder: ServerFolder): Promise<TestServer> =>
  TestServer.start((port) => [
    process.execPath,
    fileURLToPath(new URL('s3-server.js', import.meta.url)),
    folder.files,
    String(port),
  ]);

/** A Samba server with one share, `files`, for the account root. */
export async function serveSmb(folder: ServerFolder, password = 'secret word'): Promise<TestServer> {
  for (const name of ['private', 'state', 'run']) mkdirSync(folder.at(name));
  const configuration = folder.at('smb.conf');
  writeFileSync(
    configuration,
    [
      '[global]',
      'server role = standalone server',
      'passdb backend = tdbsam',
      `private dir = ${folder.at('private')}`,
      ...['state', 'cache', 'lock'].map((kind) => `${kind} directory = ${folder.at('state')}`),
      ...['pid', 'ncalrpc'].map((kind) => `${kind} ${kind === 'pid' ? 'directory' : 'dir'} = ${folder.at('run')}`),
      `log file = ${folder.at('log')}`,
      'interfaces = lo',
      'bind interfaces only = yes',
      'load printers = no',
      'disable spoolss = yes',
      'printing = bsd',
      'printcap name = /dev/null',
      '[files]',
      `path = ${folder.files}`,
      'read only = no',
      '',
    ].join('\n'),
  );
  execFileSync('smbpasswd', ['-c', configuration, '-a', '-s', 'root'], {
    input: `${password}\n${password}\n`,
    stdio: 'pipe',
  });
  return TestServer.start((port) => [
    'smbd',
    '--foreground',
    '--no-process-group',
    '-s',
    configuration,
    '-p',
    String(port),
  ]);
}

/** An sshd that takes the key `client` for the account of this process. */
export async function serveSsh(folder: ServerFolder): Promise<TestServer> {
  mkdirSync('/run/sshd', { recursive: true });
  makeKey(folder.at('host'));
  makeKey(folder.at('client'));
  const configuration = folder.at('sshd_config');
  const server = await TestServer.start((port) => {
    writeFileSync(
      configuration,
      [
        `Port ${port}`,
        'ListenAddress 127.0.0.1',
        `HostKey ${folder.at('host')}`,
        `AuthorizedKeysFile ${folder.at('client.pub')}`,
        `PidFile ${folder.at('sshd.pid')}`,
        'PasswordAuthentication no',
        'UsePAM no',
        'StrictModes no',
        'PermitRootLogin yes',
        'Subsystem sftp internal-sftp',
        // bash(1) reads ~/.bashrc for a command that comes over ssh, unless its shell is an inner one.
        'SetEnv SHLVL=1',
        '',
      ].join('\n'),
    );
    writeFileSync(folder.at('known_hosts'), `[127.0.0.1]:${port} ${readFileSync(folder.at('host.pub'), 'utf8')}`);
    return ['/usr/sbin/sshd', '-D', '-e', '-f', configuration];
  });
  return server;
}
