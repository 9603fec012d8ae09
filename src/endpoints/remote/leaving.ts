import { randomBytes } from 'node:crypto';
import { Failure, isFailure } from '../../base/errors.js';
import { bringBack, finish, holdsBack, lookBelow, type Movement, takeAway } from '../away.js';
import { type AsideFolders, aside, type Leaver } from '../detached-names.js';
import { isAsExpected, isOwn, PART_PREFIX, parentOf, TRASH, trashPlace } from '../paths.js';
import type { DiscardOptions, Emptied, TargetItem, Trash, WriteOptions } from '../target.js';
import { overdue, type TrashNote, trashNoteOf } from '../trash.js';
import type { RemoteStorage, StorageEntry } from './storage.js';

/** What of a remote target itself is needed here. */
export interface RemoteTree {
  /** @param withOwn what is the target's own as well, but for parts */
  list(path: string, signal: AbortSignal, withOwn?: boolean): AsyncIterable<TargetItem>;
  stat(path: string, signal: AbortSignal): Promise<TargetItem | undefined>;
  move(from: string, to: string, signal: AbortSignal): Promise<void>;
  makeFolders(path: string, signal: AbortSignal): Promise<void>;
  removeFolder(path: string, signal: AbortSignal): Promise<void>;
  isKnownFolder(path: string): boolean;
  forget(folder: string): void;
  putSmall(path: string, text: string, signal: AbortSignal): Promise<void>;
}

/** How items leave their place in a storage, and what becomes of them in its trash. */
export class RemoteLeaving {
  readonly #storage: RemoteStorage;
  readonly #tree: RemoteTree;
  /** Notes in the trash that are there. */
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

  /** @param found what is there */
  async discard(seen: TargetItem, found: StorageEntry, { isSeen, trash, signal }: DiscardOptions): Promise<void> {
    const { path, folder } = seen;
    if (found.folder !== folder || found.unusable !== seen.unusable) throw this.#changed(path);
    if (!folder && !isAsExpected(found, seen, this.#storage.rules.timeGrain)) throw this.#changed(path);
    const check = (item: TargetItem): void => {
      if (isOwn(item.name) ? holdsBack(item.name, trash !== undefined) : !isSeen!(item)) throw this.#changed(item.path);
    };
    const before = folder ? await this.#lookBelow(path, signal, check) : this.#identity(found);
    if (!trash && !this.#storage.renames) {
      // To move would be to copy: each file goes right after a look.
      if (!folder) return this.#storage.removeFile(path, signal);
      return this.#removeBelow(path, check, signal);
    }
    const place = trash && (await this.#trashPlace(path, trash, signal));
    const takeTo = (to: string): Promise<boolean> =>
      takeAway({ from: path, to, seen: before }, this.#movement, this.#changed(path), signal);
    // Where to move a folder is to copy all that is in it, that is done once.
    if (place !== undefined && folder && !this.#storage.renames) return void (await takeTo(place));
    await this.#aside(path, { seen: before, trash }, async (away) => {
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
        // The list may be old by now.
        const now = await this.#storage.look(item.path, signal);
        if (!now) continue;
        check({ ...now, path: item.path });
        await this.#storage.removeFile(item.path, signal);
      }
    }
    await this.#tree.removeFolder(folder, signal);
  }

  /** An empty folder leaves where the storage would remove what came into it meanwhile. */
  async removeFolder(path: string, notEmpty: Failure, signal: AbortSignal): Promise<void> {
    const look = async (at: string, one: AbortSignal): Promise<string> =>
      (await this.#storage.entries(at, one)).length === 0 ? 'empty' : 'full';
    if ((await look(path, signal)) === 'full') throw notEmpty;
    this.#tree.forget(path);
    if (!this.#storage.removesFull) return this.#storage.removeFolder(path, signal);
    await this.#aside(path, { seen: 'empty' }, async (away) => {
      const movement = { ...this.#movement, look };
      if (await takeAway({ from: path, to: away, seen: 'empty' }, movement, notEmpty, signal))
        await this.#storage.removeFolder(away, signal);
    });
  }

  /**
   * Puts a file in place of another one, which is aside meanwhile: over the net there is no second name for it, only a move.
   * What was there stays there until then where it cannot be moved in one step and is not to be kept.
   * @param there what is there, if it was looked at
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
    return this.#aside(path, { seen, trash }, async (away) => {
      const isAway = await takeAway({ from: path, to: away, seen }, this.#movement, this.#changed(path), signal);
      if (!isAway) return put();
      const throwAway = (): Promise<void> =>
        trash ? this.#throwAway(away, path, trash.day, signal, place) : this.#storage.removeFile(away, signal);
      let done: T;
      try {
        done = await put();
      } catch (error) {
        try {
          // Somebody has taken the name: what was to be kept of what had it before goes where it was to go.
          await (trash && isFailure(error, 'target-changed') ? throwAway() : bringBack(away, path, this.#movement));
        } catch (cause) {
          // It stays aside, which the next listing finishes; the first error tells why.
          if (!isFailure(cause)) throw cause;
        }
        throw error;
      }
      await throwAway();
      return done;
    });
  }

  /** Not to be interrupted: what is left is in the way until the next listing. */
  readonly #asideFolders: AsideFolders = {
    make: (path) => this.#tree.makeFolders(path, new AbortController().signal),
    remove: async (path) => {
      const { signal } = new AbortController();
      this.#tree.forget(path);
      if (this.#storage.removesFull && (await this.#storage.entries(path, signal)).length > 0) return;
      await this.#storage.removeFolder(path, signal);
    },
  };

  #aside<T>(path: string, leaver: Leaver, use: (at: string) => Promise<T>): Promise<T> {
    return aside(path, leaver, this.#asideFolders, use);
  }

  /** What somebody left aside who is gone. */
  async finish(path: string, signal: AbortSignal): Promise<void> {
    const finishing = {
      ...this.#movement,
      list: (folder: string) => this.#tree.list(folder, signal),
      removeFolder: (folder: string) => this.#asideFolders.remove(folder),
      throwAway: async (at: string, former: string, trash: Trash) =>
        this.#throwAway(at, former, trash.day, signal, await this.#trashPlace(former, trash, signal)),
    };
    await finish(path, finishing, signal);
  }

  /** Undefined: there is none. */
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

  /** What tells a file from another one. Where times are those of storing, a move may change them; a copy, hashes. */
  #identity({ size, mtime, hash }: StorageEntry): string {
    return JSON.stringify([size, this.#storage.rules.setsTimes && mtime, this.#storage.renames && hash?.value]);
  }

  #changed(path: string): Failure {
    return new Failure('target-changed', { target: this.#storage.root, path });
  }

  /** From where it was aside into the trash of a day. @param place that was free there a moment ago */
  async #throwAway(away: string, path: string, day: string, signal: AbortSignal, place?: string): Promise<void> {
    for (let to = place, last: string | undefined; ; to = undefined) {
      const free = to ?? (await this.#placeFor(path, day, signal));
      try {
        return await this.#tree.move(away, free, signal);
      } catch (error) {
        // The same place again: the server says that it is free, and that it is not.
        if (!isFailure(error, 'target-exists') || free === last) throw error;
        last = free;
      }
    }
  }

  /** A free place in the trash, and a note of how long what goes there stays. */
  async #trashPlace(path: string, trash: Trash, signal: AbortSignal): Promise<string> {
    const place = await this.#placeFor(path, trash.day, signal);
    const note = trashNoteOf(trash);
    if (!this.#noted.has(note.path)) await this.#putNote(note, signal);
    this.#noted.add(note.path);
    return place;
  }

  /** The name says all: what has it already stays. It is given by a rename: to write there would follow a link. */
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
      // The notes last: without them it would be kept again.
      for (const note of notes) await this.#storage.removeFile(`${TRASH}/${note}`, signal);
    }
    return over.filter(({ hasFolder }) => hasFolder).map(({ day, days, jobs }) => ({ day, days, jobs }));
  }
}
