import { LRUCache } from 'lru-cache';
import type { Inode } from '../../base/ids.js';

interface Here {
  /** Seconds since the epoch. */
  readonly at: number;
  /** What the server had said by then of when the folder changed, seconds; 0: nothing. */
  readonly updatedAt: number;
}

/** Folders whose time is remembered: of more, those that nobody looked at for longest show the server's. */
const MOST_FOLDERS = 10_000;
/** A change is later than whatever was shown before, though this machine's clock is late. Seconds. */
const LATER = 0.001;

/**
 * When something in a folder was made, removed or renamed here: its modification and change time (POSIX), until the
 * server's time arrives. Not kept over a start, which shows what the server says.
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

  /** Seconds since the epoch; undefined where nothing happened here since the server said this. */
  at(folder: Inode, updatedAt: number): number | undefined {
    const here = this.#times.get(folder);
    if (!here || here.updatedAt === updatedAt) return here?.at;
    this.#times.delete(folder);
    return undefined;
  }

  /** A time was set. */
  forget(folder: Inode): void {
    this.#times.delete(folder);
  }
}
