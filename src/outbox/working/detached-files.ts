import type { Clock } from '../../base/clock.js';
import type { Log } from '../../base/log.js';
import { appeared } from '../../mirror/database/changes.js';
import { HIDDEN } from '../../mirror/database/flags.js';
import { made } from '../intents/changes.js';
import { type Intent, NO_REMOTE } from '../intents/intent.js';
import type { Intents } from '../intents/intents.js';
import type { Tree } from '../tree/tree.js';
import { freeConflictName } from '../upload/conflict-name.js';
import { who } from '../who.js';
import type { Staging } from './staging.js';
import type { StaysLocal } from './stays-local.js';
import type { WorkingFile } from './working-file.js';

export interface DetachedFilesOptions {
  readonly tree: Tree;
  readonly intents: Intents;
  readonly staging: Staging;
  readonly staysLocal: StaysLocal;
  readonly log: Log;
  readonly clock: Clock;
}

/**
 * Working files that programs have open while the server got another version of them, or lost them. A new open gets the
 * current content. What is still written to a detached file becomes a file of its own.
 */
export class DetachedFiles {
  readonly #options: DetachedFilesOptions;

  constructor(options: DetachedFilesOptions) {
    this.#options = options;
  }

  /** Whether the item now has other content than this working file began with, has another inode, or is gone. */
  isOutdated(file: WorkingFile): boolean {
    const { tree, intents } = this.#options;
    const intent = intents.get(file.inode);
    if (file.detachedPlace || file.isUnlinked || intent?.deleted) return false;
    if (intent) {
      const isOwn = intent.staged || intent.dirty || intent.contentItem !== NO_REMOTE;
      return !isOwn && intent.baseVersion !== file.madeFrom;
    }
    const item = tree.view.item(file.inode);
    return item === undefined || (item.flags & HIDDEN) !== 0 || item.versionId !== file.madeFrom;
  }

  /**
   * Detaches a working file: programs that have it open keep it, under an inode of its own. It is not in the tree
   * unless a program writes to it.
   */
  put(file: WorkingFile): void {
    const { tree, intents, staging } = this.#options;
    const { inode } = file;
    const here = tree.item(inode);
    const item = here ?? tree.view.item(inode) ?? tree.view.byRemoteId(file.madeOf);
    const parent = here ? here.parent : item && tree.view.parent(item)?.inode;
    const own = intents.newInode();
    if (staging.has(inode)) staging.rename(inode, own);
    file.detach(own, { parent, name: item?.name ?? String(inode) });
  }

  /**
   * Makes what was written to a detached file a file of the tree: beside the original, or in its place if nothing is
   * there.
   */
  record(file: WorkingFile, uid: number): Intent | undefined {
    const { tree, intents, staging, staysLocal, log } = this.#options;
    const { detachedPlace: place, inode } = file;
    const folder = place?.parent === undefined ? undefined : tree.item(place.parent);
    if (!place || !folder) {
      const path = staging.lose(inode, place?.name ?? 'unknown');
      log.error({ path }, 'the folder of what was written is gone; the bytes are in lost+found');
      file.unlinked();
      return undefined;
    }
    const isThere = (name: string): boolean => tree.child(folder, name) !== undefined;
    const isTaken = isThere(place.name);
    const now = this.#options.clock.now();
    const name = isTaken ? freeConflictName(place.name, now, isThere) : place.name;
    const intent = made(inode, folder.inode, name, false, now, who(uid));
    const reason = isTaken ? 'somebody else was faster' : 'it was deleted at the server meanwhile';
    const copy = { ...intent, ...staysLocal.firstState(intent), reason };
    intents.put(copy);
    file.recorded();
    log.warn({ path: tree.pathOf(copy) }, isTaken ? 'a conflict: both versions are kept' : reason);
    tree.tell([appeared(copy)]);
    return copy;
  }
}
