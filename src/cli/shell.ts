import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Failure } from '../base/errors.js';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

/** Runs commands and prints them as a user would type them. */
export class Shell {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #print: (line: string) => void;
  readonly #failure: 'demo-failed' | 'setup-failed';
  /** The commands shown so far, as typed. */
  readonly commands: string[] = [];

  constructor(
    environment: NodeJS.ProcessEnv,
    print: (line: string) => void,
    failure: 'demo-failed' | 'setup-failed' = 'demo-failed',
  ) {
    this.#environment = environment;
    this.#print = print;
    this.#failure = failure;
  }

  /** Runs a program; resolves with its output. @throws Failure `demo-failed` or `setup-failed` with its error output */
  async run(program: string, words: readonly string[], input?: string): Promise<string> {
    const child = spawn(program, words, { env: this.#environment, stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0)
      throw new Failure(this.#failure, { command: typed(program, words), why: reasonIn(errors) || output });
    return output;
  }

  procorefs(words: readonly string[], input?: string): Promise<string> {
    return this.run(process.execPath, [MAIN, ...words], input);
  }

  /** Prints the command, runs it, and prints the first lines of its output. */
  async show(
    program: string,
    words: readonly string[],
    options: { lines?: number; input?: string } = {},
  ): Promise<string> {
    const command = typed(program, words);
    this.commands.push(command);
    this.#print(`\n$ ${command}`);
    const output = await (program === 'procorefs'
      ? this.procorefs(words, options.input)
      : this.run(program, words, options.input));
    const lines = output.split('\n').filter((line) => line.trim() !== '');
    const most = options.lines ?? 12;
    for (const line of lines.slice(0, most)) this.#print(`  ${line}`);
    if (lines.length > most) this.#print(`  … ${lines.length - most} more lines`);
    return output;
  }

  /** Starts a long-running command of procorefs; resolves with its first line of output. */
  async start(words: readonly string[]): Promise<{ readonly child: ChildProcess; readonly line: string }> {
    const child = spawn(process.execPath, [MAIN, ...words], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const line = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', resolve);
      child.once('exit', () => reject(new Failure('demo-failed', { command: words.join(' '), why: 'it ended' })));
    });
    return { child, line };
  }
}

/** The last line of the error output is the reason for the failure; the lines above are hints. */
const reasonIn = (errors: string): string => (errors.trim().split('\n').at(-1) ?? '').replace(/^procorefs: /, '');

/** The command line as typed, with this program called by its name. */
const typed = (program: string, words: readonly string[]): string =>
  (program === process.execPath ? ['procorefs', ...words.slice(1)] : [program, ...words]).map(quoted).join(' ');

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
