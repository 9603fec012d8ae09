import { Readable, Writable } from 'node:stream';
import type { CommandLineAnswer, CommandLineRequest } from './command-line.js';

/** As it is installed: a daemon that it starts is the installed one as well. */
const program = new URL(import.meta.resolve('#src/bundle/command-line.js')).href;
const { runCommandLine } = (await import(program)) as typeof import('#src/cli/command-line.js');

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs in a child process: one command line after the other, each as if the process were its own. */
const send = process.send!.bind(process);
// A command line that is started by people has nobody to send to.
delete process.send;
process.once('disconnect', () => process.exit());
process.on('message', (request: CommandLineRequest) => {
  void run(request).then((answer) => send(answer));
});

async function run({ words, input, env, cwd }: CommandLineRequest): Promise<CommandLineAnswer> {
  for (const name of Object.keys(process.env)) if (!Object.hasOwn(env, name)) delete process.env[name];
  Object.assign(process.env, env);
  process.chdir(cwd);
  process.exitCode = undefined;
  const [stdout, stderr] = [new Captured(), new Captured()];
  const standard = { stdin: Readable.from(input === '' ? [] : [Buffer.from(input)]), stdout, stderr };
  for (const [name, value] of Object.entries(standard))
    Object.defineProperty(process, name, { value, configurable: true, writable: true });
  const before = SIGNALS.map((signal) => process.listeners(signal));
  try {
    await runCommandLine(words);
    return { code: Number(process.exitCode ?? 0), stdout: stdout.text, stderr: stderr.text };
  } catch (error) {
    return { code: null, stdout: stdout.text, stderr: `${stderr.text}${String(error)}` };
  } finally {
    for (const [n, signal] of SIGNALS.entries())
      for (const listener of process.listeners(signal))
        if (!before[n]!.includes(listener)) process.removeListener(signal, listener);
  }
}

class Captured extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
