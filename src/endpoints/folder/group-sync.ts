import type { FileHandle } from 'node:fs/promises';
import { syncFileSystemOf } from './kernel.js';

interface Waiter {
  readonly handle: FileHandle;
  /** When it was opened: `performance.now()`. */
  readonly opened: number;
  resolve(): void;
  reject(reason: unknown): void;
}

/** Files that are put on the disk by one syncfs(2); fewer are by an fsync(2) each, which leaves other programs alone. */
const SYNCFS_FILES = 8;

/**
 * Puts files and folders on the disk, those of many writes together: who comes while the disk is busy shares the next
 * turn.
 */
export class GroupSync {
  readonly #asOne: boolean;
  #waiting: Waiter[] = [];
  #busy = false;

  /** @param asOne many files may be synced with all that their file system has to write */
  constructor(asOne: boolean) {
    this.#asOne = asOne;
  }

  /**
   * Resolves when what was written through the handle is on the disk. The handle stays open until then.
   * @param opened `performance.now()` before anything was written through it
   */
  sync(handle: FileHandle, opened: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ handle, opened, resolve, reject });
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const turn = this.#waiting;
      this.#waiting = [];
      if (await this.#together(turn)) for (const { resolve } of turn) resolve();
      else await Promise.all(turn.map(each));
    }
    this.#busy = false;
  }

  /** False: it was not done for all, and each must see for itself. */
  async #together(turn: readonly Waiter[]): Promise<boolean> {
    if (!this.#asOne || turn.length < SYNCFS_FILES) return false;
    // The oldest is told of every error since the first of them was written.
    const oldest = turn.reduce((first, one) => (one.opened < first.opened ? one : first));
    return syncFileSystemOf(oldest.handle.fd).catch(() => false);
  }
}

async function each({ handle, resolve, reject }: Waiter): Promise<void> {
  try {
    await handle.sync();
    resolve();
  } catch (error) {
    reject(error);
  }
}
