import type { Stats } from 'node:fs';
import {
  constants,
  lstat,
  mkdir,
  open,
  writeFile as putFile,
  readdir,
  rename,
  rm,
  rmdir,
  utimes,
} from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { errnoOf, Failure, isFailure } from '../../base/errors.js';
import { asidePath, bringBack, lookBelow, removeSeen, takeAway } from '../away.js';
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

import {
  type Content,
  type DiscardOptions,
  type Emptied,
  MOUNT_ID,
  type Target,
  type TargetItem,
  type TargetRules,
  type TargetTest,
  type Trash,
  type WriteOptions,
} from '../target.js';
import { noteOf, overdue } from '../trash.js';

import { BatchWriter, SMALL } from './batch.js';
import { GroupSync } from './group-sync.js';
import { firstMode, isOwnerOnly, makeAllLike, makePrivateFolder, protect } from './modes.js';
import { testFolder } from './probe.js';
import { emptyingIn, removeOldParts } from './remove.js';
import { renameNoReplace } from './rename.js';
import type { FolderRoot, OpenFolder } from './root.js';
import { writeFile } from './write.js';

/** Items of a folder that are looked at together. */
const LOOKS = 64;

/** A folder of this machine, or of a share that is mounted on it. */
export class FolderTarget implements Target {
  readonly rules: TargetRules;
  readonly root: string;
  readonly #root: FolderRoot;
  readonly #disk: GroupSync;
  readonly #batch = new BatchWriter();
  /** Notes in the trash that are there. */
  readonly #noted = new Set<string>();

  constructor(root: FolderRoot, rules: TargetRules) {
    this.#root = root;
    this.#disk = new GroupSync(!root.remote);
    this.rules = rules;
    this.root = root.path;
  }

  get mountpoint(): string {
    return this.#root.mountpoint;
  }

  async *list(path: string, signal: AbortSignal): AsyncGenerator<TargetItem> {
    checkPath(path, this.root);
    signal.throwIfAborted();
    const { names, parts } = await this.#root.folder(path, (folder) => this.#names(folder, path));
    for (let start = 0; start < names.length; start += LOOKS) {
      signal.throwIfAborted();
      // The folder is not held open while the caller works: a share must stay unmountable.
      const items = await this.#root.folder(path, (folder) =>
        Promise.all(names.slice(start, start + LOOKS).map((name) => this.#look(folder, path, name))),
      );
      for (const item of items) if (item) yield item;
    }
    if (parts.length > 0) await this.#root.folder(path, (folder) => removeOldParts(folder, parts));
  }

  async #names(folder: OpenFolder, path: string) {
    const found = await readdir(folder.at('.'), { encoding: 'buffer' });
    const names: { name: string; broken: boolean }[] = [];
    const parts: string[] = [];
    for (const bytes of found) {
      const name = bytes.toString('utf8');
      if (name.startsWith(PART_PREFIX)) parts.push(name);
      else if (!isOwn(path, name) && !(name === TRASH && this.#root.isMount(path)))
        names.push({ name, broken: !Buffer.from(name).equals(bytes) });
    }
    return { names: names.sort(byName), parts };
  }

  /** Undefined: it has gone since the folder was read. */
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
      // What has no folder, or a file in place of one, is not there.
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

  /** A stream whose errors are the target's. */
  #failing(stream: Readable, path: string): Readable {
    const destroy = stream.destroy.bind(stream);
    stream.destroy = (error?: Error) => destroy(error && this.#root.failure(error, path));
    return stream;
  }

  async write(path: string, content: Content, options: WriteOptions): Promise<TargetItem> {
    checkNewFile(path, options, this.rules, this.root);
    options.signal.throwIfAborted();
    const item =
      (await this.#writeTogether(path, content, options)) ?? (await this.#writeAlone(path, content, options));
    if (item?.size === options.size) return item;
    throw new Failure('target-damaged', { target: this.root, path, why: `it has ${item?.size ?? 0} bytes there` });
  }

  /** A small new file of a disk of this machine, with others. Undefined: it is not one, or it failed. */
  async #writeTogether(path: string, content: Content, options: WriteOptions): Promise<TargetItem | undefined> {
    const { size, mtime, expected, hash } = options;
    const source = content.descriptor;
    if (this.#root.remote || expected !== null || hash || size > SMALL || source === undefined) return undefined;
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

  async #writeAlone(path: string, content: Content, options: WriteOptions): Promise<TargetItem | undefined> {
    return writeFile(
      { root: this.#root, rules: this.rules, disk: this.#disk },
      path,
      content,
      options,
      () => this.#awayOf(path, options.trash, options.signal),
      (folder) => this.#statIn(folder, path),
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
        if (isPrivate) await makePrivateFolder(at(nameOf(path)));
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
      // Opening it tells a folder from a file and from a link.
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
    if (path === '') throw new Failure('target-denied', { target: this.root, path: 'to remove the root' });
  }

  async discard(seen: TargetItem, { isSeen, trash, signal }: DiscardOptions): Promise<void> {
    const { path, folder } = seen;
    if (folder && !isSeen) return this.removeFolder(path, signal);
    this.#checkRemoval(path);
    const changed = (at = path): Failure => new Failure('target-changed', { target: this.root, path: at });
    const found = await this.#found(path, signal, (item) => {
      const isOne = item === undefined || (item.folder === folder && item.unusable === seen.unusable);
      if (!isOne || (item && !folder && !isAsExpected(item, seen, this.rules.timeGrain))) throw changed();
    });
    if (!found) return;
    const look = async (at: string, one: AbortSignal, check?: (item: TargetItem) => void) =>
      folder
        ? lookBelow(
            at,
            (below) => this.list(below, one),
            check,
            ({ size, mtime }) => [size, mtime],
          )
        : (await this.#found(at, one))?.identity;
    const before = folder
      ? await look(path, signal, (item) => {
          // What is mounted there is none of this folder.
          if (item.id === MOUNT_ID || !isSeen!(item)) throw changed(item.path);
        })
      : found.identity;
    const away = await this.#awayOf(path, trash, signal);
    const movement = { look, move: this.#move.bind(this), makeFolders: this.#makeFolders.bind(this) };
    const isAway = await takeAway({ from: path, to: away, seen: before! }, movement, changed(), signal);
    if (!isAway || trash) return;
    const emptying = emptyingIn(this.#root, (below) => this.list(below, signal));
    if (!folder) return emptying.removeFile(away);
    const left = await removeSeen(away, path, isSeen!, emptying);
    if (left === undefined) return;
    await bringBack(away, path, movement);
    throw changed(left);
  }

  /** What tells an item of this moment from any that may come. */
  async #found(path: string, signal: AbortSignal, check?: (item: TargetItem | undefined) => void) {
    signal.throwIfAborted();
    try {
      return await this.#root.folder(parentOf(path), async (folder) => {
        const found = await lstatIn(folder, path);
        check?.(found && this.#item(found, path));
        // Over a network, numbers of files may be made up anew at each look.
        return found && { identity: JSON.stringify([found.size, found.mtimeMs, this.#root.remote || found.ino]) };
      });
    } catch (error) {
      if (isFailure(error, 'target-missing') || isFailure(error, 'target-exists')) return undefined;
      throw error;
    }
  }

  /** A free path for what leaves: in the trash of its file system, or beside it under a hidden name. */
  async #awayOf(path: string, trash: Trash | undefined, signal: AbortSignal): Promise<string> {
    if (!trash) return asidePath(path);
    const top = this.#root.topOf(parentOf(path));
    const below = top === '' ? path : path.slice(top.length + 1);
    const look = (there: string): Promise<TargetItem | undefined> => this.stat(childPath(top, there), signal);
    const place = childPath(top, await trashPlace(below, trash.day, look));
    if (!(await this.stat(parentOf(place), signal))) {
      await this.#makeFolders(childPath(top, `${TRASH}/${trash.day}`), signal);
      await makeAllLike(this.#root, parentOf(place), parentOf(path));
    }
    const note = noteOf(trash);
    const noted = childPath(top, note.path);
    if (!this.#noted.has(noted))
      await this.#root.folder(parentOf(noted), ({ at }) => putFile(at(nameOf(noted)), note.text));
    this.#noted.add(noted);
    return place;
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
        // `a` to `A` where both are one file is a move onto itself.
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
    if ((await this.stat(path, signal)) === undefined) return [];
    return this.#root.folder(path, async (folder) => {
      const entries = await readdir(folder.at('.'), { withFileTypes: true });
      const over = overdue(
        entries.map((entry) => ({ name: entry.name, folder: entry.isDirectory() })),
        options,
      );
      // The notes last: without them it would be kept again.
      for (const { day, hasFolder, notes } of over)
        for (const name of [...(hasFolder ? [day] : []), ...notes]) {
          signal.throwIfAborted();
          await rm(folder.at(name), { recursive: true, force: true });
        }
      const gone = over.filter(({ hasFolder }) => hasFolder);
      return gone.map(({ day, days, jobs }) => ({ day, days, jobs, ...(top === '' ? {} : { top }) }));
    });
  }

  async test(signal: AbortSignal): Promise<TargetTest> {
    signal.throwIfAborted();
    return testFolder(this.#root);
  }

  close(): Promise<void> {
    return this.#batch.close();
  }
}

async function lstatIn(folder: OpenFolder, path: string): Promise<Stats | undefined> {
  const name = nameOf(path);
  try {
    return await lstat(folder.at(name === '' ? '.' : name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
