import type { FileHandle } from 'node:fs/promises';
import { syncFileSystemOf } from './kernel.js';

interface Waiter {
  readonly handle: FileHandle;
  /** When the file was opened, monotonic milliseconds. */
  readonly opened: number;
  resolve(): void;
  reject(reason: unknown): void;
}

/**
 * Number of files from which on one syncfs(2) is used; fewer are synced by an fsync(2) each, which does not flush other
 * programs' data.
 */
const SYNCFS_FILES = 8;

/**
 * Syncs files and folders to the disk, those of many writes together: calls made while the disk is busy share the next
 * turn.
 */
export class GroupSync {
  readonly #asOne: boolean;
  #waiting: Waiter[] = [];
  #busy = false;

  /** @param asOne whether many files may be synced by syncfs(2), with all other data of their file system */
  constructor(asOne: boolean) {
    this.#asOne = asOne;
  }

  /**
   * Resolves when everything written through the handle is on the disk. The handle must stay open until then.
   * @param opened monotonic milliseconds before anything was written through it
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

  /** False: syncfs(2) was not done or failed, and each file must be synced separately. */
  async #together(turn: readonly Waiter[]): Promise<boolean> {
    if (!this.#asOne || turn.length < SYNCFS_FILES) return false;
    // The handle opened first gets every error since the first of the files was written.
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
