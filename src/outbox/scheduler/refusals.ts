import { LRUCache } from 'lru-cache';
import type { Inode } from '../../base/ids.js';
import { READ_ONLY } from '../../mirror/database/flags.js';
import { uploadOf } from '../intents/attempt.js';
import { type Intent, NO_INODE, NO_REMOTE } from '../intents/intent.js';
import type { Outbox } from '../outbox.js';

/** Milliseconds between tries in a folder that refused a change. */
const QUARTER_MS = 15 * 60_000;
/**
 * The first `PROMPT_TRIES` tries come 15 minutes apart. Several changes can be in progress at the first refusal, and a
 * try can cost two calls. So later tries wait up to `MOST_EXTRA` intervals more, until the average is one call per
 * interval.
 */
const PROMPT_TRIES = 4;
const MOST_EXTRA = 2;
/**
 * Every so many tries one takes a change that was never tried, since another change may not be refused for the same
 * reason.
 */
const UNTRIED_EVERY = 4;
/** Refusals in a row after which the folder no longer counts as accepting changes of that kind. */
const STREAK = 3;
/** Milliseconds until the next check where nothing can be tried now. */
const CHECK_INTERVAL_MS = 60_000;
/** Milliseconds for which a folder's ancestors are cached: all waiting changes are examined at once. */
const CHAIN_KNOWN_MS = 1000;
/** Number of folders whose ancestors are cached. */
const CHAINS = 1000;
/** Limit of a folder's depth: more is a cycle. */
const MOST_FOLDERS = 1000;

export const REFUSED_REASON =
  'Procore refused a change in this folder: every 15 minutes one is tried, and once that goes all do';

/** A folder in which the server refused a change. */
interface Refused {
  /** When the next change is tried, milliseconds since the epoch. */
  until: number;
  /** Time of the last refusal: milliseconds since the epoch by this machine's clock, and by the monotonic clock. */
  at: number;
  tick: number;
  /** Time of the first refusal, likewise. */
  readonly firstAt: number;
  readonly firstTick: number;
  calls: number;
  tries: number;
  /** The change that is being tried. */
  probe: Inode | undefined;
  readonly tried: Set<Inode>;
  /** Kinds of change that were refused, with the number of refusals since one was accepted. */
  readonly refused: Map<string, number>;
  /** Kinds of change that were accepted since. */
  readonly taken: Set<string>;
  readonly waiting: Set<Inode>;
}

/**
 * A change that the server does not permit, or has no folder for, costs one call per 15 minutes for the folder and all
 * below it, however many changes wait there: one change is tried, and once it succeeds all are sent. Other folders are
 * not affected. Not kept across a restart, which costs one more round.
 */
export class Refusals {
  readonly #outbox: Outbox;
  readonly #folders = new Map<Inode, Refused>();
  readonly #chains = new LRUCache<Inode, { readonly at: number; readonly folders: readonly Inode[] }>({ max: CHAINS });

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  /** The refusal that holds a change back. */
  of(intent: Intent): Refused | undefined {
    if (this.#folders.size === 0) return undefined;
    const refused = this.#nearest(intent);
    if (!refused || !waits(intent, refused)) return undefined;
    refused.waiting.add(intent.inode);
    return refused;
  }

  /** Whether a refusal at `tick` of the monotonic clock, or later, holds a change back. */
  isRefusedSince(intent: Intent, tick: number): boolean {
    const refused = this.of(intent);
    return refused !== undefined && refused.tick >= tick;
  }

  /** When the next change is to be tried, milliseconds since the epoch. */
  get nextAt(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { until, probe } of this.#folders.values()) if (probe === undefined) next = Math.min(next, until);
    return next;
  }

  /** One change of each folder whose next try is due. @param canGo whether nothing else holds the change back */
  *due(now: number, canGo: (intent: Intent) => boolean): Generator<Intent> {
    for (const [folder, refused] of this.#folders) {
      if (refused.probe !== undefined || refused.until > now) continue;
      const waiting = this.#waiting(refused);
      const probe = waiting.sort(before(refused)).find(canGo);
      if (probe) {
        refused.probe = probe.inode;
        yield probe;
      } else if (waiting.length > 0) refused.until = now + CHECK_INTERVAL_MS;
      else this.#folders.delete(folder);
    }
  }

  /** The server refused a change. @param after the same change with what the attempt recorded */
  refused(intent: Intent, after: Intent | undefined): void {
    const { clock } = this.#outbox;
    const [now, tick] = [clock.now(), clock.monotonic()];
    const refused = this.#nearest(intent) ?? this.#close(this.#folderOf(intent), now, tick);
    if (refused.probe === intent.inode) refused.tries++;
    refused.calls += callsOf(intent, after);
    refused.tried.add(intent.inode);
    const kind = kindOf(intent);
    const streak = (refused.refused.get(kind) ?? 0) + 1;
    refused.refused.set(kind, streak);
    if (streak >= STREAK) refused.taken.delete(kind);
    refused.at = now;
    refused.tick = tick;
    const paid = Math.floor((tick - refused.firstTick) / QUARTER_MS);
    const owed = Math.min(MOST_EXTRA, Math.max(0, refused.calls - paid));
    refused.until = now + QUARTER_MS * (1 + (refused.tries < PROMPT_TRIES ? 0 : owed));
  }

  /** The server accepted a change. */
  taken(intent: Intent): void {
    if (this.#folders.size === 0) return;
    const own = this.#folders.get(intent.inode);
    if (own && intent.remoteId === NO_REMOTE) this.#free(intent.inode, own);
    for (const folder of this.#above(folderOf(intent))) {
      const refused = this.#folders.get(folder);
      if (!refused) continue;
      if (refused.tried.has(intent.inode)) this.#free(folder, refused);
      else {
        const kind = kindOf(intent);
        refused.taken.add(kind);
        if (refused.refused.has(kind)) refused.refused.set(kind, 0);
        // A success shows that more changes may succeed: the next one is tried at once.
        if (refused.probe === intent.inode) refused.until = this.#outbox.clock.now();
        this.#touch(refused);
      }
    }
  }

  /** The try of a change has ended. */
  ended(inode: Inode): void {
    for (const refused of this.#folders.values()) if (refused.probe === inode) refused.probe = undefined;
  }

  /** A caller waits: one change of each folder is tried now. */
  tryNow(): void {
    for (const refused of this.#folders.values()) refused.until = this.#outbox.clock.now();
  }

  /** Ends the refusal for the whole folder of a change that a user retries. */
  forget(intent: Intent): void {
    for (const folder of this.#above(folderOf(intent))) {
      const refused = this.#folders.get(folder);
      if (refused) this.#free(folder, refused);
    }
  }

  #free(folder: Inode, refused: Refused): void {
    this.#folders.delete(folder);
    this.#touch(refused);
  }

  #touch(refused: Refused): void {
    for (const inode of refused.waiting) this.#outbox.intents.touch(inode);
  }

  #waiting(refused: Refused): Intent[] {
    return [...refused.waiting].flatMap((inode) => {
      const intent = this.#outbox.intents.get(inode);
      if (intent && this.of(intent) === refused) return [intent];
      refused.waiting.delete(inode);
      return [];
    });
  }

  /** Records the folder as refusing. The records of folders below it are merged into its record. */
  #close(folder: Inode, now: number, tick: number): Refused {
    const below = [...this.#folders].filter(([other]) => this.#above(other).includes(folder));
    const all = below.map(([, refused]) => refused);
    for (const [other, refused] of below) this.#free(other, refused);
    const refused: Refused = {
      ...{ until: now, at: now, tick, firstAt: now, tries: 0, probe: undefined, taken: new Set<string>() },
      firstTick: Math.min(tick, ...all.map(({ firstTick }) => firstTick)),
      calls: all.reduce((sum, { calls }) => sum + calls, 0),
      tried: new Set(all.flatMap(({ tried }) => [...tried])),
      refused: new Map(all.flatMap(({ refused }) => [...refused])),
      waiting: new Set<Inode>(),
    };
    this.#folders.set(folder, refused);
    return refused;
  }

  #nearest(intent: Intent): Refused | undefined {
    for (const folder of this.#above(folderOf(intent))) {
      const refused = this.#folders.get(folder);
      if (refused) return refused;
    }
    return undefined;
  }

  /**
   * The folder for which the refusal holds: the change's folder, or the highest above it that the server says is
   * read-only.
   */
  #folderOf(intent: Intent): Inode {
    const { view } = this.#outbox.tree;
    const own = folderOf(intent);
    return this.#above(own).findLast((folder) => ((view.item(folder)?.flags ?? 0) & READ_ONLY) !== 0) ?? own;
  }

  /** The folder and those above it, lowest first. */
  #above(folder: Inode): readonly Inode[] {
    const now = this.#outbox.clock.monotonic();
    const known = this.#chains.get(folder);
    if (known && now - known.at < CHAIN_KNOWN_MS) return known.folders;
    const folders = this.#lookAbove(folder);
    this.#chains.set(folder, { at: now, folders });
    return folders;
  }

  #lookAbove(folder: Inode): Inode[] {
    const { intents, tree } = this.#outbox;
    const found: Inode[] = [];
    for (let at: Inode | undefined = folder; at !== undefined && found.length < MOST_FOLDERS; ) {
      found.push(at);
      const item = tree.view.item(at);
      at = intents.get(at)?.here.parent ?? (item && tree.view.parent(item)?.inode);
    }
    return found;
  }
}

/** The folder in which a change is made. */
const folderOf = ({ deleted, here, base }: Intent): Inode =>
  deleted && base.parent !== NO_INODE ? base.parent : here.parent;

function kindOf({ deleted, remoteId, folder, content }: Intent): string {
  if (deleted) return 'deletion';
  if (remoteId === NO_REMOTE) return folder ? 'new folder' : 'new file';
  return content.dirty ? 'version' : 'place';
}

/**
 * Whether a change waits: it was refused itself, or no change of its kind was accepted since, or its kind is both
 * refused and accepted. In the last case only changes made after the first refusal are sent at once; older ones wait
 * for their turn.
 */
function waits(intent: Intent, { tried, taken, refused, firstAt }: Refused): boolean {
  const kind = kindOf(intent);
  return tried.has(intent.inode) || !taken.has(kind) || (refused.has(kind) && intent.changedAt <= firstAt);
}

/** API calls of a refused attempt: the lookup of a known item, the announcement of an upload, and the change itself. */
function callsOf(intent: Intent, after: Intent | undefined): number {
  if (!intent.content.dirty) return intent.deleted && intent.folder ? 2 : 1;
  const isAnnounced = uploadOf(intent) === undefined && after !== undefined && uploadOf(after) !== undefined;
  return 1 + Number(isAnnounced) + Number(intent.remoteId !== NO_REMOTE);
}

/**
 * The order of tries: changes made since the last refusal, newest first; then changes of a kind that was not refused;
 * then changes that were tried, since their content is uploaded; then untried ones. In every `UNTRIED_EVERY`th try the
 * untried precede the tried.
 */
function before({ at, refused, tried, tries }: Refused): (a: Intent, b: Intent) => number {
  const isTurnOfNew = tries % UNTRIED_EVERY === UNTRIED_EVERY - 1;
  const isNew = ({ state, changedAt }: Intent): boolean => state !== 'failed' && changedAt > at;
  const rank = (intent: Intent): number => {
    if (isNew(intent)) return 0;
    if (!refused.has(kindOf(intent))) return 1;
    return tried.has(intent.inode) === isTurnOfNew ? 3 : 2;
  };
  return (a, b) => rank(a) - rank(b) || (isNew(a) ? b.changedAt - a.changedAt : a.since - b.since);
}
