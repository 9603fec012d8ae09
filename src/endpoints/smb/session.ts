import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { errnoOf, Failure } from '../../base/errors.js';
import { launch } from '../launch.js';
import { smbFailure } from './failures.js';

const STOP_LIMIT = 2000;

/**
 * One session of the `smbclient` program, which takes one command after the other. It begins with the first command, and
 * again with the next one after the server or the program went away.
 */
export class SmbSession {
  readonly #words: readonly string[];
  readonly #target: string;
  #process: ChildProcessWithoutNullStreams | undefined;
  #output = '';
  /** No command: what smbclient says to it, on a line of its own, ends what it said to the command before. */
  readonly #mark = `end_${randomBytes(8).toString('hex')}`;
  #wake: (() => void) | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(words: readonly string[], target: string) {
    this.#words = words;
    this.#target = target;
  }

  /** Runs a command, and gives what it printed. @throws Failure for the NT_STATUS it printed */
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
    // The program does not connect anew by itself.
    if (failure?.code === 'target-unreachable' || failure?.code === 'target-login') this.#abandon();
    if (failure) throw failure;
    // It ended without a word of why.
    if (!this.#process) throw new Failure('target-unreachable', { target: this.#target, why: text.slice(-200) });
  }

  #abandon(): void {
    this.#process?.kill('SIGKILL');
    this.#process = undefined;
  }

  #start(): void {
    // With a pipe it reads and prints in blocks, and would keep an answer back until there is more to do.
    const words = ['-i0', '-oL', 'smbclient', ...this.#words];
    const child = launch('stdbuf', words, { env: smbEnvironment() }, this.#target);
    this.#process = child;
    this.#output = '';
    const ended = (why: string): void => {
      if (this.#process !== child) return;
      this.#process = undefined;
      this.#output += why;
      this.#wake?.();
    };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        if (this.#process !== child) return;
        this.#output += text;
        this.#wake?.();
      });
    child.stdin.on('error', () => undefined);
    child.once('error', (error) => ended(errnoOf(error) === 'ENOENT' ? 'NO_PROGRAM' : String(error)));
    // stdbuf's words for a program that it does not find: exit status 127.
    child.once('close', (code) => ended(code === 127 ? 'NO_PROGRAM' : ''));
  }

  /** All that is printed until the mark, or the end of the program. */
  async #answer(signal: AbortSignal): Promise<string> {
    const abort = (): void => {
      // What it does now cannot be called back: the next command begins a new session.
      this.#process?.kill('SIGKILL');
      this.#wake?.();
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
        await new Promise<void>((wake) => (this.#wake = wake));
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
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT);
    await ended;
    clearTimeout(limit);
  }
}

/** Times are printed in the local zone, and everything in the local language. */
export const smbEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  TZ: 'UTC',
  LC_ALL: 'C.UTF-8',
  COLUMNS: '500',
});
