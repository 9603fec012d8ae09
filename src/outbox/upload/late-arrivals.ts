import type { Clock } from '../../base/clock.js';
import type { ProjectId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import type { CallOptions } from '../../budget/calls.js';
import { altered, type Change, nextSequence } from '../../mirror/database/changes.js';
import { DELETED, HIDDEN } from '../../mirror/database/flags.js';
import type { MirrorStore } from '../../mirror/database/store.js';
import type { Item } from '../../mirror/database/view.js';
import type { Removals } from '../../mirror/removal.js';
import { linuxNames } from '../../names/linux.js';
import type { ProcoreClient } from '../../procore/client.js';
import type { RemoteVersion } from '../../procore/items.js';
import type { OwnWork } from '../../procore/own-versions.js';
import { tombstone, untouched } from '../intents/changes.js';
import { type Intent, NO_REMOTE, needsPerson, placed } from '../intents/intent.js';
import { type LateCall, mayBeOf, PEOPLE } from '../intents/late-calls.js';
import type { Outbox } from '../outbox.js';
import { keepBeside } from './version-beside.js';

export interface LateArrivalsOptions {
  readonly outbox: Outbox;
  readonly store: MirrorStore;
  readonly ownWork: OwnWork;
  readonly removals: Removals;
  readonly client: ProcoreClient;
  readonly project: ProjectId;
  readonly log: Log;
}

/** Pauses before the retries of a check that failed, milliseconds. */
const PAUSES = [5000, 30_000, 120_000, 600_000];

/**
 * Undoes what our own calls do late, after their purpose was achieved in another way or discarded. A file created late
 * is deleted like any file deleted here. A version created late is covered by the version before it. A deletion carried
 * out late is undone if it took something unseen. A version or file counts as ours only once its bytes prove it.
 */
export class LateArrivals {
  readonly #options: LateArrivalsOptions & Pick<Outbox, 'late'>;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #call: CallOptions = { class: 'background', signal: this.#stop.signal };
  readonly #again = new Set<Promise<void>>();
  #work: Promise<void> = Promise.resolve();

  constructor(options: LateArrivalsOptions) {
    this.#options = { ...options, late: options.outbox.late };
    this.#clock = options.outbox.clock;
  }

  /** Checks items that have already appeared and could not be checked before the daemon last ended. */
  start(): void {
    const { late, outbox } = this.#options;
    const { view } = outbox.tree;
    for (const { remoteId, parentId, name } of late.all()) {
      const folder = remoteId === NO_REMOTE ? view.byRemoteId(parentId) : undefined;
      const item = folder ? view.child(folder, linuxNames.encode(name)) : view.byRemoteId(remoteId);
      if (item) this.#look(item);
    }
  }

  /** Checks items that appeared or disappeared. Does nothing while no call may come late. */
  seen(changes: readonly Change[]): void {
    const { late, outbox } = this.#options;
    if (late.size === 0) return;
    for (const { inode } of changes) {
      const item = outbox.tree.view.item(inode);
      if (item) this.#look(item);
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#again);
    await this.#work;
  }

  #look(item: Item): void {
    const { late } = this.#options;
    if ((item.flags & HIDDEN) !== 0) {
      if ((item.flags & DELETED) !== 0 && late.removals(item.remoteId).length > 0) this.#later(item, this.#bringBack);
    } else if (item.isFile && item.versionNumber === 1) {
      if (this.#creationsOf(item).length > 0 && !this.#isWanted(item)) this.#later(item, this.#remove);
    } else if (item.isFile && !this.#isChanged(item)) {
      const own = this.#options.outbox.intents.ofRemote(item.remoteId);
      const isHeld = own !== undefined && isLeftAlone(own);
      if (!isHeld && this.#options.late.versionsLike(item).length > 0) this.#later(item, this.#uncover);
      else if (this.#coverableOf(item).length > 0) this.#later(item, this.#keepCovered);
    }
  }

  #later(item: Item, work: (item: Item) => Promise<void>, tries = 0): void {
    this.#work = this.#work
      .then(() => work(item))
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        const pause = PAUSES[tries];
        this.#options.log.warn({ error, path: item.name }, 'what a late call may have done could not be looked at');
        if (pause === undefined) return;
        const again = this.#clock
          .sleep(pause, this.#stop.signal)
          .then(() => this.#later(item, work, tries + 1))
          // `close` has aborted the pause.
          .catch(() => undefined)
          .finally(() => this.#again.delete(again));
        this.#again.add(again);
      });
  }

  #creationsOf({ parentId, remoteName, remoteId }: Item): LateCall[] {
    return this.#options.late.creations(parentId, remoteName, PEOPLE).filter(mayBeOf(remoteId));
  }

  /** Calls whose version may be covered by the current one. */
  #coverableOf({ remoteId, versionNumber }: Item): LateCall[] {
    return this.#options.late.versions(remoteId, PEOPLE).filter(({ baseNumber }) => versionNumber > baseNumber + 1);
  }

  /**
   * An intent concerns the item, or a new file is about to be sent to its place and will recognize the item as its own.
   */
  #isWanted(item: Item): boolean {
    const { intents, tree } = this.#options.outbox;
    if (intents.ofRemote(item.remoteId) || intents.get(item.inode)) return true;
    const folder = tree.view.parent(item)?.inode;
    if (folder === undefined) return true;
    if (intents.creationsInDoubt(folder, item.remoteName).length > 0) return true;
    return intents.child(folder, item.name)?.remoteId === NO_REMOTE;
  }

  /**
   * Whether the item's intent checks for late versions itself, since it sends content or a deletion. A move does not,
   * nor does an intent that waits for a user.
   */
  #isChanged({ remoteId }: Item): boolean {
    const own = this.#options.outbox.intents.ofRemote(remoteId);
    if (own === undefined || isLeftAlone(own)) return false;
    return own.deleted || own.content.dirty || own.content.staged || own.attempt.goal?.upload !== undefined;
  }

  readonly #remove = async (seen: Item): Promise<void> => {
    const { outbox, late, ownWork, client, project, log } = this.#options;
    const { version, ...file } = await client.file(project, seen.remoteId, this.#call);
    for (const one of this.#creationsOf(seen)) {
      if (version?.number !== 1 || !(await ownWork.isOurs(file, version, one.digests, this.#call))) continue;
      const item = outbox.tree.item(seen.inode);
      if (!item || this.#isWanted(seen) || item.versionId !== version.id || (item.flags & HIDDEN) !== 0) return;
      const now = this.#clock.now();
      outbox.intents.put(tombstone(item.inode, untouched(item, now, 'procorefs'), now));
      late.forget(one);
      log.warn({ path: item.name }, 'a call that was given up made a file after all; it is deleted');
      outbox.events.emit('changed');
      return;
    }
  };

  /** Covers a late version with the one before it. 1 call, and 2 where the version is ours. */
  readonly #uncover = async (seen: Item): Promise<void> => {
    const { late, ownWork, client, project } = this.#options;
    const unused = new Set(this.#options.late.versionsLike(seen));
    const { version, ...file } = await client.file(project, seen.remoteId, this.#call);
    const take = async (of: RemoteVersion): Promise<LateCall | undefined> => {
      for (const one of unused)
        if (of.number > one.baseNumber && (await ownWork.isOurs(file, of, one.digests, this.#call))) {
          unused.delete(one);
          return one;
        }
      return undefined;
    };
    const top = version && (await take(version));
    if (!version || !top) return this.#keepCovered(seen);
    for (const one of late.versions(seen.remoteId, PEOPLE)) if (one.at !== top.at) unused.add(one);
    const earlier = (await client.versions(project, seen.remoteId, this.#call))
      .filter(({ number }) => number < version.number)
      .sort((a, b) => b.number - a.number);
    let covered: RemoteVersion | undefined;
    for (const one of earlier) {
      covered = one;
      if (!(await take(one))) break;
    }
    // If the content was sent again meanwhile, the version below has the same content.
    if (
      covered &&
      !(await ownWork.isOurs(file, covered, top.digests, this.#call)) &&
      !this.#putOver(seen, version, covered)
    )
      return;
    late.forget(top);
  };

  /**
   * If another user saved over a version that came late, a version that the late one covered unseen is kept beside. 1
   * call.
   */
  readonly #keepCovered = async (seen: Item): Promise<void> => {
    const { outbox, late, ownWork, client, project, log } = this.#options;
    const calls = this.#coverableOf(seen);
    if (calls.length === 0) return;
    const file = { id: seen.remoteId, name: seen.remoteName };
    const versions = await client.versions(project, file.id, this.#call);
    // Which call made which version: each made one at most.
    const own = new Map<number, LateCall>();
    const left = new Set(calls);
    for (const version of versions.toSorted((a, b) => a.number - b.number))
      for (const one of left)
        if (mayBeOf(version.number)(one) && (await ownWork.isOurs(file, version, one.digests, this.#call))) {
          own.set(version.number, one);
          left.delete(one);
          break;
        }
    const item = outbox.tree.item(seen.inode);
    if (!item || this.#isChanged(seen)) return;
    for (const [number, one] of own) {
      if (!late.versions(file.id, PEOPLE).some(({ at }) => at === one.at)) continue;
      late.forget(one);
      // The author of the version right below had seen those below that one.
      const below = versions.filter((other) => other.number < number).sort((a, b) => b.number - a.number)[0];
      if (!below || below.number <= one.baseNumber || own.has(below.number)) continue;
      keepBeside(below, untouched(item, this.#clock.now(), 'procorefs'), this.#options);
      log.warn({ path: item.name }, 'a call that was given up had covered a version; that one is kept beside');
      outbox.events.emit('changed');
    }
    // What the others still make comes after that.
    const last = Math.max(0, ...own.keys());
    const later = late.versions(file.id, PEOPLE).filter(({ baseNumber }) => baseNumber < last);
    late.passed(later, last);
  };

  /** Makes the covered version the next version. False if the item has changed again. */
  #putOver(seen: Item, late: RemoteVersion, covered: RemoteVersion): boolean {
    const { outbox, log } = this.#options;
    const item = outbox.tree.item(seen.inode);
    if (
      !item ||
      this.#isChanged(seen) ||
      item.versionId !== late.id ||
      this.#options.late.versionsLike(item).length === 0
    )
      return false;
    const now = this.#clock.now();
    const known = outbox.intents.get(item.inode);
    if (known && isLeftAlone(known)) return false;
    const before = known ?? untouched(item, now, 'procorefs');
    const from = { item: seen.remoteId, version: covered.id };
    const intent: Intent = {
      ...before,
      here: { ...before.here, size: covered.size, mtime: covered.createdAt },
      base: { ...before.base, version: late.id, number: late.number, size: late.size },
      content: { ...before.content, ...from, dirty: true, flushed: true },
      changedAt: now,
      sequence: nextSequence(item.sequence),
    };
    outbox.intents.put(intent);
    log.warn(
      { path: item.name },
      'a call that was given up saved a version after all; the one before it is put over it',
    );
    outbox.tree.tell([altered(placed(intent), item.sequence)]);
    outbox.events.emit('changed');
    return true;
  }

  /** As after any deletion: see `Removals.compare`. */
  readonly #bringBack = async (seen: Item): Promise<void> => {
    const { outbox, late, removals, log } = this.#options;
    const [one] = late.removals(seen.remoteId);
    const item = outbox.tree.view.byRemoteId(seen.remoteId);
    if (!one?.removal || !item || (item.flags & DELETED) === 0) return;
    // The item has a deletion intent: its send makes the comparison.
    if (outbox.intents.ofRemote(item.remoteId)?.deleted) return;
    const { time, version } = one.removal;
    const isSeen = (of: { id: number; version: number }): boolean => of.id === item.remoteId && of.version === version;
    const sent = { reply: undefined, inDoubt: true };
    const went = await removals.compare(item, sent, { time, binned: undefined }, isSeen, this.#call);
    if (went) return;
    // The late call stays recorded: this may have been another user's deletion, and ours may still come.
    log.warn(
      { path: item.name },
      'a deletion that was given up was carried out after all; what it took is brought back',
    );
  };
}

/** The intent waits for a user's decision and is not sent until then. */
const isLeftAlone = (intent: Intent): boolean => needsPerson(intent) && !intent.attempt.goal;
