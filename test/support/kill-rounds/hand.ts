import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { kill } from '../mounted.js';
import type { HandAnswer, HandEvent, HandResult, HandTask } from './contents.js';

/** A process whose programs change files at a mount, one call after the other, and that says what each was told. */
export class Hand {
  readonly who: string;
  readonly #child: ChildProcess;
  /** Told of what the programs do. */
  heard: (event: HandEvent) => void = () => undefined;
  #asked: { resolve(result: HandResult): void; reject(error: Error): void } | undefined;

  /** @param down a file that is there while the mount is not */
  constructor(who: string, mnt: string, down: string) {
    this.who = who;
    this.#child = fork(fileURLToPath(new URL('./hand-process.js', import.meta.url)), [mnt, who, down], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [],
    });
    this.#child.on('message', (answer: HandAnswer) => {
      if ('event' in answer) return this.heard(answer.event);
      const { fault } = answer.result;
      if (fault === undefined) this.#asked?.resolve(answer.result);
      else this.#asked?.reject(new Error(`${who}: ${fault}`));
    });
    this.#child.on('exit', () => this.#asked?.reject(new Error(`${who} has ended`)));
  }

  ask(task: HandTask): Promise<HandResult> {
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      this.#child.send(task);
    });
  }

  async close(): Promise<void> {
    this.#asked = undefined;
    await kill(this.#child);
  }
}
