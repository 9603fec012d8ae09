import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { systemClock } from '../../base/clock.js';
import { errnoOf, Failure } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import type { MakeFolder } from '../temporary.js';

const START_LIMIT = 15_000;
const STOP_LIMIT = 3000;

/** Environment variables that change rclone's behaviour. */
const NOT_PASSED = /^(?:RCLONE_|AWS_CA_BUNDLE$)/;

export interface RcloneDaemonOptions {
  /**
   * A persistent configuration file, in which rclone updates an account's tokens. Absent: a temporary one, removed with
   * the daemon.
   */
  readonly configuration?: string | undefined;
  readonly temporary: MakeFolder;
  /** Files show the time at which they were stored. */
  readonly storeTime?: boolean | undefined;
}

export interface RcReply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/**
 * A private `rclone rcd` on the loopback interface, with its own configuration (0600) and random credentials. rclone
 * gets their hash in a file, so that neither its command line nor its environment, which its child processes inherit,
 * contains them.
 */
export class RcloneDaemon {
  readonly #process: ChildProcess;
  readonly #address: string;
  readonly #authorization: Secret;
  readonly #temporary: string;
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 300_000, connections: 32 });

  private constructor(process: ChildProcess, address: string, authorization: Secret, temporary: string) {
    this.#process = process;
    this.#address = address;
    this.#authorization = authorization;
    this.#temporary = temporary;
  }

  /**
   * @throws Failure `program-missing`, `target-failed`
   */
  static async start(options: RcloneDaemonOptions, signal: AbortSignal): Promise<RcloneDaemon> {
    signal.throwIfAborted();
    const temporary = await options.temporary('rclone');
    const file = options.configuration ?? join(temporary, 'rclone.conf');
    const [user, password] = [randomBytes(12).toString('hex'), randomBytes(24).toString('hex')];
    const accounts = join(temporary, 'accounts');
    // The hash of a password of 192 random bits cannot be reversed.
    const hash = createHash('sha1').update(password).digest('base64');
    try {
      await writeFile(accounts, `${user}:{SHA}${hash}\n`, { mode: 0o600 });
    } catch (error) {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
      const why = error instanceof Error ? error.message : undefined;
      throw new Failure('target-failed', { target: 'rclone', path: 'its start', why }, error);
    }
    const passed = Object.entries(process.env).filter(([name]) => !NOT_PASSED.test(name));
    // The daemon ends with this process, also when that is killed: setpriv(1) of util-linux.
    const words = ['--pdeathsig', 'TERM', 'rclone', 'rcd', '--rc-addr', '127.0.0.1:0', '--rc-serve'];
    const child = spawn('setpriv', words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...Object.fromEntries(passed),
        RCLONE_CONFIG: file,
        RCLONE_RC_HTPASSWD: accounts,
        // Waiting for an unreachable share is the job's part.
        RCLONE_LOW_LEVEL_RETRIES: '2',
        RCLONE_RETRIES: '1',
        RCLONE_CONTIMEOUT: '10s',
        RCLONE_TIMEOUT: '60s',
        RCLONE_USE_SERVER_MODTIME: String(options.storeTime === true),
      },
    });
    try {
      const address = await addressOf(child, signal);
      const basic = new Secret(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);
      return new RcloneDaemon(child, address, basic, temporary);
    } catch (error) {
      child.kill('SIGKILL');
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  /**
   * One call of the remote control; its errors are returned as replies. @throws Failure `target-failed` if the daemon
   * has ended
   */
  async call(path: string, input: Record<string, unknown>, signal: AbortSignal): Promise<RcReply> {
    signal.throwIfAborted();
    const { statusCode, body } = await this.#request(
      'POST',
      `/${path}`,
      { 'content-type': 'application/json' },
      signal,
      JSON.stringify(input),
    );
    const text = await body.text();
    try {
      return { status: statusCode, body: JSON.parse(text) as Record<string, unknown> };
    } catch {
      return { status: statusCode, body: { error: text } };
    }
  }

  /** The bytes of a file of a remote (`name:root`) and path. */
  async object(remote: string, path: string, start: number, signal: AbortSignal) {
    const names = path.split('/').map(encodeURIComponent).join('/');
    const headers: Record<string, string> = start > 0 ? { range: `bytes=${start}-` } : {};
    const { statusCode, body } = await this.#request(
      'GET',
      `/[${encodeURIComponent(remote)}]/${names}`,
      headers,
      signal,
    );
    return { status: statusCode, body: body as Readable & { text(): Promise<string> } };
  }

  async #request(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
    body?: string,
  ) {
    try {
      return await request(this.#address + path, {
        method,
        headers: { ...headers, authorization: this.#authorization.reveal() },
        signal,
        dispatcher: this.#agent,
        ...(body === undefined ? {} : { body }),
      });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw new Failure('target-failed', { target: 'rclone', path: 'its remote control' }, error);
    }
  }

  async close(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      const cancel = systemClock.after(STOP_LIMIT, () => this.#process.kill('SIGKILL'));
      await ended;
      cancel();
    }
    await this.#agent.destroy();
    await rm(this.#temporary, { recursive: true, force: true });
  }
}

/** The address on which the daemon reports to listen. */
function addressOf(child: ChildProcess, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const cancel = systemClock.after(START_LIMIT, () => fail(new Error('it did not start in time')));
    const abort = (): void => end(() => reject(signal.reason));
    const end = (then: () => void): void => {
      cancel();
      signal.removeEventListener('abort', abort);
      then();
    };
    const fail = (cause: Error): void =>
      end(() =>
        reject(
          errnoOf(cause) === 'ENOENT' || child.exitCode === 127
            ? new Failure('program-missing', { program: 'rclone', package: 'rclone' })
            : new Failure('target-failed', { target: 'rclone', path: 'its start', why: said || cause.message }, cause),
        ),
      );
    signal.addEventListener('abort', abort, { once: true });
    child.once('error', fail);
    // Without free descriptors there is no pipe; an error event follows.
    if (!child.stderr) return;
    child.once('exit', (code) => fail(new Error(`it ended with ${code}`)));
    // Output is read to its end: a full pipe would block the daemon.
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < 4000) said += text;
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
      if (address !== undefined) end(() => resolve(address));
    });
  });
}
