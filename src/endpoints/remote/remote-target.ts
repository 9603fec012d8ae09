import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Failure, isFailure } from '../../base/errors.js';
import { detachedIn } from '../away.js';
import { DetachedNames } from '../detached-names.js';
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
} from '../paths.js';
import type {
  Content,
  DiscardOptions,
  Emptied,
  Target,
  TargetItem,
  TargetRules,
  TargetTest,
  WriteOptions,
} from '../target.js';
import { RemoteLeaving } from './leaving.js';
import { PartNames } from './parts.js';
import type { StorageStaging } from './staging.js';
import type { RemoteStorage, StagedContent, StorageEntry } from './storage.js';

/** A target that is reached through a program or protocol: the part that all of these share. */
export class RemoteTarget implements Target {
  readonly rules: TargetRules;
  readonly root: string;
  readonly #storage: RemoteStorage;
  readonly #staging: StorageStaging;
  /** Folders known to exist below this root. */
  readonly #folders = new Set<string>(['']);
  readonly #parts = new PartNames();
  readonly #leaving: RemoteLeaving;
  readonly #detached = new DetachedNames();

  constructor(storage: RemoteStorage, staging: StorageStaging) {
    this.#storage = storage;
    this.#staging = staging;
    this.rules = storage.rules;
    this.root = storage.root;
    this.#leaving = new RemoteLeaving(storage, {
      list: (path, signal, withOwn) => (withOwn === true ? this.#entries(path, signal, true) : this.list(path, signal)),
      stat: (path, signal) => this.stat(path, signal),
      move: (from, to, signal) => this.#move(from, to, signal),
      makeFolders: (path, signal) => this.#makeFolders(path, signal),
      removeFolder: (path, signal) => this.removeFolder(path, signal),
      isKnownFolder: (path) => this.#folders.has(path),
      forget: (folder) => this.#forget(folder),
      putSmall: (path, text, signal) => this.#putSmall(path, text, signal),
    });
  }

  list(path: string, signal: AbortSignal): AsyncGenerator<TargetItem> {
    return this.#entries(path, signal, false);
  }

  async *#entries(path: string, signal: AbortSignal, withOwn: boolean): AsyncGenerator<TargetItem> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    await this.#checkLinks(path, signal);
    let entries = await this.#storage.entries(path, signal);
    const { left } = detachedIn(entries.map(({ name }) => name).filter(isName));
    if (left.length > 0) {
      for (const name of left) await this.#leaving.finish(childPath(path, name), signal);
      entries = await this.#storage.entries(path, signal);
    }
    this.#detached.listed(path, detachedIn(entries.map(({ name }) => name)).all);
    const parts: StorageEntry[] = [];
    const items: TargetItem[] = [];
    for (const entry of entries) {
      // A server may list an item under any name.
      const unusable = isName(entry.name) ? {} : { unusable: 'name' as const };
      if (entry.name.startsWith(PART_PREFIX)) parts.push(entry);
      else if (withOwn || !isOwn(entry.name)) items.push({ ...entry, ...unusable, path: childPath(path, entry.name) });
    }
    yield* items.sort(byName);
    for (const { name, mtime, folder } of parts)
      if (!folder && this.#parts.isOld(childPath(path, name), mtime))
        await this.#storage.removeFile(childPath(path, name), signal);
  }

  isDetached(path: string, signal: AbortSignal): Promise<boolean> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    return this.#detached.has(path, async (folder) => {
      try {
        return detachedIn((await this.#storage.entries(folder, signal)).map(({ name }) => name)).all;
      } catch (error) {
        if (isFailure(error, 'target-missing')) return [];
        throw error;
      }
    });
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
      if (this.#storage.publishes) {
        const there = options.expected === undefined ? undefined : await this.#checkPlace(path, options);
        const put = () => this.#put(parcel, path, path, options);
        // The name does not exist while the bytes are stored. This path is taken only where the replaced file is kept.
        return options.trash === undefined ? put() : this.#leaving.replacing(path, there, options, put);
      }
      const part = partPath(path, options);
      const place = this.#parts.place(part);
      const stored = await this.#put(parcel, place, path, options);
      try {
        await this.#publish(place, path, options);
      } catch (error) {
        // The file at the path is no longer the one that these bytes were to replace.
        if (isFailure(error, 'target-changed')) await this.#storage.removeFile(place, signal);
        throw error;
      }
      this.#parts.done(part);
      // Size, hash and a time that was set are kept across a rename.
      if (this.rules.setsTimes) return withName(stored, path);
      const item = await this.#storage.look(path, signal);
      // Another process changed the file right after the rename.
      if (item?.size !== options.size) throw this.#changed(path);
      return { ...item, path };
    });
  }

  /** Stores bytes at a place, as the file `path` or a part of it, and verifies that they arrived. */
  async #put(parcel: StagedContent, place: string, path: string, options: WriteOptions): Promise<TargetItem> {
    await this.#storage.put(parcel, place, options.signal);
    const stored = await this.#storage.look(place, options.signal);
    // The program has verified that all bytes arrived. Under the final name another process may have replaced them
    // since; a part has only one writer.
    if (place === path && stored?.size !== options.size) throw this.#changed(path);
    this.#checkStored(stored, path, options);
    return { ...stored!, path };
  }

  /** Renames a part to its final name; a file with that name is detached first. */
  async #publish(part: string, path: string, options: WriteOptions): Promise<void> {
    await this.#leaving.replacing(path, await this.#checkPlace(path, options), options, async () => {
      try {
        await this.#storage.rename(part, path, false, options.signal);
      } catch (error) {
        throw isFailure(error, 'target-exists') ? this.#changed(path) : error;
      }
    });
  }

  #changed(path: string): Failure {
    return new Failure('target-changed', { target: this.root, path });
  }

  /** @returns the entry at the path */
  async #checkPlace(path: string, { expected, signal }: WriteOptions): Promise<StorageEntry | undefined> {
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

  #checkStored(stored: StorageEntry | undefined, path: string, { size, hash }: WriteOptions): void {
    const damaged = (why: string): Failure => new Failure('target-damaged', { target: this.root, path, why });
    if (stored?.size !== size) throw damaged(`${stored?.size ?? 'no'} bytes of ${size} are there`);
    if (hash && stored.hash?.kind === hash.kind && stored.hash.value !== hash.value)
      throw damaged(`another ${hash.kind} than that of the source`);
  }

  /** No folder of the path may be a symbolic link: links are not shown as folders. */
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

  /** No effect: the items are on another machine, whose accounts differ from those of this one. */
  protect(): Promise<void> {
    return Promise.resolve();
  }

  async #makeFolders(path: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // An object store has no folders of its own; it shows those that its keys imply.
    if (this.#folders.has(path) || !this.rules.emptyFolders) return;
    const found = await this.#storage.look(path, signal);
    if (found?.unusable) throw new Failure('target-outside', { target: this.root, path });
    if (found && !found.folder) throw new Failure('target-exists', { target: this.root, path, why: 'it is no folder' });
    if (!found) {
      await this.#makeFolders(parentOf(path), signal);
      await this.#storage.makeFolder(path, signal);
      // Some servers do not show links, and creating a folder does nothing where a link leads to one.
      if (this.#storage.hasLinks && (await this.#storage.look(path, signal))?.folder !== true)
        throw new Failure('target-outside', { target: this.root, path });
    }
    this.#folders.add(path);
  }

  async discard(seen: TargetItem, options: DiscardOptions): Promise<void> {
    if (seen.folder && !options.isSeen) return this.removeFolder(seen.path, options.signal);
    const found = await this.#toRemove(seen.path, options.signal);
    if (found) await this.#leaving.discard(seen, found, options);
  }

  async removeFolder(path: string, signal: AbortSignal): Promise<void> {
    const found = await this.#toRemove(path, signal);
    if (!found) return;
    if (!found.folder) throw new Failure('target-exists', { target: this.root, path, why: 'it is no folder' });
    await this.#leaving.removeFolder(path, new Failure('target-not-empty', { target: this.root, path }), signal);
  }

  async #toRemove(path: string, signal: AbortSignal): Promise<StorageEntry | undefined> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    if (path === '') throw new Failure('target-denied', { target: this.root, path: 'removing the root' });
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

  async #putSmall(path: string, text: string, signal: AbortSignal): Promise<void> {
    const file = join(await this.#staging.folder(), `${PART_PREFIX}${randomBytes(6).toString('hex')}`);
    try {
      await writeFile(file, text);
      await this.#storage.put(
        { file, size: Buffer.byteLength(text), mtime: undefined, continues: false },
        path,
        signal,
      );
    } finally {
      await rm(file, { force: true });
    }
  }

  emptyTrash(...[options, signal]: Parameters<Target['emptyTrash']>): Promise<readonly Emptied[]> {
    return this.#leaving.emptyTrash(options, signal);
  }

  async test(signal: AbortSignal): Promise<TargetTest> {
    const seen = { root: this.root, ...(await this.#storage.about(signal)) };
    // The test requires that the root exists, also where the storage does not report free space.
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

/** The item under its final name after a part was renamed. */
function withName({ hidden: _, ...entry }: StorageEntry, path: string): TargetItem {
  const name = nameOf(path);
  return { ...entry, name, path, ...(name.startsWith('.') ? { hidden: true } : {}) };
}

/** Whether a name from a server is a valid name of an item. */
const isName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[/\0\p{Cs}\ufffd]/u.test(name);
