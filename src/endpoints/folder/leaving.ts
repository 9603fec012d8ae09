import type { Stats } from 'node:fs';
import { lstat, mkdir, writeFile as putFile, readdir, rm, rmdir } from 'node:fs/promises';
import { errnoOf, Failure, isFailure } from '../../base/errors.js';
import { bringBack, finish, holdsBack, lookBelow, type Movement, removeSeen, takeAway } from '../away.js';
import { type DetachedFolders, type Leaver, withHiddenPath } from '../detached-names.js';
import { childPath, isAsExpected, isOwn, nameOf, parentOf, TRASH, trashPlace } from '../paths.js';
import {
  type DiscardOptions,
  type Emptied,
  MOUNT_ID,
  type TargetItem,
  type TargetRules,
  type Trash,
} from '../target.js';
import { overdue, trashNoteOf } from '../trash.js';
import { identityOf } from './identity.js';
import { makeAllLike } from './modes.js';
import { emptyingIn } from './remove.js';
import { renameNoReplace } from './rename.js';
import type { FolderRoot, OpenFolder } from './root.js';

/** The operations of a folder target that `FolderLeaving` needs. */
export interface FolderTree {
  /** @param withOwn includes items with the target's own names, except parts */
  list(path: string, signal: AbortSignal, withOwn?: boolean): AsyncIterable<TargetItem>;
  stat(path: string, signal: AbortSignal): Promise<TargetItem | undefined>;
  item(found: Stats, path: string): TargetItem;
  move(from: string, to: string, signal: AbortSignal): Promise<void>;
  makeFolders(path: string, signal: AbortSignal): Promise<void>;
}

/** Detaches items of a folder target, and manages its trash. */
export class FolderLeaving {
  readonly #root: FolderRoot;
  readonly #rules: TargetRules;
  readonly #tree: FolderTree;
  /** Notes that exist in the trash. */
  readonly #noted = new Set<string>();

  constructor(root: FolderRoot, rules: TargetRules, tree: FolderTree) {
    this.#root = root;
    this.#rules = rules;
    this.#tree = tree;
  }

  readonly #movement: Movement = {
    look: (path, signal) => this.#look(path, signal),
    move: (from, to, signal) => this.#tree.move(from, to, signal),
    makeFolders: (path, signal) => this.#tree.makeFolders(path, signal),
  };

  async discard(seen: TargetItem, { isSeen, trash, signal }: DiscardOptions): Promise<void> {
    const { path, folder } = seen;
    const changed = (at = path): Failure => new Failure('target-changed', { target: this.#root.path, path: at });
    const found = await this.#found(path, signal, (item) => {
      const isOne = item === undefined || (item.folder === folder && item.unusable === seen.unusable);
      if (!isOne || (item && !folder && !isAsExpected(item, seen, this.#rules.timeGrain))) throw changed();
    });
    if (!found) return;
    const before = folder
      ? await this.#lookBelow(path, signal, (item) => {
          // A file system mounted there is not part of this folder.
          const isKept = isOwn(item.name) ? holdsBack(item.name, trash !== undefined) : !isSeen!(item);
          if (item.id === MOUNT_ID || isKept) throw changed(item.path);
        })
      : found.identity;
    const place = trash && (await this.trashPlace(path, trash, signal));
    await this.withHiddenPath(path, { seen: before, trash }, async (away) => {
      if (!(await takeAway({ from: path, to: away, seen: before }, this.#movement, changed(), signal))) return;
      if (trash)
        return this.throwAway(away, path, trash.day, place).catch(async (error: unknown) => {
          await bringBack(away, path, this.#movement);
          throw error;
        });
      const emptying = emptyingIn(this.#root, (below) => this.#tree.list(below, signal));
      if (!folder) return emptying.removeFile(away);
      const left = await removeSeen(away, path, isSeen!, emptying);
      if (left === undefined) return;
      await bringBack(away, path, this.#movement);
      throw changed(left);
    });
  }

  readonly #detachedFolders: DetachedFolders = {
    make: (path) => this.#root.folder(parentOf(path), ({ at }) => mkdir(at(nameOf(path)))),
    remove: (path) => this.#root.folder(parentOf(path), ({ at }) => rmdir(at(nameOf(path)))),
  };

  withHiddenPath<T>(path: string, leaver: Leaver, use: (at: string) => Promise<T>): Promise<T> {
    return withHiddenPath(path, leaver, this.#detachedFolders, use);
  }

  /** Handles items that were detached by a process that no longer runs. */
  async finish(path: string, signal: AbortSignal): Promise<void> {
    const finishing = {
      ...this.#movement,
      list: (folder: string) => this.#tree.list(folder, signal),
      removeFolder: (folder: string) => this.#detachedFolders.remove(folder),
      throwAway: async (at: string, former: string, trash: Trash) =>
        this.throwAway(at, former, trash.day, await this.trashPlace(former, trash, signal)),
    };
    await finish(path, finishing, signal);
  }

  async #look(path: string, signal: AbortSignal): Promise<string | undefined> {
    const found = await this.#found(path, signal);
    return found?.folder ? this.#lookBelow(path, signal) : found?.identity;
  }

  #lookBelow(path: string, signal: AbortSignal, check?: (item: TargetItem) => void): Promise<string> {
    return lookBelow(
      path,
      (below) => this.#tree.list(below, signal, true),
      check,
      ({ size, mtime }) => [size, mtime],
    );
  }

  async #found(path: string, signal: AbortSignal, check?: (item: TargetItem | undefined) => void) {
    signal.throwIfAborted();
    try {
      return await this.#root.folder(parentOf(path), async (folder) => {
        const found = await lstatIn(folder, path);
        check?.(found && this.#tree.item(found, path));
        return found && { identity: identityOf(found, this.#root.remote), folder: found.isDirectory() };
      });
    } catch (error) {
      if (isFailure(error, 'target-missing') || isFailure(error, 'target-exists')) return undefined;
      throw error;
    }
  }

  /** A free path in the trash of the item's file system, with a note of how long items there are kept. */
  async trashPlace(path: string, trash: Trash, signal: AbortSignal): Promise<string> {
    const place = await this.#placeFor(path, trash.day, signal);
    const note = trashNoteOf(trash);
    const noted = childPath(this.#topOf(path), note.path);
    if (!this.#noted.has(noted))
      await this.#root.folder(parentOf(noted), ({ at }) =>
        // The note's content is in its name: an existing item with that name, also a link, stays as it is.
        putFile(at(nameOf(noted)), note.text, { flag: 'wx' }).catch((error: unknown) => {
          if (errnoOf(error) !== 'EEXIST') throw error;
        }),
      );
    this.#noted.add(noted);
    return place;
  }

  /** Top folder of the file system that contains an item. */
  #topOf(path: string): string {
    return this.#root.topOf(parentOf(path));
  }

  async #placeFor(path: string, day: string, signal: AbortSignal): Promise<string> {
    const top = this.#topOf(path);
    const below = top === '' ? path : path.slice(top.length + 1);
    const look = (there: string): Promise<TargetItem | undefined> => this.#tree.stat(childPath(top, there), signal);
    const place = childPath(top, await trashPlace(below, day, look));
    if (!(await this.#tree.stat(parentOf(place), signal))) {
      await this.#tree.makeFolders(childPath(top, `${TRASH}/${day}`), signal);
      await makeAllLike(this.#root, parentOf(place), parentOf(path));
    }
    return place;
  }

  /** Moves a detached item into the trash of a day. @param place a path that was free a moment ago */
  async throwAway(away: string, path: string, day: string, place?: string): Promise<void> {
    const { signal } = new AbortController();
    for (let to = place, last: string | undefined; ; to = undefined) {
      const free = to ?? (await this.#placeFor(path, day, signal));
      try {
        return await this.#root.folder(parentOf(away), (from) =>
          this.#root.folder(parentOf(free), ({ at }) => renameNoReplace(from.at(nameOf(away)), at(nameOf(free)))),
        );
      } catch (error) {
        // The same path again: a file exists in place of one of its folders.
        if (!isFailure(error, 'target-exists') || free === last) throw error;
        last = free;
      }
    }
  }

  async emptyTrash(
    options: { readonly today: string; readonly days: number },
    signal: AbortSignal,
  ): Promise<readonly Emptied[]> {
    const emptied: Emptied[] = [];
    for (const top of this.#root.tops) emptied.push(...(await this.#emptyTrashIn(top, options, signal)));
    return emptied;
  }

  async #emptyTrashIn(top: string, options: { readonly today: string; readonly days: number }, signal: AbortSignal) {
    const path = childPath(top, TRASH);
    if ((await this.#tree.stat(path, signal)) === undefined) return [];
    return this.#root.folder(path, async (folder) => {
      const entries = await readdir(folder.at('.'), { withFileTypes: true });
      const over = overdue(
        entries.map((entry) => ({ name: entry.name, folder: entry.isDirectory() })),
        options,
      );
      // Notes are removed last: without them the folder would be kept again.
      for (const { day, hasFolder, notes } of over)
        for (const name of [...(hasFolder ? [day] : []), ...notes]) {
          signal.throwIfAborted();
          await rm(folder.at(name), { recursive: true, force: true });
        }
      const gone = over.filter(({ hasFolder }) => hasFolder);
      return gone.map(({ day, days, jobs }) => ({ day, days, jobs, ...(top === '' ? {} : { top }) }));
    });
  }
}

export async function lstatIn(folder: OpenFolder, path: string): Promise<Stats | undefined> {
  const name = nameOf(path);
  try {
    return await lstat(folder.at(name === '' ? '.' : name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
