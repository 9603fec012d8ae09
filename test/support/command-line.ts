import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface CommandLineRequest {
  readonly words: readonly string[];
  readonly input: string;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

export interface CommandLineAnswer {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A process that has loaded the command line already: what a command costs is then what it does. It ends with the
 * process of the test.
 */
class Process {
  readonly #child: ChildProcess;
  isBusy = false;
  isGone = false;

  constructor() {
    this.#child = fork(fileURLToPath(new URL('./command-line-process.js', import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    this.#child.once('exit', () => (this.isGone = true));
    this.#child.unref();
    this.#child.channel?.unref();
  }

  /** @param timeout ms, after which the command is killed */
  async run(request: CommandLineRequest, timeout: number): Promise<CommandLineAnswer> {
    this.isBusy = true;
    const child = this.#child;
    child.ref();
    child.channel?.ref();
    const killer = setTimeout(() => child.kill('SIGKILL'), timeout);
    try {
      return await new Promise<CommandLineAnswer>((resolve) => {
        const ended = (): void => resolve({ code: null, stdout: '', stderr: 'the command was killed' });
        child.once('exit', ended);
        child.once('message', (answer: CommandLineAnswer) => {
          child.removeListener('exit', ended);
          resolve(answer);
        });
        child.send(request);
      });
    } finally {
      clearTimeout(killer);
      child.unref();
      child.channel?.unref();
      this.isBusy = false;
    }
  }
}

const processes: Process[] = [];

/** Runs a command line in a process that is used again; as many of them as commands run at a time. */
export function runCommandLine(request: CommandLineRequest, timeout: number): Promise<CommandLineAnswer> {
  let free = processes.find(({ isBusy, isGone }) => !isBusy && !isGone);
  if (!free) {
    free = new Process();
    processes.push(free);
  }
  return free.run(request, timeout);
}
