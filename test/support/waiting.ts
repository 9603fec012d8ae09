import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Installation, MAIN, type Ran } from './mounted.js';
import type { RunningSimulator } from './simulator.js';

/** A command that waits for a person; `address` is the page it shows. */
export class Waiting {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  #stdout = '';
  #stderr = '';

  constructor(installation: Installation, words: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    const { NODE_OPTIONS: _, ...env } = { ...installation.environment, ...environment };
    this.child = spawn(process.execPath, [MAIN, ...words], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdin!.on('error', () => undefined);
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = new Promise((resolve) =>
      this.child.once('close', (code) => resolve({ code, stdout: this.#stdout, stderr: this.#stderr })),
    );
  }

  /** The address that it shows, the n-th one. */
  async address(nth = 1): Promise<string> {
    for (;;) {
      const shown = [...this.#stderr.matchAll(/^ {2}(http\S+)\n/gm)][nth - 1];
      if (shown) return shown[1]!;
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.#stderr}`);
      await sleep(20);
    }
  }
}

/** Words of `connections add` for a simulator; the secret comes from standard input. */
export const addWords = ({ ready }: Pick<RunningSimulator, 'ready'>, ...more: string[]): string[] => [
  ...['connections', 'add', ...more, '--client-id', ready.client_id, '--client-secret-file', '-'],
  ...['--domain', ready.login, '--api', ready.api, '--company', String(ready.company_id)],
];
