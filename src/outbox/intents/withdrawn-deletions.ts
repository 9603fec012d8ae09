import type { Clock } from '../../base/clock.js';
import type { Inode, RemoteId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import type { Database, Statement } from '../../database/open.js';
import { type Change, moved } from '../../mirror/database/changes.js';
import { HIDDEN } from '../../mirror/database/flags.js';
import type { Item } from '../../mirror/database/view.js';
import type { Tree } from '../tree/tree.js';
import { nameBeside } from '../upload/conflict-name.js';
import { type Intent, NO_INODE, NO_REMOTE, placed, renamedTo } from './intent.js';
import type { Intents } from './intents.js';

export interface WithdrawnDeletionsOptions {
  readonly tree: Tree;
  readonly intents: Intents;
  readonly log: Log;
  readonly clock: Clock;
}

/** Of `KeptItem`: the deletion was not carried out. */
export const WITHDRAWN = 'withdrawn';

/** A deletion that was not carried out, or what a call did late, as `uploads` lists it for a day. */
export interface KeptItem {
  readonly inode: Inode;
  readonly path: string;
  /** `WITHDRAWN`, or what the late call did. */
  readonly what: string;
  readonly why: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export const NEWER_VERSION = 'somebody else saved a newer version meanwhile: it was not deleted';
export const SOMETHING_NEW = 'somebody else put or changed something in it meanwhile: it was not deleted';

/** Milliseconds for which `uploads` lists it. */
const SHOWN_MS = 24 * 3_600_000;

/**
 * Deletions that are not carried out, since the server has something that the deleting user had not seen; and what calls
 * did late.
 */
export class WithdrawnDeletions {
  readonly #options: WithdrawnDeletionsOptions;
  readonly #put: Statement<[number, number, string, string, string, number]>;
  readonly #all: Statement<[number], KeptItem>;
  readonly #forget: Statement<[number, number]>;

  constructor(db: Database, options: WithdrawnDeletionsOptions) {
    this.#options = options;
    this.#put = db.prepare(
      'INSERT OR REPLACE INTO kept (remote_id, inode, path, what, why, at) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#all = db.prepare('SELECT inode, path, what, why, at FROM kept WHERE at > ? ORDER BY at DESC LIMIT 100');
    this.#forget = db.prepare('DELETE FROM kept WHERE remote_id = ? OR at <= ?');
  }

  /** Those of the last day. */
  list(): readonly KeptItem[] {
    return this.#all.all(this.#options.clock.now() - SHOWN_MS);
  }

  /** The item is deleted now. */
  forget(id: RemoteId): void {
    this.#forget.run(id, this.#options.clock.now() - SHOWN_MS);
  }

  /** Tells what a call did late, once. */
  tell({ remoteId, inode }: Pick<Item, 'remoteId' | 'inode'>, path: string, what: string, why: string): void {
    const { log, clock } = this.#options;
    if (this.list().some((one) => one.inode === inode && one.what === what && one.why === why)) return;
    log.warn({ path, what }, why);
    this.#put.run(remoteId, inode, path, what, why, clock.now());
  }

  /**
   * Withdraws deletions: the items show again, with the folders that they are in. An item that took the place of one
   * meanwhile gets a name beside it. Returns the resulting changes in the tree.
   */
  keep(deletions: readonly Intent[]): Change[] {
    const { intents, tree, log, clock } = this.#options;
    const why = new Map<Inode, string>();
    for (const { folder, inode, base } of deletions) {
      why.set(inode, folder ? SOMETHING_NEW : NEWER_VERSION);
      for (let at = intents.get(base.parent); at?.deleted && !why.has(at.inode); at = intents.get(at.base.parent))
        if (at.state !== 'uploading') why.set(at.inode, SOMETHING_NEW);
    }
    const changes: Change[] = [];
    for (const [inode, reason] of why) {
      const deletion = intents.get(inode);
      if (!deletion?.deleted) continue;
      const path = tree.pathOf(deletion.base);
      log.warn({ path }, reason);
      const item = tree.view.byRemoteId(deletion.remoteId);
      const beside = this.#asideFor(item, inode);
      intents.change(beside ? [beside.intent] : [], [inode]);
      if (beside) changes.push(beside.change);
      this.#put.run(deletion.remoteId, item?.inode ?? inode, path, WITHDRAWN, reason, clock.now());
      const parent = item && (item.flags & HIDDEN) === 0 ? tree.view.parent(item)?.inode : deletion.base.parent;
      const after =
        parent === undefined || parent === NO_INODE ? undefined : { parent, name: item?.name ?? deletion.base.name };
      changes.push({ inode: item?.inode ?? inode, before: undefined, after, replacedSequence: undefined });
    }
    return changes;
  }

  /** If another server item is to move to this place: the intent that gives it a conflict name instead. */
  #asideFor(item: Item | undefined, deletion: Inode): { readonly intent: Intent; readonly change: Change } | undefined {
    const { intents, tree, clock, log } = this.#options;
    const folder = item && tree.view.parent(item);
    const other = folder && intents.child(folder.inode, item.name);
    if (!other || other.inode === deletion || other.remoteId === NO_REMOTE || other.remoteId === item.remoteId)
      return undefined;
    const name = nameBeside(other.here.name, folder.inode, { tree, clock });
    const intent: Intent = { ...renamedTo(other, name), changedAt: clock.now() };
    log.warn({ path: tree.pathOf(intent.here) }, 'what it was to replace is kept: it stands beside it');
    return { intent, change: moved(placed(other), placed(intent)) };
  }
}
