import { basename, dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { Failure, isFailure } from '../../base/errors.js';
import { nameOf } from '../paths.js';
import { readByCopy } from '../remote/by-copy.js';
import type { RemoteStorage, StagedContent, StorageEntry } from '../remote/storage.js';
import type { ContentHash, TargetRules } from '../target.js';
import type { MakeFolder } from '../temporary.js';
import type { RcloneDaemon } from './daemon.js';
import { rcloneFailure } from './failures.js';
import { type FsInfo, hashKind, rulesFrom } from './rules.js';
import type { StorageType } from './types.js';

/** Files are also stored where size and time are equal, or where the server has no times. */
const CALL_CONFIG = { IgnoreTimes: true };

/** rclone's quote character before characters that stand for others. */
const QUOTE = '\u201b';

/** A path in rclone's notation. */
export const rcPath = (path: string, { rawNames }: StorageType): string =>
  rawNames ? path : path.replaceAll(QUOTE, QUOTE + QUOTE);

/** An item of `operations/list` and `operations/stat`. */
interface RcItem {
  readonly Path: string;
  readonly Name: string;
  readonly Size: number;
  readonly ModTime: string;
  readonly IsDir: boolean;
  readonly Hashes?: Readonly<Record<string, string>>;
}

/** One of rclone's storages, accessed through the remote control of a separate daemon. */
export class RcloneStorage implements RemoteStorage {
  readonly rules: TargetRules;
  readonly root: string;
  readonly publishes: boolean;
  readonly renames: boolean;
  readonly removesFull: boolean;
  readonly takesTimeOfFile: boolean;
  readonly hasLinks: boolean;
  readonly #daemon: RcloneDaemon;
  /** `name:folder`, rclone's notation. */
  readonly #remote: string;
  readonly #kind: string;
  readonly #bucketBased: boolean;
  readonly #showHash: boolean;
  readonly #type: StorageType;
  readonly #temporary: MakeFolder;

  constructor(
    daemon: RcloneDaemon,
    remote: string,
    shown: string,
    type: StorageType,
    kind: string,
    info: FsInfo,
    temporary: MakeFolder,
  ) {
    this.#temporary = temporary;
    this.#daemon = daemon;
    this.#remote = remote;
    this.#kind = kind;
    this.#bucketBased = info.Features?.BucketBased === true;
    this.root = shown;
    this.rules = rulesFrom(type, info);
    this.publishes = type.publishes === true;
    this.renames = info.Features?.Move === true;
    // rclone checks for content before it removes a folder; only some servers check as well.
    this.removesFull = info.Features?.DirMove === true && type.refusesFull !== true;
    this.takesTimeOfFile = this.rules.setsTimes || this.#bucketBased;
    this.hasLinks = type.hasLinks === true;
    this.#type = type;
    this.#showHash = this.rules.hashes.length > 0;
  }

  #rc(path: string): string {
    return rcPath(path, this.#type);
  }

  async entries(folder: string, signal: AbortSignal): Promise<StorageEntry[]> {
    const opt = { showHash: this.#showHash, noMimeType: true };
    const { list } = await this.#call(
      'operations/list',
      { fs: this.#remote, remote: this.#rc(folder), opt },
      folder,
      signal,
    );
    return ((list ?? []) as RcItem[]).map((item) => this.#entry(item));
  }

  async look(path: string, signal: AbortSignal): Promise<StorageEntry | undefined> {
    if (path === '') return { name: '', folder: true, size: 0, mtime: undefined };
    const opt = { showHash: this.#showHash, noMimeType: true };
    try {
      const { item } = await this.#call(
        'operations/stat',
        { fs: this.#remote, remote: this.#rc(path), opt },
        path,
        signal,
      );
      return item ? { ...this.#entry(item as RcItem), name: nameOf(path) } : undefined;
    } catch (error) {
      if (isFailure(error, 'target-missing')) return undefined;
      throw error;
    }
  }

  #entry({ Name, Size, ModTime, IsDir, Hashes }: RcItem): StorageEntry {
    const hash = IsDir ? undefined : hashOf(Hashes, this.rules);
    const time = Date.parse(ModTime) / 1000;
    // For folders of an object store rclone gives the time of the call.
    const known = Number.isFinite(time) && time > 0 && !(IsDir && this.#bucketBased);
    return {
      name: this.#type.rawNames ? Name : Name.replaceAll(QUOTE + QUOTE, QUOTE),
      folder: IsDir,
      size: IsDir ? 0 : Size,
      mtime: known ? exactTime(ModTime, time) : undefined,
      ...(hash ? { hash } : {}),
      ...(Name.startsWith('.') ? { hidden: true } : {}),
    };
  }

  async open(path: string, start: number, signal: AbortSignal): Promise<Readable> {
    // The remote control cannot serve paths with a line break, or remotes with a bracket in the name of the root.
    if (/[\n\r]/.test(path) || /[\]\n\r]/.test(this.#remote)) return this.#copied(path, start, signal);
    const { status, body } = await this.#daemon.object(this.#remote, this.#rc(path), start, signal);
    if (status === 200 || status === 206) return this.#failing(body, path);
    const text = await body.text();
    // A range that starts at the end of the file is empty.
    if (status === 416) return this.#failing(emptied(body), path);
    throw rcloneFailure(`${status} ${text}`, this.root, path, this.#type);
  }

  /** Reads the bytes through a local copy. */
  #copied(path: string, start: number, signal: AbortSignal): Promise<Readable> {
    return readByCopy('copy', start, signal, this.#temporary, (folder) => {
      const input = { srcFs: this.#remote, srcRemote: this.#rc(path), dstFs: folder, dstRemote: 'copy' };
      return this.#call('operations/copyfile', input, path, signal);
    });
  }

  #failing(stream: Readable, path: string): Readable {
    const destroy = stream.destroy.bind(stream);
    stream.destroy = (error?: Error) =>
      destroy(
        error && !isFailure(error) && error.name !== 'AbortError'
          ? new Failure('target-unreachable', { target: this.root, path }, error)
          : error,
      );
    return stream;
  }

  async put({ file }: StagedContent, path: string, signal: AbortSignal): Promise<void> {
    const input = { srcFs: dirname(file), srcRemote: basename(file), dstFs: this.#remote, dstRemote: this.#rc(path) };
    await this.#call('operations/copyfile', input, path, signal);
  }

  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    await this.#call('operations/mkdir', { fs: this.#remote, remote: this.#rc(path) }, path, signal);
  }

  async removeFile(path: string, signal: AbortSignal): Promise<void> {
    await this.#gone('operations/deletefile', path, signal);
  }

  async removeFolder(path: string, signal: AbortSignal): Promise<void> {
    if (this.rules.emptyFolders) await this.#gone('operations/rmdir', path, signal);
  }

  async purge(path: string, signal: AbortSignal): Promise<void> {
    await this.#gone('operations/purge', path, signal);
  }

  async #gone(call: string, path: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#call(call, { fs: this.#remote, remote: this.#rc(path) }, path, signal);
    } catch (error) {
      if (!isFailure(error, 'target-missing')) throw error;
    }
  }

  async rename(from: string, to: string, isFolder: boolean, signal: AbortSignal): Promise<void> {
    if (isFolder) {
      const input = { srcFs: this.#below(from), dstFs: this.#below(to) };
      const how = { createEmptySrcDirs: true, deleteEmptySrcDirs: true };
      await this.#call('sync/move', { ...input, ...how }, from, signal);
      // A folder that is moved file by file is itself left behind.
      if (this.rules.emptyFolders) await this.#gone('operations/rmdir', from, signal);
      return;
    }
    const input = { srcFs: this.#remote, srcRemote: this.#rc(from), dstFs: this.#remote, dstRemote: this.#rc(to) };
    await this.#call('operations/movefile', input, from, signal);
  }

  #below(path: string): string {
    return this.#remote.endsWith(':') || this.#remote.endsWith('/')
      ? this.#remote + this.#rc(path)
      : `${this.#remote}/${this.#rc(path)}`;
  }

  /** The remote control has no call for this; rclone's command line has. */
  async setTime(path: string, mtime: number, signal: AbortSignal): Promise<void> {
    const timestamp = new Date(mtime * 1000).toISOString().slice(0, -1);
    const input = { command: 'touch', arg: ['--no-create', this.#below(path)], opt: { timestamp } };
    const { error, result } = await this.#call('core/command', input, path, signal);
    if (error) throw rcloneFailure(String(result), this.root, path, this.#type);
  }

  async about(signal: AbortSignal) {
    try {
      const { free, total } = await this.#call('operations/about', { fs: this.#remote }, '', signal);
      return {
        kind: this.#kind,
        ...(typeof free === 'number' ? { free } : {}),
        ...(typeof total === 'number' ? { total } : {}),
      };
    } catch (error) {
      // Many storages do not report it.
      if (isFailure(error, 'target-failed') || isFailure(error, 'target-missing')) return { kind: this.#kind };
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#daemon.close();
  }

  async #call(name: string, input: Record<string, unknown>, path: string, signal: AbortSignal) {
    const { status, body } = await this.#daemon.call(name, { ...input, _config: CALL_CONFIG }, signal);
    if (status === 200) return body;
    throw rcloneFailure(String(body.error ?? status), this.root, path, this.#type);
  }
}

function hashOf(hashes: Readonly<Record<string, string>> | undefined, rules: TargetRules): ContentHash | undefined {
  for (const [name, value] of Object.entries(hashes ?? {})) {
    const kind = hashKind(name);
    if (kind && value !== '' && rules.hashes.includes(kind)) return { kind, value: value.toLowerCase() };
  }
  return undefined;
}

/** JavaScript dates have a resolution of milliseconds. */
function exactTime(text: string, time: number): number {
  const fraction = /\.(\d+)/.exec(text)?.[1];
  return fraction === undefined ? time : Math.floor(time) + Number(`0.${fraction}`);
}

function emptied(stream: Readable): Readable {
  stream.resume();
  return stream;
}
