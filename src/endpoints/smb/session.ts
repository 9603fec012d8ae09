import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../base/clock.js';
import { Condition } from '../../base/condition.js';
import { errnoOf, Failure } from '../../base/errors.js';
import { launch } from '../launch.js';
import { smbFailure } from './failures.js';

const STOP_LIMIT = 2000;

/**
 * One session of the `smbclient` program, which runs one command after the other. It starts with the first command, and
 * again with the next one after the server or the program ended.
 */
export class SmbSession {
  readonly #words: readonly string[];
  readonly #target: string;
  #process: ChildProcessWithoutNullStreams | undefined;
  #output = '';
  /**
   * An unknown command: smbclient's error message for it, on a line of its own, marks the end of the previous command's
   * output.
   */
  readonly #mark = `end_${randomBytes(8).toString('hex')}`;
  readonly #arrived = new Condition();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(words: readonly string[], target: string) {
    this.#words = words;
    this.#target = target;
  }

  /** Runs a command and returns its output. @throws Failure for the NT_STATUS in the output */
  run(command: string, path: string, signal: AbortSignal): Promise<string> {
    const turn = this.#turn.then(
      () => this.#run(command, path, signal),
      () => this.#run(command, path, signal),
    );
    this.#turn = turn;
    return turn;
  }

  async #run(command: string, path: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (!this.#process) {
      this.#start();
      this.#process!.stdin.write(`${this.#mark}\n`);
      this.#check(await this.#answer(signal), path);
    }
    this.#process!.stdin.write(`${command}\n${this.#mark}\n`);
    const text = await this.#answer(signal);
    this.#check(text, path);
    return text;
  }

  #check(text: string, path: string): void {
    const failure = smbFailure(text, this.#target, path);
    // The program does not reconnect by itself.
    if (failure?.code === 'target-unreachable' || failure?.code === 'target-login') this.#abandon();
    if (failure) throw failure;
    // The program ended without an error message.
    if (!this.#process) throw new Failure('target-unreachable', { target: this.#target, why: text.slice(-200) });
  }

  #abandon(): void {
    this.#process?.kill('SIGKILL');
    this.#process = undefined;
  }

  #start(): void {
    // With a pipe the program buffers in blocks, and would hold back a reply until more output follows.
    const words = ['-i0', '-oL', 'smbclient', ...this.#words];
    const child = launch('stdbuf', words, { env: smbEnvironment() }, this.#target);
    this.#process = child;
    this.#output = '';
    const ended = (why: string): void => {
      if (this.#process !== child) return;
      this.#process = undefined;
      this.#output += why;
      this.#arrived.changed();
    };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        if (this.#process !== child) return;
        this.#output += text;
        this.#arrived.changed();
      });
    child.stdin.on('error', () => undefined);
    child.once('error', (error) => ended(errnoOf(error) === 'ENOENT' ? 'NO_PROGRAM' : String(error)));
    // stdbuf exits with status 127 if it does not find the program.
    child.once('close', (code) => ended(code === 127 ? 'NO_PROGRAM' : ''));
  }

  /** Reads the output up to the mark, or to the end of the program. */
  async #answer(signal: AbortSignal): Promise<string> {
    const abort = (): void => {
      // A running command cannot be cancelled: the next command starts a new session.
      this.#process?.kill('SIGKILL');
      this.#arrived.changed();
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      for (;;) {
        const mark = `${this.#mark}: command not found\n`;
        const end = this.#output.indexOf(mark);
        if (end >= 0) {
          const text = this.#output.slice(0, end);
          this.#output = this.#output.slice(end + mark.length);
          return text;
        }
        if (!this.#process) {
          signal.throwIfAborted();
          if (this.#output.endsWith('NO_PROGRAM'))
            throw new Failure('program-missing', { program: 'smbclient', package: 'smbclient' });
          return this.#output;
        }
        await this.#arrived.next();
      }
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async close(): Promise<void> {
    await this.#turn.catch(() => undefined);
    const child = this.#process;
    if (!child) return;
    const ended = new Promise((done) => child.once('close', done));
    child.stdin.end('exit\n');
    const cancel = systemClock.after(STOP_LIMIT, () => child.kill('SIGKILL'));
    await ended;
    cancel();
  }
}

/** By default times are printed in the local time zone, and messages in the local language. */
export const smbEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  TZ: 'UTC',
  LC_ALL: 'C.UTF-8',
  COLUMNS: '500',
});
