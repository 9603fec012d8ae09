import type { Inode } from '../base/ids.js';

/** Folders removed here that are kept in mind: one that comes back later is dead only for who has it open since. */
const MOST_FOLDERS = 10_000;

/**
 * Which time it is that a folder is there. What the kernel removed through this mount is dead for it (S_DEAD in
 * `fs/namei.c`), and stays so while a program has it open or works in it: with the next generation it is another folder to
 * the kernel when it comes back, for example since somebody put something in it meanwhile.
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
