import { isFailure } from '../base/errors.js';
import { bringBack, finish, lookBelow, type Movement } from './away.js';
import { type DetachedFolders, type Leaver, withHiddenPath } from './detached-names.js';
import type { TargetItem, Trash } from './target.js';

/** The operations of a target that `Leaving` needs. */
export interface LeavingTree {
  /** @param withOwn includes items with the target's own names, except parts */
  list(path: string, signal: AbortSignal, withOwn?: boolean): AsyncIterable<TargetItem>;
  stat(path: string, signal: AbortSignal): Promise<TargetItem | undefined>;
  move(from: string, to: string, signal: AbortSignal): Promise<void>;
  makeFolders(path: string, signal: AbortSignal): Promise<void>;
}

/** Detaches items of a target, and moves them into its trash: what is the same for all targets. */
export abstract class Leaving<Tree extends LeavingTree> {
  protected readonly tree: Tree;
  protected readonly movement: Movement = {
    look: (path, signal) => this.look(path, signal),
    move: (from, to, signal) => this.tree.move(from, to, signal),
    makeFolders: (path, signal) => this.tree.makeFolders(path, signal),
  };
  protected abstract readonly detachedFolders: DetachedFolders;

  constructor(tree: Tree) {
    this.tree = tree;
  }

  /** As `Movement.look`. */
  protected abstract look(path: string, signal: AbortSignal): Promise<string | undefined>;
  /** Tells a file from another one, also after a move. */
  protected abstract identityOf(file: TargetItem): unknown;
  /** A free path in the trash, with a note of how long items there are kept. */
  abstract trashPlace(path: string, trash: Trash, signal: AbortSignal): Promise<string>;
  /** A free path in the trash of a day; its folders exist. */
  protected abstract placeFor(path: string, day: string, signal: AbortSignal): Promise<string>;
  /** @throws Failure `target-exists` */
  protected abstract moveToTrash(away: string, place: string, signal: AbortSignal): Promise<void>;

  withHiddenPath<T>(path: string, leaver: Leaver, use: (at: string) => Promise<T>): Promise<T> {
    return withHiddenPath(path, leaver, this.detachedFolders, use);
  }

  /** Handles items that were detached by a process that no longer runs. */
  async finish(path: string, signal: AbortSignal): Promise<void> {
    const finishing = {
      ...this.movement,
      list: (folder: string) => this.tree.list(folder, signal),
      removeFolder: (folder: string) => this.detachedFolders.remove(folder),
      throwAway: async (at: string, former: string, trash: Trash) =>
        this.throwAway(at, former, trash.day, signal, await this.trashPlace(former, trash, signal)),
    };
    await finish(path, finishing, signal);
  }

  /** Moves a detached item into the trash of a day. @param place a path that was free a moment ago */
  async throwAway(away: string, path: string, day: string, signal: AbortSignal, place?: string): Promise<void> {
    for (let to = place, last: string | undefined; ; to = undefined) {
      const free = to ?? (await this.placeFor(path, day, signal));
      try {
        return await this.moveToTrash(away, free, signal);
      } catch (error) {
        // The same path again: a file exists in place of a folder, or the server reports it as free and as taken.
        if (!isFailure(error, 'target-exists') || free === last) throw error;
        last = free;
      }
    }
  }

  /** As `throwAway`; an item that cannot be thrown away is put back. */
  protected async discardTo(away: string, path: string, day: string, signal: AbortSignal, place?: string) {
    try {
      await this.throwAway(away, path, day, signal, place);
    } catch (error) {
      await bringBack(away, path, this.movement);
      throw error;
    }
  }

  protected lookBelow(path: string, signal: AbortSignal, check?: (item: TargetItem) => void): Promise<string> {
    return lookBelow(
      path,
      (below) => this.tree.list(below, signal, true),
      check,
      (file) => this.identityOf(file),
    );
  }
}
