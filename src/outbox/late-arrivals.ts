import type { ProjectId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { Change } from '../mirror/changes.js';
import { HIDDEN } from '../mirror/flags.js';
import type { Item } from '../mirror/view.js';
import type { ProcoreClient } from '../procore/client.js';
import type { OwnWork } from '../procore/own-work.js';
import { tombstone, untouched } from './changes.js';
import { NO_REMOTE } from './intent.js';
import type { LateCall, LateCalls } from './late.js';
import type { Outbox } from './outbox.js';

export interface LateArrivalsOptions {
  readonly outbox: Outbox;
  readonly late: LateCalls;
  readonly ownWork: OwnWork;
  readonly client: ProcoreClient;
  readonly project: ProjectId;
  readonly log: Log;
}

/**
 * Files that a call of ours makes after all, when what it was for is done in another way: deleted here, or made under
 * another name. Nobody wants them. One goes as any deletion here goes, once its bytes have proved to be ours.
 */
export class LateArrivals {
  readonly #o: LateArrivalsOptions;
  readonly #stop = new AbortController();
  #work: Promise<void> = Promise.resolve();

  constructor(options: LateArrivalsOptions) {
    this.#o = options;
  }

  /** Looks at what has come into sight; nothing while no call may come late. */
  seen(changes: readonly Change[]): void {
    const { late, outbox, log } = this.#o;
    if (late.size === 0) return;
    for (const { inode, after } of changes) {
      const item = after && outbox.tree.view.item(inode);
      const calls =
        item?.isFile && item.versionNumber === 1
          ? late.creations(item.parentId, item.remoteName).filter(({ job }) => !job)
          : [];
      if (!item || calls.length === 0 || this.#isWanted(item)) continue;
      this.#work = this.#work
        .then(() => this.#remove(item, calls))
        .catch((error: unknown) => {
          if (!this.#stop.signal.aborted)
            log.warn(
              { error, path: item.name },
              'a file that a late call may have made stays: it could not be looked at',
            );
        });
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  /** Somebody speaks for it, or is about to come to its place and will know it for what it is. */
  #isWanted(item: Item): boolean {
    const { intents, tree } = this.#o.outbox;
    if (intents.ofRemote(item.remoteId) || intents.get(item.inode)) return true;
    const folder = tree.view.parent(item)?.inode;
    if (folder === undefined) return true;
    if (intents.creationsInDoubt(folder, item.remoteName).length > 0) return true;
    return intents.child(folder, item.name)?.remoteId === NO_REMOTE;
  }

  async #remove(seen: Item, calls: readonly LateCall[]): Promise<void> {
    const { outbox, late, ownWork, client, project, log } = this.#o;
    const call = { class: 'background', signal: this.#stop.signal } as const;
    const { version, ...file } = await client.file(project, seen.remoteId, call);
    for (const one of calls) {
      if (version?.number !== 1 || !(await ownWork.isOurs(file, version, one.digests, call))) continue;
      const item = outbox.tree.item(seen.inode);
      if (!item || this.#isWanted(seen) || item.versionId !== version.id || (item.flags & HIDDEN) !== 0) return;
      const now = outbox.clock.now();
      outbox.intents.put(tombstone(item.inode, untouched(item, now, 'procorefs'), now));
      late.forget(one);
      log.warn({ path: item.name }, 'a call that was given up made a file after all; it is deleted');
      outbox.events.emit('changed');
      return;
    }
  }
}
