import type { VersionId } from '../base/ids.js';
import type { ContentSource, ContentVersion } from './source.js';

/** Versions larger than this (bytes) are left to ordinary read-ahead. */
export const SMALL_VERSION_BYTES = 2 ** 20;
/** Following small files that are compared to detect a walk. */
const NEIGHBOURS = 8;
/** Milliseconds within which the second file of a walk must be read. */
const WALK_MS = 5000;
const FIRST_WINDOW = 8;
const LARGEST_WINDOW = 128;
/** Bytes prefetched for one walk. */
const BUDGET_BYTES = 16 * 2 ** 20;
/** Files requested from the source at a time. */
const PAGE_FILES = 64;
const WALKS = 16;

interface Miss {
  readonly at: number;
  readonly neighbours: ReadonlySet<VersionId>;
}

interface Walk {
  /** The next files, nearest first. */
  upcoming: ContentVersion[];
  expected: Set<VersionId>;
  /** How many of `upcoming` have been requested. */
  launched: number;
  window: number;
  exhausted: boolean;
}

/**
 * Detects walks through small files in directory order and prefetches the next files in parallel: more each time the
 * walk had to wait, never more than the budget, and nothing once the walk has stopped.
 */
export class Siblings {
  readonly #following: NonNullable<ContentSource['following']> | undefined;
  readonly #prefetch: (version: ContentVersion) => void;
  readonly #now: () => number;
  #misses: Miss[] = [];
  #walks: Walk[] = [];

  constructor(source: ContentSource, prefetch: (version: ContentVersion) => void, monotonic: () => number) {
    this.#following = source.following?.bind(source);
    this.#prefetch = prefetch;
    this.#now = monotonic;
  }

  /** To be called when a version is opened. `ready`: it was completely cached. */
  used(version: ContentVersion, ready: boolean): void {
    if (!this.#following || version.size > SMALL_VERSION_BYTES) return;
    for (const walk of this.#walks) {
      if (!walk.expected.has(version.id)) continue;
      this.#advance(walk, version, ready);
      return;
    }
    if (!ready) this.#missed(version);
  }

  #missed(version: ContentVersion): void {
    const now = this.#now();
    this.#misses = this.#misses.filter((miss) => now - miss.at < WALK_MS);
    const before = this.#misses.findIndex((miss) => miss.neighbours.has(version.id));
    if (before < 0) {
      const neighbours = new Set(this.#following!(version, NEIGHBOURS).map(({ id }) => id));
      if (neighbours.size > 0) this.#misses.push({ at: now, neighbours });
      if (this.#misses.length > WALKS) this.#misses.shift();
      return;
    }
    this.#misses.splice(before, 1);
    const walk: Walk = { upcoming: [], expected: new Set(), launched: 0, window: FIRST_WINDOW, exhausted: false };
    this.#walks.push(walk);
    if (this.#walks.length > WALKS) this.#walks.shift();
    this.#launch(walk, version);
  }

  #advance(walk: Walk, version: ContentVersion, ready: boolean): void {
    const passed = walk.upcoming.findIndex(({ id }) => id === version.id) + 1;
    for (const { id } of walk.upcoming.splice(0, passed)) walk.expected.delete(id);
    walk.launched = Math.max(0, walk.launched - passed);
    if (!ready) walk.window = Math.min(walk.window * 2, LARGEST_WINDOW);
    this.#launch(walk, version);
    if (walk.upcoming.length === 0) this.#walks = this.#walks.filter((other) => other !== walk);
  }

  #launch(walk: Walk, current: ContentVersion): void {
    // At most one page per file that is used: the following files may all be too large to prefetch.
    if (walk.upcoming.length < walk.window && !walk.exhausted) {
      const more = this.#following!(walk.upcoming.at(-1) ?? current, PAGE_FILES);
      walk.exhausted = more.length === 0;
      for (const version of more) {
        if (version.size > SMALL_VERSION_BYTES || walk.expected.has(version.id)) continue;
        walk.upcoming.push(version);
        walk.expected.add(version.id);
      }
    }
    let ahead = 0;
    for (let at = 0; at < walk.upcoming.length && at < walk.window; at++) {
      const version = walk.upcoming[at]!;
      ahead += version.size;
      if (ahead > BUDGET_BYTES) return;
      if (at < walk.launched) continue;
      walk.launched = at + 1;
      if (version.size > 0) this.#prefetch(version);
    }
  }
}
