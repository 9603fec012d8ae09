import type { Stats } from 'node:fs';
import { constants, lstat, mkdir, open, readdir, rename, rmdir, utimes } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Failure, isFailure } from '../../base/errors.js';
import { detachedIn } from '../away.js';
import { type DetachedName, DetachedNames } from '../detached-names.js';
import {
  byName,
  checkNewFile,
  checkNewPath,
  checkPath,
  childPath,
  isOwn,
  nameOf,
  PART_PREFIX,
  parentOf,
  partPath,
} from '../paths.js';

import {
  type Content,
  type DiscardOptions,
  type Emptied,
  MOUNT_ID,
  type Target,
  type TargetItem,
  type TargetRules,
  type TargetTest,
  type WriteOptions,
} from '../target.js';
import { BatchWriter, SMALL_FILE_BYTES } from './batch.js';
import { GroupSync } from './group-sync.js';
import { FolderLeaving, lstatIn } from './leaving.js';
import { firstMode, isOwnerOnly, makeOwnerFolder, protect } from './modes.js';
import { testFolder } from './probe.js';
import { removeOldParts } from './remove.js';
import { renameNoReplace } from './rename.js';
import type { FolderRoot, OpenFolder } from './root.js';
import { writeFile } from './write.js';

/** Items of a folder that are looked up in parallel. */
const PARALLEL_STATS = 64;

/** A folder of this machine, or of a share mounted on it. */
export class FolderTarget implements Target {
  readonly rules: TargetRules;
  readonly root: string;
  readonly #root: FolderRoot;
  readonly #disk: GroupSync;
  readonly #batch = new BatchWriter();
  readonly #leaving: FolderLeaving;
  readonly #detached = new DetachedNames();

  constructor(root: FolderRoot, rules: TargetRules) {
    this.#root = root;
    this.#disk = new GroupSync(!root.remote);
    this.rules = rules;
    this.root = root.path;
    this.#leaving = new FolderLeaving(root, rules, {
      list: (path, signal, withOwn) => (withOwn === true ? this.#entries(path, signal, true) : this.list(path, signal)),
      stat: (path, signal) => this.stat(path, signal),
      item: (found, path) => this.#item(found, path),
      move: (from, to, signal) => this.#move(from, to, signal),
      makeFolders: (path, signal) => this.#makeFolders(path, signal),
    });
  }

  get mountpoint(): string {
    return this.#root.mountpoint;
  }

  list(path: string, signal: AbortSignal): AsyncGenerator<TargetItem> {
    return this.#entries(path, signal, false);
  }

  async *#entries(path: string, signal: AbortSignal, withOwn: boolean): AsyncGenerator<TargetItem> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    let found = await this.#names(path, withOwn);
    if (found.left.length > 0) {
      for (const name of found.left) await this.#leaving.finish(childPath(path, name), signal);
      found = await this.#names(path, withOwn);
    }
    const { names, parts } = found;
    this.#detached.listed(path, found.detached);
    for (let start = 0; start < names.length; start += PARALLEL_STATS) {
      signal.throwIfAborted();
      // The folder is not kept open while the caller works: it must be possible to unmount a share.
      const items = await this.#root.folder(path, (folder) =>
        Promise.all(names.slice(start, start + PARALLEL_STATS).map((name) => this.#look(folder, path, name))),
      );
      for (const item of items) if (item) yield item;
    }
    if (parts.length > 0) await this.#root.folder(path, (folder) => removeOldParts(folder, parts));
  }

  async #names(path: string, withOwn: boolean) {
    const found = await this.#root.folder(path, ({ at }) => readdir(at('.'), { encoding: 'buffer' }));
    const names: { name: string; broken: boolean }[] = [];
    const own: string[] = [];
    for (const bytes of found) {
      const name = bytes.toString('utf8');
      if (isOwn(name)) own.push(name);
      else names.push({ name, broken: !Buffer.from(name).equals(bytes) });
    }
    if (withOwn)
      names.push(...own.filter((name) => !name.startsWith(PART_PREFIX)).map((name) => ({ name, broken: false })));
    const { all, left } = detachedIn(own);
    const parts = own.filter((name) => name.startsWith(PART_PREFIX));
    return { names: names.sort(byName), parts, detached: all, left };
  }

  isDetached(path: string, signal: AbortSignal): Promise<boolean> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    return this.#detached.has(path, async (folder): Promise<readonly DetachedName[]> => {
      try {
        return (await this.#names(folder, false)).detached;
      } catch (error) {
        if (isFailure(error, 'target-missing')) return [];
        throw error;
      }
    });
  }

  /** Undefined: the item was removed after the folder was read. */
  async #look(folder: OpenFolder, path: string, { name, broken }: { name: string; broken: boolean }) {
    const item = { path: childPath(path, name), name, folder: false, size: 0, mtime: undefined };
    if (broken) return { ...item, unusable: 'name' } as const;
    return this.#statIn(folder, item.path);
  }

  async #statIn(folder: OpenFolder, path: string): Promise<TargetItem | undefined> {
    const found = await lstatIn(folder, path);
    return found && this.#item(found, path);
  }

  #item(found: Stats, path: string): TargetItem {
    const name = nameOf(path);
    const isFolder = found.isDirectory();
    return {
      path,
      name,
      folder: isFolder,
      size: found.isFile() ? found.size : 0,
      mtime: found.mtimeMs / 1000,
      ...(name.startsWith('.') ? { hidden: true } : {}),
      ...(this.rules.keepsPrivacy && isOwnerOnly(found.mode) ? { ownerOnly: true } : {}),
      ...(isFolder || found.isFile() ? {} : { unusable: 'type' as const }),
      ...(isFolder && this.#root.isMount(path) ? { id: MOUNT_ID } : {}),
    };
  }

  async stat(path: string, signal: AbortSignal): Promise<TargetItem | undefined> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    try {
      return await this.#root.folder(parentOf(path), (folder) => this.#statIn(folder, path));
    } catch (error) {
      // An item whose parent is missing, or is a file, does not exist.
      if (isFailure(error, 'target-missing') || isFailure(error, 'target-exists')) return undefined;
      throw error;
    }
  }

  async read(path: string, { start = 0, signal }: { readonly start?: number; readonly signal: AbortSignal }) {
    checkPath(path, this.root);
    signal.throwIfAborted();
    const handle = await this.#root.folder(parentOf(path), (folder) =>
      open(folder.at(nameOf(path)), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
    );
    try {
      if (!(await handle.stat()).isFile())
        throw new Failure('target-exists', { target: this.root, path, why: 'it is not a file' });
      return this.#failing(handle.createReadStream({ start, signal }), path);
    } catch (error) {
      await handle.close();
      throw this.#root.failure(error, path);
    }
  }

  /** A stream whose errors are converted to the target's Failures. */
  #failing(stream: Readable, path: string): Readable {
    const destroy = stream.destroy.bind(stream);
    stream.destroy = (error?: Error) => destroy(error && this.#root.failure(error, path));
    return stream;
  }

  async write(path: string, content: Content, options: WriteOptions): Promise<TargetItem> {
    checkNewFile(path, options, this.rules, this.root);
    options.signal.throwIfAborted();
    return (await this.#writeTogether(path, content, options)) ?? this.#writeAlone(path, content, options);
  }

  /**
   * Writes a small new file on a local disk in a batch with others. Undefined: the file does not qualify, or the batch
   * failed.
   */
  async #writeTogether(path: string, content: Content, options: WriteOptions): Promise<TargetItem | undefined> {
    const { size, mtime, expected, hash } = options;
    const source = content.descriptor;
    if (this.#root.remote || expected !== null || hash || size > SMALL_FILE_BYTES || source === undefined)
      return undefined;
    if (!this.#batch.isWorthwhile) return undefined;
    const name = nameOf(path);
    const mode = firstMode(options.private === true && this.rules.keepsPrivacy, false);
    const done = await this.#root.folder(parentOf(path), ({ handle, at }) =>
      this.#batch.write(
        { folder: handle.fd, place: at('.'), part: nameOf(partPath(path, options)), name, source, size, mtime, mode },
        () => options.arrived?.(),
      ),
    );
    if (done?.size === undefined) return undefined;
    options.progress?.(size);
    const more = {
      ...(name.startsWith('.') ? { hidden: true } : {}),
      ...(this.rules.keepsPrivacy && isOwnerOnly(mode & ~process.umask()) ? { ownerOnly: true } : {}),
    };
    return { path, name, folder: false, size: done.size, mtime: done.mtime! / 1000, ...more };
  }

  #writeAlone(path: string, content: Content, options: WriteOptions): Promise<TargetItem> {
    return writeFile(
      { root: this.#root, rules: this.rules, disk: this.#disk },
      path,
      content,
      options,
      this.#leaving,
      (found) => this.#item(found, path),
    );
  }

  async mkdir(path: string, signal: AbortSignal, options: { readonly private?: boolean } = {}): Promise<void> {
    if (path === '') return;
    checkNewPath(path, this.rules, this.root);
    await this.#makeFolders(path, signal, options.private === true && this.rules.keepsPrivacy);
  }

  async protect(path: string, signal: AbortSignal): Promise<void> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    if (path === '' || !this.rules.keepsPrivacy) return;
    await this.#root.folder(parentOf(path), (folder) => protect(folder, nameOf(path)));
  }

  async #makeFolders(path: string, signal: AbortSignal, isPrivate = false): Promise<void> {
    if (path === '') return;
    signal.throwIfAborted();
    const make = (): Promise<void> =>
      this.#root.folder(parentOf(path), async ({ at }) => {
        if (isPrivate) await makeOwnerFolder(at(nameOf(path)));
        else await mkdir(at(nameOf(path)));
      });
    try {
      await make();
    } catch (error) {
      if (isFailure(error, 'target-missing')) {
        await this.#makeFolders(parentOf(path), signal);
        return this.#makeFolders(path, signal, isPrivate);
      }
      if (!isFailure(error, 'target-exists')) throw error;
      // Opening the path tells a folder from a file and from a link.
      await this.#root.folder(path, async () => undefined);
    }
  }

  async removeFolder(path: string, signal: AbortSignal): Promise<void> {
    this.#checkRemoval(path);
    signal.throwIfAborted();
    try {
      await this.#root.folder(parentOf(path), (folder) => rmdir(folder.at(nameOf(path))));
    } catch (error) {
      if (!isFailure(error, 'target-missing')) throw error;
    }
  }

  #checkRemoval(path: string): void {
    checkPath(path, this.root);
    if (path === '') throw new Failure('target-denied', { target: this.root, path: 'removing the root' });
  }

  discard(seen: TargetItem, options: DiscardOptions): Promise<void> {
    if (seen.folder && !options.isSeen) return this.removeFolder(seen.path, options.signal);
    this.#checkRemoval(seen.path);
    return this.#leaving.discard(seen, options);
  }

  async move(from: string, to: string, signal: AbortSignal): Promise<void> {
    checkPath(from, this.root);
    checkNewPath(to, this.rules, this.root);
    await this.#move(from, to, signal);
  }

  async #move(from: string, to: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#root.folder(parentOf(from), (source) =>
      this.#root.folder(parentOf(to), async (destination) => {
        const [before, there] = [await this.#statIn(source, from), await this.#statIn(destination, to)];
        if (!before) throw new Failure('target-missing', { target: this.root, path: from });
        // Where case is ignored, renaming `a` to `A` moves the item onto itself.
        const itself = this.rules.caseInsensitive && from.toLowerCase() === to.toLowerCase();
        if (there && !itself) throw new Failure('target-exists', { target: this.root, path: to });
        const [old, fresh] = [source.at(nameOf(from)), destination.at(nameOf(to))];
        await (itself ? rename(old, fresh) : renameNoReplace(old, fresh));
      }),
    );
  }

  async setTime(path: string, mtime: number, signal: AbortSignal): Promise<void> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    if (!this.rules.setsTimes) return;
    await this.#root.folder(parentOf(path), async (folder) => {
      const place = folder.at(nameOf(path) === '' ? '.' : nameOf(path));
      const found = await lstat(place);
      if (found.isFile() || found.isDirectory()) await utimes(place, mtime, mtime);
    });
  }

  emptyTrash(...[options, signal]: Parameters<Target['emptyTrash']>): Promise<readonly Emptied[]> {
    return this.#leaving.emptyTrash(options, signal);
  }

  async test(signal: AbortSignal): Promise<TargetTest> {
    signal.throwIfAborted();
    return testFolder(this.#root);
  }

  close(): Promise<void> {
    return this.#batch.close();
  }
}
