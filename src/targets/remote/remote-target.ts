import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Failure, isFailure } from '../../base/errors.js';
import { asidePath, bringBack, lookBelow, type Movement, takeAway } from '../away.js';
import {
  byName,
  checkNewFile,
  checkNewPath,
  checkPath,
  childPath,
  isAsExpected,
  isOwn,
  nameOf,
  PART_PREFIX,
  parentOf,
  partPath,
  TRASH,
  trashPlace,
} from '../paths.js';
import type {
  Content,
  DiscardOptions,
  Emptied,
  Target,
  TargetItem,
  TargetRules,
  TargetTest,
  Trash,
  WriteOptions,
} from '../target.js';
import { noteOf, overdue } from '../trash.js';
import { Parts } from './parts.js';
import type { Staging } from './staging.js';
import type { Entry, Storage } from './storage.js';

/** A target that a program or protocol reaches: what all of them have in common. */
export class RemoteTarget implements Target {
  readonly rules: TargetRules;
  readonly root: string;
  readonly #storage: Storage;
  readonly #staging: Staging;
  /** Folders that are known to be folders of this root. */
  readonly #folders = new Set<string>(['']);
  readonly #parts = new Parts();
  /** Notes in the trash that are there. */
  readonly #noted = new Set<string>();

  constructor(storage: Storage, staging: Staging) {
    this.#storage = storage;
    this.#staging = staging;
    this.rules = storage.rules;
    this.root = storage.root;
  }

  async *list(path: string, signal: AbortSignal): AsyncGenerator<TargetItem> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    await this.#checkLinks(path, signal);
    const entries = await this.#storage.entries(path, signal);
    const parts: Entry[] = [];
    const items: TargetItem[] = [];
    for (const entry of entries) {
      // A server may call an item what it likes.
      const unusable = isName(entry.name) ? {} : { unusable: 'name' as const };
      if (entry.name.startsWith(PART_PREFIX)) parts.push(entry);
      else if (!isOwn(path, entry.name)) items.push({ ...entry, ...unusable, path: childPath(path, entry.name) });
    }
    yield* items.sort(byName);
    for (const { name, mtime, folder } of parts)
      if (!folder && this.#parts.isOld(childPath(path, name), mtime))
        await this.#storage.removeFile(childPath(path, name), signal);
  }

  async stat(path: string, signal: AbortSignal): Promise<TargetItem | undefined> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    const entry = await this.#storage.look(path, signal);
    return entry && { ...entry, path };
  }

  async read(path: string, { start = 0, signal }: { readonly start?: number; readonly signal: AbortSignal }) {
    checkPath(path, this.root);
    signal.throwIfAborted();
    await this.#checkLinks(parentOf(path), signal);
    return (await this.#storage.open(path, start, signal)) as Readable;
  }

  async write(path: string, content: Content, options: WriteOptions): Promise<TargetItem> {
    const { signal } = options;
    checkNewFile(path, options, this.rules, this.root);
    signal.throwIfAborted();
    await this.#checkLinks(parentOf(path), signal);
    await this.#checkPlace(path, options);
    const how = { target: this.root, needsTime: this.#storage.takesTimeOfFile, reads: this.rules.reads };
    return this.#staging.with(path, content, options, how, async (parcel) => {
      const part = partPath(path, options);
      const place = this.#storage.publishes ? path : this.#parts.place(part);
      if (place === path) {
        const there = options.expected === undefined ? undefined : await this.#checkPlace(path, options);
        // The name is missing for as long as the bytes take: only where the old ones are to be kept.
        if (options.trash !== undefined) await this.#replaced(path, there, options);
      }
      await this.#storage.put(parcel, place, signal);
      const stored = await this.#storage.look(place, signal);
      this.#checkStored(stored, path, options);
      if (place === path) return { ...stored!, path };
      try {
        await this.#publish(place, path, options);
      } catch (error) {
        // What is there now is another file than the one that these bytes were to replace.
        if (isFailure(error, 'target-changed')) await this.#storage.removeFile(place, signal);
        throw error;
      }
      this.#parts.done(part);
      // Size, hash and a time that was set go with the name.
      if (this.rules.setsTimes) return withName(stored!, path);
      const item = await this.#storage.look(path, signal);
      this.#checkStored(item, path, options);
      return { ...item!, path };
    });
  }

  /** Gives a part its name; what has it leaves. */
  async #publish(part: string, path: string, options: WriteOptions): Promise<void> {
    const { trash, signal } = options;
    const left = await this.#replaced(path, await this.#checkPlace(path, options), options);
    try {
      await this.#storage.rename(part, path, false, signal);
    } catch (error) {
      // Somebody took the name meanwhile: what had it before is not lost for that.
      if (left !== undefined && trash === undefined) await bringBack(left, path, this.#movement);
      throw isFailure(error, 'target-exists') ? this.#changed(path) : error;
    }
    if (left !== undefined && trash === undefined) await this.#storage.removeFile(left, signal);
  }

  /**
   * What is about to be replaced leaves first, and is looked at there: over the net there is no second name for it, only a
   * move. @returns where it is; undefined: there was nothing, or it cannot be moved in one step
   */
  async #replaced(
    path: string,
    there: Entry | undefined,
    { trash, signal }: WriteOptions,
  ): Promise<string | undefined> {
    const found = there ?? (trash === undefined ? undefined : await this.#storage.look(path, signal));
    if (!found || (trash === undefined && !this.#storage.renames)) return undefined;
    return this.#takeAway(path, this.#identity(found), trash, this.#movement, signal);
  }

  /** @returns where it is now; undefined: it had gone. @throws Failure `target-changed` */
  async #takeAway(
    path: string,
    seen: string,
    trash: Trash | undefined,
    movement: Movement,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const to = trash ? await this.#trashPlace(path, trash, signal) : asidePath(path);
    return (await takeAway({ from: path, to, seen }, movement, this.#changed(path), signal)) ? to : undefined;
  }

  readonly #movement: Movement = {
    look: async (path, signal) => {
      const found = await this.#storage.look(path, signal);
      return found && this.#identity(found);
    },
    move: (from, to, signal) => this.#move(from, to, signal),
    makeFolders: (path, signal) => this.#makeFolders(path, signal),
  };

  /** What tells a file from another one. Where times are those of storing, a move may change them; a copy, hashes. */
  #identity({ size, mtime, hash }: Entry): string {
    return JSON.stringify([size, this.rules.setsTimes && mtime, this.#storage.renames && hash?.value]);
  }

  #changed(path: string): Failure {
    return new Failure('target-changed', { target: this.root, path });
  }

  /** @returns what is there */
  async #checkPlace(path: string, { expected, signal }: WriteOptions): Promise<Entry | undefined> {
    const there = await this.#storage.look(path, signal);
    if (there?.folder || there?.unusable)
      throw new Failure('target-exists', { target: this.root, path, why: 'it is no file' });
    if (!isAsExpected(there, expected, this.rules.timeGrain)) throw this.#changed(path);
    if (!there && this.rules.emptyFolders) await this.#checkFolder(parentOf(path), signal);
    return there;
  }

  async #checkFolder(path: string, signal: AbortSignal): Promise<void> {
    if (this.#folders.has(path)) return;
    const found = await this.#storage.look(path, signal);
    if (!found) throw new Failure('target-missing', { target: this.root, path });
    if (!found.folder) throw new Failure('target-exists', { target: this.root, path, why: 'it is no folder' });
    this.#folders.add(path);
  }

  #checkStored(stored: Entry | undefined, path: string, { size, hash }: WriteOptions): void {
    const damaged = (why: string): Failure => new Failure('target-damaged', { target: this.root, path, why });
    if (stored?.size !== size) throw damaged(`${stored?.size ?? 'no'} bytes of ${size} are there`);
    if (hash && stored.hash?.kind === hash.kind && stored.hash.value !== hash.value)
      throw damaged(`another ${hash.kind} than that of the source`);
  }

  /** No folder on the way may be a link: none is shown as a folder. */
  async #checkLinks(path: string, signal: AbortSignal): Promise<void> {
    if (!this.#storage.hasLinks || path === '') return;
    await this.#checkLinks(parentOf(path), signal);
    if (this.#folders.has(path)) return;
    const found = await this.#storage.look(path, signal);
    if (!found) throw new Failure('target-missing', { target: this.root, path });
    if (found.unusable) throw new Failure('target-outside', { target: this.root, path });
    if (!found.folder) throw new Failure('target-exists', { target: this.root, path, why: 'it is no folder' });
    this.#folders.add(path);
  }

  async mkdir(path: string, signal: AbortSignal): Promise<void> {
    if (path === '') return;
    checkNewPath(path, this.rules, this.root);
    await this.#makeFolders(path, signal);
  }

  /** It is on another machine, whose accounts are not those of this one. */
  protect(): Promise<void> {
    return Promise.resolve();
  }

  async #makeFolders(path: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // An object store has none, and shows those that its files imply.
    if (this.#folders.has(path) || !this.rules.emptyFolders) return;
    const found = await this.#storage.look(path, signal);
    if (found?.unusable) throw new Failure('target-outside', { target: this.root, path });
    if (found && !found.folder) throw new Failure('target-exists', { target: this.root, path, why: 'it is no folder' });
    if (!found) {
      await this.#makeFolders(parentOf(path), signal);
      await this.#storage.makeFolder(path, signal);
    }
    this.#folders.add(path);
  }

  async discard(seen: TargetItem, { isSeen, trash, signal }: DiscardOptions): Promise<void> {
    const { path, folder } = seen;
    if (folder && !isSeen) return this.removeFolder(path, signal);
    const found = await this.#toRemove(path, signal);
    if (!found) return;
    if (found.folder !== folder || found.unusable !== seen.unusable) throw this.#changed(path);
    if (!folder && !isAsExpected(found, seen, this.rules.timeGrain)) throw this.#changed(path);
    const check = (item: TargetItem): void => {
      if (!isSeen!(item)) throw this.#changed(item.path);
    };
    const lookAt = (at: string, one: AbortSignal, checked?: typeof check): Promise<string> =>
      lookBelow(
        at,
        (below) => this.list(below, one),
        checked,
        (item) => this.#identity(item),
      );
    const before = folder ? await lookAt(path, signal, check) : this.#identity(found);
    if (trash || this.#storage.renames) {
      const movement = folder ? { ...this.#movement, look: lookAt } : this.#movement;
      const away = await this.#takeAway(path, before, trash, movement, signal);
      if (away === undefined || trash) return;
      return folder ? this.#storage.purge(away, signal) : this.#storage.removeFile(away, signal);
    }
    // To move would be to copy: each file goes right after a look.
    if (!folder) return this.#storage.removeFile(path, signal);
    await this.#removeBelow(path, check, signal);
  }

  async #removeBelow(folder: string, check: (item: TargetItem) => void, signal: AbortSignal): Promise<void> {
    for await (const item of this.list(folder, signal)) {
      check(item);
      if (item.folder) await this.#removeBelow(item.path, check, signal);
      else await this.#storage.removeFile(item.path, signal);
    }
    await this.removeFolder(folder, signal);
  }

  async removeFolder(path: string, signal: AbortSignal): Promise<void> {
    const found = await this.#toRemove(path, signal);
    if (!found) return;
    if (!found.folder) throw new Failure('target-exists', { target: this.root, path, why: 'it is no folder' });
    const look = async (at: string, one: AbortSignal): Promise<string> =>
      (await this.#storage.entries(at, one)).length === 0 ? 'empty' : 'full';
    const notEmpty = new Failure('target-not-empty', { target: this.root, path });
    if ((await look(path, signal)) === 'full') throw notEmpty;
    this.#forget(path);
    if (!this.#storage.removesFull) return this.#storage.removeFolder(path, signal);
    const aside = asidePath(path);
    const movement = { ...this.#movement, look };
    if (await takeAway({ from: path, to: aside, seen: 'empty' }, movement, notEmpty, signal))
      await this.#storage.removeFolder(aside, signal);
  }

  async #toRemove(path: string, signal: AbortSignal): Promise<Entry | undefined> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    if (path === '') throw new Failure('target-denied', { target: this.root, path: 'to remove the root' });
    try {
      await this.#checkLinks(parentOf(path), signal);
    } catch (error) {
      if (isFailure(error, 'target-missing')) return undefined;
      throw error;
    }
    return this.#storage.look(path, signal);
  }

  async move(from: string, to: string, signal: AbortSignal): Promise<void> {
    checkPath(from, this.root);
    checkNewPath(to, this.rules, this.root);
    await this.#checkLinks(parentOf(to), signal);
    await this.#move(from, to, signal);
  }

  async #move(from: string, to: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#checkLinks(parentOf(from), signal);
    const found = await this.#storage.look(from, signal);
    if (!found) throw new Failure('target-missing', { target: this.root, path: from });
    const itself = this.rules.caseInsensitive && from.toLowerCase() === to.toLowerCase();
    if (!itself && (await this.#storage.look(to, signal)))
      throw new Failure('target-exists', { target: this.root, path: to });
    this.#forget(from);
    await this.#storage.rename(from, to, found.folder, signal);
  }

  #forget(folder: string): void {
    for (const known of this.#folders)
      if (known === folder || known.startsWith(`${folder}/`)) this.#folders.delete(known);
  }

  async setTime(path: string, mtime: number, signal: AbortSignal): Promise<void> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    await this.#checkLinks(parentOf(path), signal);
    if (this.rules.setsTimes) await this.#storage.setTime(path, mtime, signal);
  }

  /** A free place in the trash, and a note of how long what goes there stays. */
  async #trashPlace(path: string, trash: Trash, signal: AbortSignal): Promise<string> {
    const place = await trashPlace(path, trash.day, async (there) =>
      this.#folders.has(there) ? { folder: true } : this.stat(there, signal),
    );
    await this.#makeFolders(parentOf(place), signal);
    const note = noteOf(trash);
    if (!this.#noted.has(note.path)) await this.#putSmall(note.path, note.text, signal);
    this.#noted.add(note.path);
    return place;
  }

  async #putSmall(path: string, text: string, signal: AbortSignal): Promise<void> {
    const file = join(await this.#staging.folder(), `${PART_PREFIX}${randomBytes(6).toString('hex')}`);
    try {
      await writeFile(file, text);
      await this.#storage.put({ file, size: Buffer.byteLength(text), mtime: undefined }, path, signal);
    } finally {
      await rm(file, { force: true });
    }
  }

  async emptyTrash(
    options: { readonly today: string; readonly days: number },
    signal: AbortSignal,
  ): Promise<readonly Emptied[]> {
    if (!(await this.#storage.look(TRASH, signal))) return [];
    const over = overdue(await this.#storage.entries(TRASH, signal), options);
    this.#forget(TRASH);
    for (const { day, hasFolder, notes } of over) {
      if (hasFolder) await this.#storage.purge(`${TRASH}/${day}`, signal);
      // The notes last: without them it would be kept again.
      for (const note of notes) await this.#storage.removeFile(`${TRASH}/${note}`, signal);
    }
    return over.filter(({ hasFolder }) => hasFolder).map(({ day, days, jobs }) => ({ day, days, jobs }));
  }

  async test(signal: AbortSignal): Promise<TargetTest> {
    const seen = { root: this.root, ...(await this.#storage.about(signal)) };
    // To see that the root is there is part of the test, also where nothing says how much room it has.
    await this.#storage.entries('', signal);
    const name = `${PART_PREFIX}probe-${randomBytes(6).toString('hex')}`;
    try {
      await this.#putSmall(name, 'probe', signal);
      await this.#storage.removeFile(name, signal);
      return { ...seen, writable: true };
    } catch (error) {
      if (!isFailure(error, 'target-denied') && !isFailure(error, 'target-full')) throw error;
      return { ...seen, writable: false, why: error.message };
    }
  }

  async close(): Promise<void> {
    await this.#staging.close();
    await this.#storage.close();
  }
}

/** An item under its name after it was a part. */
function withName({ hidden: _, ...entry }: Entry, path: string): TargetItem {
  const name = nameOf(path);
  return { ...entry, name, path, ...(name.startsWith('.') ? { hidden: true } : {}) };
}

/** Whether a server's name for an item is a name. */
const isName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[/\0\p{Cs}\ufffd]/u.test(name);
