import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Failure, isFailure } from '../../base/errors.js';
import {
  byName,
  checkNewFile,
  checkNewPath,
  checkPath,
  childPath,
  isAsExpected,
  isOwn,
  isTrashDay,
  nameOf,
  PART_DAYS,
  PART_PREFIX,
  parentOf,
  partPath,
  TRASH,
  trashPlace,
} from '../paths.js';
import type { Content, Target, TargetItem, TargetRules, TargetTest, WriteOptions } from '../target.js';
import type { Staging } from './staging.js';
import type { Entry, Storage } from './storage.js';

const PART_SECONDS = PART_DAYS * 86_400;

/** A target that a program or protocol reaches: what all of them have in common. */
export class RemoteTarget implements Target {
  readonly rules: TargetRules;
  readonly root: string;
  readonly #storage: Storage;
  readonly #staging: Staging;
  /** Folders that are known to be folders of this root. */
  readonly #folders = new Set<string>(['']);

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
    const old = Date.now() / 1000 - PART_SECONDS;
    for (const { name, mtime, folder } of parts)
      if (!folder && mtime !== undefined && mtime < old) await this.#storage.removeFile(childPath(path, name), signal);
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
      const place = this.#storage.publishes ? path : partPath(path, options);
      if (this.#storage.publishes && options.expected !== undefined) await this.#checkPlace(path, options);
      if (this.#storage.publishes) await this.#keep(path, options);
      await this.#storage.put(parcel, place, signal);
      const stored = await this.#storage.look(place, signal);
      this.#checkStored(stored, path, options);
      if (place === path) return { ...stored!, path };
      if (options.expected !== undefined) await this.#checkPlace(path, options);
      await this.#keep(path, options);
      await this.#storage.rename(place, path, false, signal);
      // Size, hash and a time that was set go with the name.
      if (this.rules.setsTimes) return withName(stored!, path);
      const item = await this.#storage.look(path, signal);
      this.#checkStored(item, path, options);
      return { ...item!, path };
    });
  }

  /** What is about to be replaced goes to the trash: over the net there is no second name for it, only a move. */
  async #keep(path: string, { trash, signal }: WriteOptions): Promise<void> {
    if (trash !== undefined && (await this.#storage.look(path, signal))) await this.trash(path, trash.day, signal);
  }

  async #checkPlace(path: string, { expected, signal }: WriteOptions): Promise<void> {
    const there = await this.#storage.look(path, signal);
    if (there?.folder || there?.unusable)
      throw new Failure('target-exists', { target: this.root, path, why: 'it is no file' });
    if (!isAsExpected(there, expected, this.rules.timeGrain))
      throw new Failure('target-changed', { target: this.root, path });
    if (there || !this.rules.emptyFolders) return;
    await this.#checkFolder(parentOf(path), signal);
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

  async remove(path: string, signal: AbortSignal): Promise<void> {
    const found = await this.#toRemove(path, signal);
    if (found?.folder) throw new Failure('target-exists', { target: this.root, path, why: 'it is a folder' });
    if (found) await this.#storage.removeFile(path, signal);
  }

  async removeFolder(path: string, signal: AbortSignal): Promise<void> {
    const found = await this.#toRemove(path, signal);
    if (!found) return;
    if (!found.folder) throw new Failure('target-exists', { target: this.root, path, why: 'it is no folder' });
    // Not every storage refuses to remove a folder with something in it.
    if ((await this.#storage.entries(path, signal)).length > 0)
      throw new Failure('target-not-empty', { target: this.root, path });
    this.#forget(path);
    await this.#storage.removeFolder(path, signal);
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

  async trash(path: string, date: string, signal: AbortSignal): Promise<string> {
    checkPath(path, this.root);
    const place = await trashPlace(path, date, async (there) =>
      this.#folders.has(there) ? { folder: true } : this.stat(there, signal),
    );
    await this.#makeFolders(parentOf(place), signal);
    await this.#move(path, place, signal);
    return place;
  }

  async emptyTrash(before: string, signal: AbortSignal): Promise<string[]> {
    if (!(await this.#storage.look(TRASH, signal))) return [];
    const days = (await this.#storage.entries(TRASH, signal))
      .filter(({ name, folder }) => folder && isTrashDay(name) && name < before)
      .map(({ name }) => name)
      .sort();
    this.#forget(TRASH);
    for (const day of days) await this.#storage.purge(`${TRASH}/${day}`, signal);
    return days;
  }

  async test(signal: AbortSignal): Promise<TargetTest> {
    const seen = { root: this.root, ...(await this.#storage.about(signal)) };
    // To see that the root is there is part of the test, also where nothing says how much room it has.
    await this.#storage.entries('', signal);
    const name = `${PART_PREFIX}probe-${randomBytes(6).toString('hex')}`;
    const file = join(await this.#staging.folder(), name);
    try {
      await writeFile(file, 'probe');
      await this.#storage.put({ file, size: 5, mtime: undefined }, name, signal);
      await this.#storage.removeFile(name, signal);
      return { ...seen, writable: true };
    } catch (error) {
      if (!isFailure(error, 'target-denied') && !isFailure(error, 'target-full')) throw error;
      return { ...seen, writable: false, why: error.message };
    } finally {
      await rm(file, { force: true });
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
