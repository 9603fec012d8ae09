import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, Failure, type FailureCode } from '../../base/errors.js';
import { launch } from '../launch.js';
import { redactedUri } from '../redacted.js';
import type { MakeFolder } from '../temporary.js';

export interface SshAddress {
  /** `user@host` or `host`. */
  readonly login: string;
  readonly port: string | undefined;
  /** Path of the root on the server. */
  readonly folder: string;
  readonly keyFile: string | undefined;
  readonly knownHosts: string | undefined;
}

const WORDS: readonly (readonly [RegExp, FailureCode])[] = [
  [/Permission denied \([a-z,-]+\)|Host key verification failed|Too many authentication failures/i, 'target-login'],
  [/No space left|quota exceeded/i, 'target-full'],
  [/No such file or directory/i, 'target-missing'],
  [/Directory not empty/i, 'target-not-empty'],
  [/File exists|Is a directory|Not a directory/i, 'target-exists'],
  [/Permission denied|Operation not permitted|Read-only file system/i, 'target-denied'],
  [/File name too long|Invalid argument/i, 'target-name-refused'],
  [/Text file busy|resource busy/i, 'target-busy'],
  [/rsync: (?:command )?not found|not found: rsync/i, 'target-unsupported'],
  [/./, 'target-unreachable'],
];

/** Exit statuses of rsync for connection errors, and of ssh. */
const BROKEN = new Set([5, 10, 12, 30, 35, 255]);

/** Longest path of ssh's control socket, bytes: unix(7) permits 107, and ssh appends 17. */
const SOCKET_PATH_BYTES = 90;

/** All commands share one connection; where the socket's path is too long, each opens its own. */
const sharedConnection = (socket: string): Readonly<Record<string, string>> =>
  Buffer.byteLength(socket) > SOCKET_PATH_BYTES
    ? { ControlMaster: 'no', ControlPath: 'none' }
    : { ControlMaster: 'auto', ControlPath: socket, ControlPersist: '30' };

/** Runs rsync and commands on a server, over one ssh connection that is kept open for a while. */
export class SshHost {
  readonly shown: string;
  /** The root in rsync's notation of a source. */
  readonly source: string;
  /**
   * A local folder that does not exist: with names on its standard input, rsync needs a destination also for a list.
   */
  readonly nowhere: string;
  readonly #address: SshAddress;
  readonly #private: string;
  readonly #ssh: readonly string[];

  private constructor(address: SshAddress, secret: string) {
    this.#address = address;
    this.#private = secret;
    this.nowhere = `${join(secret, 'none')}/`;
    this.shown = redactedUri(`${address.login}:${address.folder}`);
    this.source = `${address.login}:${wild(address.folder)}/`;
    const options = {
      BatchMode: 'yes',
      ConnectTimeout: '10',
      ServerAliveInterval: '5',
      ServerAliveCountMax: '3',
      ...sharedConnection(join(secret, 'c')),
      ...(address.knownHosts === undefined ? {} : { UserKnownHostsFile: address.knownHosts }),
      ...(address.keyFile === undefined ? {} : { IdentityFile: address.keyFile, IdentitiesOnly: 'yes' }),
      ...(address.port === undefined ? {} : { Port: address.port }),
    };
    this.#ssh = ['ssh', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
  }

  static async open(address: SshAddress, temporary: MakeFolder): Promise<SshHost> {
    return new SshHost(address, await temporary('ssh'));
  }

  /** A path below the root, in rsync's notation of a destination. */
  place(path: string): string {
    return `${this.#address.login}:${this.#address.folder}/${path}`;
  }

  /** @param names written to standard input, for `--files-from` */
  rsync(words: readonly string[], names: string, path: string, signal: AbortSignal): Promise<string> {
    const shell = this.#ssh.map((word) => `'${word.replaceAll("'", "''")}'`).join(' ');
    // -s: paths are sent by rsync's own protocol and not through the server's shell.
    return this.#run(['rsync', '-s', '--timeout=60', '-e', shell, ...words], `${names}\0`, path, signal);
  }

  /** Runs a command in the server's shell, with paths below the root as its arguments. */
  run(command: string, paths: readonly string[], path: string, signal: AbortSignal): Promise<string> {
    const root = this.#address.folder;
    const quoted = paths.map((one) => quote(`./${one}`)).join(' ');
    const line = `cd ${quote(root.startsWith('/') ? root : `./${root}`)} && ${command} ${quoted}`;
    return this.#run([...this.#ssh, this.#address.login, line], '', path, signal);
  }

  /** Creates the root: `path` below a folder that must exist. */
  make(path: string, signal: AbortSignal): Promise<string> {
    const top = this.#address.folder.slice(0, -path.length - 1) || '/';
    const line = `cd ${quote(top.startsWith('/') ? top : `./${top}`)} && mkdir -p -- ${quote(`./${path}`)}`;
    return this.#run([...this.#ssh, this.#address.login, line], '', path, signal);
  }

  async #run(words: readonly string[], input: string, path: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const [program, ...rest] = words;
    const env = { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' };
    const child = launch(program!, rest, { env, signal }, this.shown);
    child.stdin.on('error', () => undefined).end(input);
    const { code, out, said } = await result(child);
    signal.throwIfAborted();
    if (code === 0) return out;
    throw this.#failure(code, said, path);
  }

  #failure(code: number | string | null, said: string, path: string): Failure {
    const details = {
      target: this.shown,
      path: path === '' ? '.' : path,
      why: said.trim().split('\n').slice(-3).join(' '),
    };
    if (code === 'ENOENT')
      return new Failure('program-missing', { program: 'rsync or ssh', package: 'rsync openssh-client' });
    const [, found] = WORDS.find(([words]) => words.test(said)) ?? [undefined, 'target-unreachable' as const];
    // A missing root ends the connection as well.
    if (/change_dir .* failed: No such file/.test(said)) return new Failure('target-missing', details);
    const isBroken = typeof code === 'number' && BROKEN.has(code);
    if (found === 'target-unreachable' && !isBroken) return new Failure('target-failed', details);
    return new Failure(
      isBroken && found !== 'target-login' && found !== 'target-full' ? 'target-unreachable' : found,
      details,
    );
  }

  async close(): Promise<void> {
    const child = spawn(this.#ssh[0]!, [...this.#ssh.slice(1), '-O', 'exit', this.#address.login], { stdio: 'ignore' });
    await new Promise((done) => child.once('error', done).once('close', done));
    await rm(this.#private, { recursive: true, force: true });
  }
}

async function result(child: ChildProcess): Promise<{ code: number | string | null; out: string; said: string }> {
  const out: Buffer[] = [];
  let said = '';
  child.stdout!.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)));
  const code = await new Promise<number | string | null>((done) => {
    child.once('error', (error) => done(errnoOf(error) ?? String(error)));
    child.once('close', done);
  });
  return { code, out: Buffer.concat(out).toString('utf8'), said };
}

/** Quotes a text for a POSIX shell. */
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** rsync expands wildcards of a source on the server. */
const wild = (path: string): string => (/[*?[]/.test(path) ? path.replace(/[*?[\]\\]/g, '\\$&') : path);
