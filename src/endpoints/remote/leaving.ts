import { randomBytes } from 'node:crypto';
import { Failure, isFailure } from '../../base/errors.js';
import { bringBack, finish, holdsBack, lookBelow, type Movement, takeAway } from '../away.js';
import { type DetachedFolders, type Leaver, withHiddenPath } from '../detached-names.js';
import { isAsExpected, isOwn, PART_PREFIX, parentOf, TRASH, trashPlace } from '../paths.js';
import type { DiscardOptions, Emptied, TargetItem, Trash, WriteOptions } from '../target.js';
import { overdue, type TrashNote, trashNoteOf } from '../trash.js';
import type { RemoteStorage, StorageEntry } from './storage.js';

/** The operations of a remote target that `RemoteLeaving` needs. */
export interface RemoteTree {
  /** @param withOwn includes items with the target's own names, except parts */
  list(path: string, signal: AbortSignal, withOwn?: boolean): AsyncIterable<TargetItem>;
  stat(path: string, signal: AbortSignal): Promise<TargetItem | undefined>;
  move(from: string, to: string, signal: AbortSignal): Promise<void>;
  makeFolders(path: string, signal: AbortSignal): Promise<void>;
  removeFolder(path: string, signal: AbortSignal): Promise<void>;
  isKnownFolder(path: string): boolean;
  forget(folder: string): void;
  putSmall(path: string, text: string, signal: AbortSignal): Promise<void>;
}

/** Detaches items of a storage, and manages its trash. */
export class RemoteLeaving {
  readonly #storage: RemoteStorage;
  readonly #tree: RemoteTree;
  /** Notes that exist in the trash. */
  readonly #noted = new Set<string>();

  constructor(storage: RemoteStorage, tree: RemoteTree) {
    this.#storage = storage;
    this.#tree = tree;
  }

  readonly #movement: Movement = {
    look: (path, signal) => this.#look(path, signal),
    move: (from, to, signal) => this.#tree.move(from, to, signal),
    makeFolders: (path, signal) => this.#tree.makeFolders(path, signal),
  };

  /** @param found the entry at the path */
  async discard(seen: TargetItem, found: StorageEntry, { isSeen, trash, signal }: DiscardOptions): Promise<void> {
    const { path, folder } = seen;
    if (found.folder !== folder || found.unusable !== seen.unusable) throw this.#changed(path);
    if (!folder && !isAsExpected(found, seen, this.#storage.rules.timeGrain)) throw this.#changed(path);
    const check = (item: TargetItem): void => {
      if (isOwn(item.name) ? holdsBack(item.name, trash !== undefined) : !isSeen!(item)) throw this.#changed(item.path);
    };
    const before = folder ? await this.#lookBelow(path, signal, check) : this.#identity(found);
    if (!trash && !this.#storage.renames) {
      // A move would be a copy: each file is removed right after a check instead.
      if (!folder) return this.#storage.removeFile(path, signal);
      return this.#removeBelow(path, check, signal);
    }
    const place = trash && (await this.#trashPlace(path, trash, signal));
    const takeTo = (to: string): Promise<boolean> =>
      takeAway({ from: path, to, seen: before }, this.#movement, this.#changed(path), signal);
    // Where moving a folder means copying its content, it is moved only once, straight into the trash.
    if (place !== undefined && folder && !this.#storage.renames) return void (await takeTo(place));
    await this.#withHiddenPath(path, { seen: before, trash }, async (away) => {
      if (!(await takeTo(away))) return;
      if (trash)
        return this.#throwAway(away, path, trash.day, signal, place).catch(async (error: unknown) => {
          await bringBack(away, path, this.#movement);
          throw error;
        });
      return folder ? this.#storage.purge(away, signal) : this.#storage.removeFile(away, signal);
    });
  }

  async #removeBelow(folder: string, check: (item: TargetItem) => void, signal: AbortSignal): Promise<void> {
    for await (const item of this.#tree.list(folder, signal)) {
      check(item);
      if (item.folder) await this.#removeBelow(item.path, check, signal);
      else {
        // The listing may be out of date by now.
        const now = await this.#storage.look(item.path, signal);
        if (!now) continue;
        check({ ...now, path: item.path });
        await this.#storage.removeFile(item.path, signal);
      }
    }
    await this.#tree.removeFolder(folder, signal);
  }

  /**
   * Removes an empty folder. Where the storage would also remove items created in it meanwhile, the folder is detached
   * first.
   */
  async removeFolder(path: string, notEmpty: Failure, signal: AbortSignal): Promise<void> {
    const look = async (at: string, one: AbortSignal): Promise<string> =>
      (await this.#storage.entries(at, one)).length === 0 ? 'empty' : 'full';
    if ((await look(path, signal)) === 'full') throw notEmpty;
    this.#tree.forget(path);
    if (!this.#storage.removesFull) return this.#storage.removeFolder(path, signal);
    await this.#withHiddenPath(path, { seen: 'empty' }, async (away) => {
      const movement = { ...this.#movement, look };
      if (await takeAway({ from: path, to: away, seen: 'empty' }, movement, notEmpty, signal))
        await this.#storage.removeFolder(away, signal);
    });
  }

  /**
   * Puts a file in place of another one, which is detached meanwhile: remote storages have no hard links, only moves.
   * Where the old file cannot be renamed and is not to be kept, it stays in place until it is overwritten.
   * @param there the entry at the path, if it was looked up
   */
  async replacing<T>(
    path: string,
    there: StorageEntry | undefined,
    { trash, signal }: WriteOptions,
    put: () => Promise<T>,
  ): Promise<T> {
    const found = there ?? (trash === undefined ? undefined : await this.#storage.look(path, signal));
    if (!found || (trash === undefined && !this.#storage.renames)) return put();
    const seen = this.#identity(found);
    const place = trash && (await this.#trashPlace(path, trash, signal));
    return this.#withHiddenPath(path, { seen, trash }, async (away) => {
      const isAway = await takeAway({ from: path, to: away, seen }, this.#movement, this.#changed(path), signal);
      if (!isAway) return put();
      const throwAway = (): Promise<void> =>
        trash ? this.#throwAway(away, path, trash.day, signal, place) : this.#storage.removeFile(away, signal);
      let done: T;
      try {
        done = await put();
      } catch (error) {
        try {
          // Another process has taken the name: a replaced file that is to be kept goes to the trash.
          await (trash && isFailure(error, 'target-changed') ? throwAway() : bringBack(away, path, this.#movement));
        } catch (cause) {
          // The file stays detached until the next listing handles it; the first error tells the reason.
          if (!isFailure(cause)) throw cause;
        }
        throw error;
      }
      await throwAway();
      return done;
    });
  }

  /** Ignores the caller's signal: leftovers would remain until the next listing. */
  readonly #detachedFolders: DetachedFolders = {
    make: (path) => this.#tree.makeFolders(path, new AbortController().signal),
    remove: async (path) => {
      const { signal } = new AbortController();
      this.#tree.forget(path);
      if (this.#storage.removesFull && (await this.#storage.entries(path, signal)).length > 0) return;
      await this.#storage.removeFolder(path, signal);
    },
  };

  #withHiddenPath<T>(path: string, leaver: Leaver, use: (at: string) => Promise<T>): Promise<T> {
    return withHiddenPath(path, leaver, this.#detachedFolders, use);
  }

  /** Handles items that were detached by a process that no longer runs. */
  async finish(path: string, signal: AbortSignal): Promise<void> {
    const finishing = {
      ...this.#movement,
      list: (folder: string) => this.#tree.list(folder, signal),
      removeFolder: (folder: string) => this.#detachedFolders.remove(folder),
      throwAway: async (at: string, former: string, trash: Trash) =>
        this.#throwAway(at, former, trash.day, signal, await this.#trashPlace(former, trash, signal)),
    };
    await finish(path, finishing, signal);
  }

  /** Undefined: there is no such item. */
  async #look(path: string, signal: AbortSignal): Promise<string | undefined> {
    const found = await this.#storage.look(path, signal);
    return found?.folder ? this.#lookBelow(path, signal) : found && this.#identity(found);
  }

  #lookBelow(path: string, signal: AbortSignal, check?: (item: TargetItem) => void): Promise<string> {
    return lookBelow(
      path,
      (below) => this.#tree.list(below, signal, true),
      check,
      (item) => this.#identity(item),
    );
  }

  /** Identity of a file. A move may change times where the storage sets them itself; a copy may change hashes. */
  #identity({ size, mtime, hash }: StorageEntry): string {
    return JSON.stringify([size, this.#storage.rules.setsTimes && mtime, this.#storage.renames && hash?.value]);
  }

  #changed(path: string): Failure {
    return new Failure('target-changed', { target: this.#storage.root, path });
  }

  /** Moves a detached item into the trash of a day. @param place a path that was free a moment ago */
  async #throwAway(away: string, path: string, day: string, signal: AbortSignal, place?: string): Promise<void> {
    for (let to = place, last: string | undefined; ; to = undefined) {
      const free = to ?? (await this.#placeFor(path, day, signal));
      try {
        return await this.#tree.move(away, free, signal);
      } catch (error) {
        // The same path again: the server reports it both as free and as taken.
        if (!isFailure(error, 'target-exists') || free === last) throw error;
        last = free;
      }
    }
  }

  /** A free path in the trash, and a note of how long items there are kept. */
  async #trashPlace(path: string, trash: Trash, signal: AbortSignal): Promise<string> {
    const place = await this.#placeFor(path, trash.day, signal);
    const note = trashNoteOf(trash);
    if (!this.#noted.has(note.path)) await this.#putNote(note, signal);
    this.#noted.add(note.path);
    return place;
  }

  /**
   * The note's content is in its name: an existing file with that name stays. It is created by a rename, because a
   * write would follow a link.
   */
  async #putNote({ path, text }: TrashNote, signal: AbortSignal): Promise<void> {
    if (await this.#storage.look(path, signal)) return;
    if (this.#storage.publishes) return this.#tree.putSmall(path, text, signal);
    const part = `${PART_PREFIX}${randomBytes(8).toString('hex')}`;
    await this.#tree.putSmall(part, text, signal);
    try {
      await this.#storage.rename(part, path, false, signal);
    } catch (error) {
      await this.#storage.removeFile(part, signal);
      if (!isFailure(error, 'target-exists')) throw error;
    }
  }

  async #placeFor(path: string, day: string, signal: AbortSignal): Promise<string> {
    const place = await trashPlace(path, day, async (there) =>
      this.#tree.isKnownFolder(there) ? { folder: true } : this.#tree.stat(there, signal),
    );
    await this.#tree.makeFolders(parentOf(place), signal);
    return place;
  }

  async emptyTrash(
    options: { readonly today: string; readonly days: number },
    signal: AbortSignal,
  ): Promise<readonly Emptied[]> {
    if (!(await this.#storage.look(TRASH, signal))) return [];
    const over = overdue(await this.#storage.entries(TRASH, signal), options);
    this.#tree.forget(TRASH);
    for (const { day, hasFolder, notes } of over) {
      if (hasFolder) await this.#storage.purge(`${TRASH}/${day}`, signal);
      // Notes are removed last: without them the folder would be kept again.
      for (const note of notes) await this.#storage.removeFile(`${TRASH}/${note}`, signal);
    }
    return over.filter(({ hasFolder }) => hasFolder).map(({ day, days, jobs }) => ({ day, days, jobs }));
  }
}
