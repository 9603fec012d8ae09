/** What a witness finds: empty where nothing was lost, and nothing is there twice. */
export interface Verdict {
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
}

/** Where bytes are at the end. */
export interface Found {
  /** The content of each file of a live tree, by whatever names the file; each tree for itself. */
  readonly trees: readonly ReadonlyMap<string, string>[];
  /** Contents that visibly wait for somebody: changes that are held, bytes that went to lost+found. */
  readonly waiting?: ReadonlySet<string>;
  /** Contents of all versions of what people are told that a call changed late. */
  readonly taken?: ReadonlySet<string>;
}

/**
 * Who wrote which bytes, and who gave them up. It knows nothing of the program: it is told what people do to disks and
 * servers, and looks at disks and servers. Its rule: bytes that anybody wrote leave the live tree only by an act of
 * somebody who had seen exactly these bytes. Each content is written once, so that it tells whose it is.
 */
export class Witness {
  /** What nobody gave up, and who wrote it where. */
  readonly #live = new Map<string, string>();
  /** By whom each was given up. */
  readonly #past = new Map<string, string>();
  #count = 0;

  /** Bytes that nobody wrote before, of this size if they can be. Many have one size, so that a size tells nothing. */
  fresh(who: string, size?: number): string {
    const n = this.#count++;
    const bytes = `${who} ${String(n).padStart(6, '0')}`;
    return size === undefined ? bytes + '.'.repeat((n % 3) * 10) : bytes.padEnd(size, '.');
  }

  wrote(content: string, where: string): void {
    this.#live.set(content, where);
  }

  /** Somebody who sees these bytes removes them, or writes over them. */
  gaveUp(content: string | undefined, how: string): void {
    if (content === undefined || !this.#live.delete(content)) return;
    this.#past.set(content, how);
  }

  /** Who wrote it where, of what nobody gave up. */
  writerOf(content: string): string | undefined {
    return this.#live.get(content);
  }

  get live(): readonly string[] {
    return [...this.#live.keys()];
  }

  /** What is written from now on is judged by itself, and has the same bytes each time. */
  forget(): void {
    this.#live.clear();
    this.#past.clear();
    this.#count = 0;
  }

  judge({ trees, waiting = new Set(), taken = new Set() }: Found): Verdict {
    const there = new Set(trees.flatMap((tree) => [...tree.values()]));
    const lost = [...this.#live].filter(([content]) => !there.has(content) && !waiting.has(content));
    const doubled = trees.flatMap((tree) => {
      const places = new Map<string, string[]>();
      for (const [place, content] of tree) places.set(content, [...(places.get(content) ?? []), place]);
      return [...places].filter(([content, all]) => all.length > 1 && !taken.has(content) && this.#isKnown(content));
    });
    return {
      lost: lost.map(([content, where]) => `"${content}" (${where})`),
      doubled: doubled.map(([content, places]) => `"${content}" is at ${places.join(' and ')}`),
    };
  }

  #isKnown(content: string): boolean {
    return this.#live.has(content) || this.#past.has(content);
  }
}
