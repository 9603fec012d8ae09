import type { Inode } from '../base/ids.js';

/** Removed folders whose generation is kept. A folder forgotten here that reappears is dead for programs in it. */
const MOST_FOLDERS = 10_000;

/**
 * Node generations of folders. A folder that was removed through this mount is dead to the kernel (S_DEAD in
 * `fs/namei.c`) as long as a program has it open or works in it. If the folder reappears, for example because another
 * user put an item in it meanwhile, the next generation makes it another folder to the kernel.
 */
export class Generations {
  readonly #isThere: (folder: Inode) => boolean;
  readonly #next = new Map<Inode, number>();

  constructor(isThere: (folder: Inode) => boolean) {
    this.#isThere = isThere;
  }

  removed(folder: Inode): void {
    this.#next.set(folder, this.of(folder) + 1);
    if (this.#next.size <= MOST_FOLDERS) return;
    for (const old of this.#next.keys())
      if (!this.#isThere(old)) {
        this.#next.delete(old);
        return;
      }
  }

  of(folder: Inode): number {
    return this.#next.get(folder) ?? 0;
  }
}
