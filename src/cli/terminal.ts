import { closeSync, openSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { ReadStream } from 'node:tty';
import { abortable } from '../base/abort.js';
import { Failure } from '../base/errors.js';
import { Secret } from '../base/secret.js';

/** Reads standard input line by line; opened at the first read. The creator must close it. */
export class StandardInput {
  #reader: Interface | undefined;
  #lines: AsyncIterator<string> | undefined;

  /** The next line, or undefined at the end. */
  async line(signal?: AbortSignal): Promise<string | undefined> {
    this.#reader ??= createInterface({ input: process.stdin, terminal: false });
    this.#lines ??= this.#reader[Symbol.asyncIterator]();
    const { value, done } = await abortable(this.#lines.next(), signal);
    return done ? undefined : value;
  }

  close(): void {
    if (!this.#reader) return;
    this.#reader.close();
    process.stdin.destroy();
  }
}

const ENTER = /[\r\n]/;
const INTERRUPT = '\x03';
const END = '\x04';
const ERASE = /[\x7f\b]/;
const KILL = '\x15';

/**
 * Asks at the terminal without echo, even if standard input and output are redirected.
 * @throws Failure `usage` without a terminal, `interrupted` by Ctrl-C
 */
export async function askHidden(question: string, signal?: AbortSignal): Promise<Secret> {
  let fd: number;
  try {
    fd = openSync('/dev/tty', 'r+');
  } catch (error) {
    throw new Failure('usage', { what: 'there is no terminal to ask at' }, error);
  }
  let terminal: ReadStream;
  try {
    terminal = new ReadStream(fd);
  } catch (error) {
    closeSync(fd);
    throw new Failure('usage', { what: 'there is no terminal to ask at' }, error);
  }
  try {
    terminal.setRawMode(true);
    process.stderr.write(question);
    return new Secret(await abortable(typed(terminal), signal));
  } finally {
    terminal.setRawMode(false);
    terminal.destroy();
    process.stderr.write('\n');
  }
}

function typed(terminal: ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    terminal.setEncoding('utf8');
    terminal.once('error', reject);
    terminal.once('end', () => reject(new Failure('interrupted')));
    terminal.on('data', (chunk: string) => {
      for (const key of chunk) {
        if (ENTER.test(key)) return resolve(text.trim());
        if (key === INTERRUPT || (key === END && text === '')) return reject(new Failure('interrupted'));
        if (ERASE.test(key)) text = text.slice(0, -1);
        else if (key === KILL) text = '';
        else if (key >= ' ') text += key;
      }
    });
  });
}
