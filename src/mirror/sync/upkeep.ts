import type { Clock } from '../../base/clock.js';
import { Condition } from '../../base/condition.js';
import type { Inode, RemoteId } from '../../base/ids.js';
import { HIDDEN } from '../database/flags.js';
import { POLLS_MISS } from '../database/missed-changes.js';
import type { Item, View } from '../database/view.js';
import {
  listingInterval,
  type PollFacts,
  pollInterval,
  SLOWEST_S,
  SWEEP_AGAIN_S,
  SWEEP_PAGE_S,
  WATCHED_S,
} from './poll-interval.js';
import type { Subtree } from './subtree.js';
import type { Sweep } from './sweep.js';

/** The ways to look for changes; each costs one call or a few. */
export interface Looks {
  poll(signal: AbortSignal): Promise<void>;
  list(folder: Item, signal: AbortSignal): Promise<void>;
  readonly sweep: Sweep;
  subtree(folder: Item): Subtree;
}

export interface UpkeepOptions {
  readonly view: View;
  readonly looks: Looks;
  readonly clock: Clock;
  /** Seconds between polls, whether or not the project is in use; undefined: adapted to its use. */
  readonly fixed: number | undefined;
  /** Milliseconds until the call budget allows one more upkeep call. */
  readonly wait: (isWatched: boolean) => number;
}

type Look = (signal: AbortSignal) => Promise<void>;

/** Recently opened folders that are remembered. */
const MOST_WATCHED = 32;
/** Runs that a job may miss before it is forgotten. */
const LOOKS_MISSED = 2;
/** Seconds for which the content of an unreadable folder is not requested again. */
const REFUSED_S = 3600;
/** Seconds for which the finding that polls miss changes is valid. */
const MISS_COUNTS_S = 24 * 3600;

/** Longest sleep: what a wait depends on changes meanwhile, as the budget does when the server tells its limit. */
const LONGEST_SLEEP_MS = 5000;

/** Decides when and how to look for changes: polls, listings of recently opened folders, pages of a sweep. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  /** Recently opened folders, and when they were opened and listed, seconds of the monotonic clock; the latest last. */
  readonly #watched = new Map<Inode, { readonly openedAt: number; listedAt: number }>();
  /** Jobs that read the project repeatedly: their interval, and until when it applies (monotonic clock), seconds. */
  readonly #jobs = new Map<string, { readonly every: number; readonly until: number }>();
  #openedAt = Number.NEGATIVE_INFINITY;
  #polledAt = Number.NEGATIVE_INFINITY;
  #listedAt = Number.NEGATIVE_INFINITY;
  #sweptAt: number;
  #subtree: Subtree | undefined;
  /** Visible folders that may not be read, and when that was found. */
  readonly #refused = new Map<RemoteId, number>();
  /** Told when a look may be due earlier than before. */
  readonly #sooner = new Condition();

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#sweptAt = this.#now();
  }

  /** To be called when a program opens the folder, which may not be at the server yet. */
  opened(folder: Inode): void {
    const now = this.#now();
    const wasIdle = now - this.#openedAt > WATCHED_S;
    const known = this.#watched.get(folder);
    this.#watched.delete(folder);
    this.#watched.set(folder, { openedAt: now, listedAt: known?.listedAt ?? now });
    if (this.#watched.size > MOST_WATCHED) this.#watched.delete(this.#watched.keys().next().value!);
    this.#openedAt = now;
    if (wasIdle) this.#sooner.changed();
  }

  /**
   * To be called when a job reads the project, which it does every `every` seconds. The interval is forgotten when two
   * runs have not come.
   */
  looksEvery(job: string, every: number): void {
    const before = this.#wanted();
    this.#jobs.set(job, { every, until: this.#now() + LOOKS_MISSED * every + WATCHED_S });
    if (every < (before ?? Number.POSITIVE_INFINITY)) this.#sooner.changed();
  }

  /** To be called after each poll, whichever caller requested it. */
  polled(): void {
    this.#polledAt = this.#now();
  }

  /**
   * Seconds within which a change at the server becomes visible: in recently opened folders if there are any, else
   * everywhere.
   */
  get freshness(): number {
    const facts = this.#facts();
    return Math.min(pollInterval(facts), listingInterval(facts));
  }

  /** Seconds since a folder or file was last opened. */
  get idle(): number {
    return this.#now() - this.#openedAt;
  }

  /** Waits until the next look is due, then makes it. The caller repeats this, also after a failure. */
  async next(signal: AbortSignal): Promise<void> {
    for (;;) {
      if (signal.aborted) throw signal.reason;
      const { look, at } = this.#due();
      const isWatched = this.idle <= WATCHED_S || (this.#wanted() ?? SLOWEST_S) < SLOWEST_S;
      const wait = Math.max((at - this.#now()) * 1000, this.#options.wait(isWatched));
      if (wait < 1) return look(signal);
      await this.#sooner.nextWithin(Math.min(wait, LONGEST_SLEEP_MS), this.#options.clock, signal);
    }
  }

  /** The next look, and when it is due; seconds of the clock. */
  #due(): { readonly look: Look; readonly at: number } {
    const { looks } = this.#options;
    const found = [{ look: (signal: AbortSignal) => looks.poll(signal), at: this.#polledAt + this.#interval() }];
    const listing = this.#listing();
    if (listing) found.push(listing);
    const subtree = this.#subtreeToFill();
    if (subtree) found.push({ look: (signal) => this.#fill(subtree, signal), at: this.#now() });
    else found.push({ look: (signal) => this.#sweep(signal), at: this.#sweepAt() });
    return found.reduce((first, other) => (other.at < first.at ? other : first));
  }

  #listing(): { readonly look: Look; readonly at: number } | undefined {
    const facts = this.#facts();
    const every = listingInterval(facts);
    if (every === Number.POSITIVE_INFINITY) return;
    const since = this.#now() - WATCHED_S;
    const watched = [...this.#watched].flatMap(([inode, looked]) => {
      const folder = looked.openedAt >= since ? this.#options.view.item(inode) : undefined;
      return folder && (folder.flags & HIDDEN) === 0 ? [{ folder, looked }] : [];
    });
    const latest = watched.at(-1);
    if (!latest) return;
    // If polls miss changes, all recently opened folders are listed in turn. For a trial the last opened one is enough,
    // and it is surely in use.
    const { folder, looked } = facts.pollsMiss
      ? watched.reduce((a, b) => (b.looked.listedAt < a.looked.listedAt ? b : a))
      : latest;
    const look = async (signal: AbortSignal): Promise<void> => {
      this.#listedAt = looked.listedAt = this.#now();
      await this.#options.looks.list(folder, signal);
    };
    return { look, at: Math.max(this.#listedAt, looked.listedAt) + every };
  }

  #subtreeToFill(): Subtree | undefined {
    if (this.#subtree) return this.#subtree;
    const folder = this.#options.view.someUnlisted((id) => this.#isRefused(id));
    return folder && this.#options.looks.subtree(folder);
  }

  async #fill(subtree: Subtree, signal: AbortSignal): Promise<void> {
    this.#subtree = subtree;
    try {
      if (!(await subtree.step({ class: 'background', signal }))) return;
      this.#subtree = undefined;
      const { view } = this.#options;
      const folder = view.item(subtree.folder.inode);
      if (folder && (folder.flags & HIDDEN) === 0 && !view.isListed(folder.remoteId))
        this.#refused.set(folder.remoteId, this.#now());
    } catch (error) {
      this.#subtree = undefined;
      throw error;
    }
  }

  /** Whether the folder is visible, but its content was refused a while ago. */
  #isRefused(id: RemoteId): boolean {
    const at = this.#refused.get(id);
    if (at === undefined) return false;
    if (this.#now() - at < REFUSED_S) return true;
    this.#refused.delete(id);
    return false;
  }

  #sweepAt(): number {
    const { sweep } = this.#options.looks;
    if (sweep.isUnderWay) return this.#sweptAt + SWEEP_PAGE_S;
    const done = sweep.doneAt;
    const polled = this.#options.view.number('poll.at') ?? 0;
    const rest = done === undefined ? 0 : SWEEP_AGAIN_S - (polled - done);
    return Math.max(this.#sweptAt + SWEEP_PAGE_S, this.#now() + rest);
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    this.#sweptAt = this.#now();
    await this.#options.looks.sweep.step({ class: 'background', signal });
  }

  #interval(): number {
    return pollInterval(this.#facts());
  }

  #facts(): PollFacts {
    const { view, fixed } = this.#options;
    const missed = view.number(POLLS_MISS);
    const pollsMiss = missed !== undefined && (view.number('poll.at') ?? 0) - missed < MISS_COUNTS_S;
    return { idle: this.idle, pollsMiss, fixed, wanted: this.#wanted() };
  }

  #wanted(): number | undefined {
    const now = this.#now();
    for (const [job, { until }] of this.#jobs) if (until < now) this.#jobs.delete(job);
    const all = [...this.#jobs.values()].map(({ every }) => every);
    return all.length === 0 ? undefined : Math.min(...all);
  }

  #now(): number {
    return this.#options.clock.monotonic() / 1000;
  }
}
