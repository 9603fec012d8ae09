import { LRUCache } from 'lru-cache';
import type { Inode } from '../../base/ids.js';

interface Here {
  /** Seconds since the epoch. */
  readonly at: number;
  /** The folder's change time at the server as known then, seconds; 0: not known. */
  readonly updatedAt: number;
}

/** Number of folders whose time is remembered. The least recently used beyond it show the server's time. */
const MOST_FOLDERS = 10_000;
/** A change is at least so much later than the time shown before, even if this machine's clock is slow. Seconds. */
const LATER = 0.001;

/**
 * When something in a folder was created, removed or renamed here: its modification and change time (POSIX), until the
 * server's time arrives. Not kept across a restart, after which the server's time shows.
 */
export class FolderTimes {
  readonly #times = new LRUCache<Inode, Here>({ max: MOST_FOLDERS });

  get isEmpty(): boolean {
    return this.#times.size === 0;
  }

  /** @param now milliseconds since the epoch */
  changed(folder: Inode, updatedAt: number, now: number): void {
    const before = this.at(folder, updatedAt) ?? updatedAt;
    this.#times.set(folder, { at: Math.max(now / 1000, before + LATER), updatedAt });
  }

  /** Seconds since the epoch; undefined if nothing happened here since the server reported `updatedAt`. */
  at(folder: Inode, updatedAt: number): number | undefined {
    const here = this.#times.get(folder);
    if (!here || here.updatedAt === updatedAt) return here?.at;
    this.#times.delete(folder);
    return undefined;
  }

  /** Forgets the folder's time, since another one was set. */
  forget(folder: Inode): void {
    this.#times.delete(folder);
  }
}
