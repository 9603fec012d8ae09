import { readFileSync, readlinkSync } from 'node:fs';
import { constants, type FileHandle, lstat, open, realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { systemClock } from '../../base/clock.js';
import { errnoOf, Failure } from '../../base/errors.js';
import { isWithin, realPath } from '../../base/real-path.js';
import { type MountEntry, parseMountTable } from '../../fuse/mountpoint.js';
import { folderFailure } from './failures.js';

/** File systems on a network; those of FUSE may be. */
const REMOTE = /^(?:cifs|smb3|smbfs|nfs|nfs4|ceph|9p|afs|fuse(?:\..*)?)$/;

/** The mount that contains a path of this machine. */
export function mountOf(path: string): MountEntry | undefined {
  const inside = mountTable().filter(
    ({ mountpoint: at }) => at === '/' || path === at || path.startsWith(at.endsWith('/') ? at : `${at}/`),
  );
  // Of two mounts at one place the later one is visible.
  const longer = (best: MountEntry | undefined, one: MountEntry): MountEntry =>
    best && best.mountpoint.length > one.mountpoint.length ? best : one;
  return inside.reduce<MountEntry | undefined>(longer, undefined);
}

const mountTable = (): readonly MountEntry[] => parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'));

/** Ms for which an open folder is shared without another check that it is still in its place. */
const SHARED_FOR_MS = 500;

interface Opened {
  readonly folder: OpenFolder;
  readonly since: number;
  users: number;
}

/** An open folder of this machine; `at(name)` is a path to a child that no link can redirect. */
export interface OpenFolder {
  readonly handle: FileHandle;
  at(name: string): string;
}

/**
 * The root of a folder target. Folders below it are opened by path, and the opened folder must *be* at that path, so
 * that no symbolic link leads out of the root. The root must also be on the file system that it was on at first, so
 * that a share that is no longer mounted is not taken for an empty folder.
 */
export class FolderRoot {
  readonly path: string;
  readonly type: string;
  readonly remote: boolean;
  /** Mount point of its file system. */
  readonly mountpoint: string;
  /** Mounts of the opened folders, by the kernel's device numbers. */
  readonly #mounts = new Map<number, string>();
  /** Folders below the root on which file systems are mounted. */
  readonly #nested: ReadonlySet<string>;
  /** Folders in use. */
  readonly #opened = new Map<string, Opened>();

  private constructor(path: string, mount: MountEntry | undefined) {
    this.path = path;
    const top = path === '/' ? path : `${path}/`;
    this.#nested = new Set(
      mountTable()
        .map(({ mountpoint }) => mountpoint)
        .filter((mountpoint) => mountpoint.startsWith(top) && mountpoint !== top),
    );
    this.mountpoint = mount?.mountpoint ?? '/';
    this.type = mount?.type ?? 'unknown';
    this.remote = REMOTE.test(this.type);
  }

  /**
   * @param mountpoint where the file system was mounted when the target was defined
   * @param within the folder that no link may lead out of; absent: none
   * @throws Failure `target-unreachable`, `target-missing`, `target-outside`
   */
  static async open(path: string, mountpoint: string | undefined, within?: string): Promise<FolderRoot> {
    try {
      const real = await realpath(path);
      requireWithin(real, within);
      requireMounted(real, mountpoint);
      return new FolderRoot(real, mountOf(real));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw folderFailure(error, path, '', true);
      requireMounted(path, mountpoint);
      throw new Failure('target-missing', { target: path, path: 'folder' }, error);
    }
  }

  /** Whether a file system was mounted on a folder when the root was opened. */
  isMount(path: string): boolean {
    return this.#nested.size > 0 && this.#nested.has(join(this.path, path));
  }

  /** The root, and the folders below it on which file systems were mounted when the root was opened. */
  get tops(): string[] {
    return ['', ...[...this.#nested].map((mountpoint) => relative(this.path, mountpoint))];
  }

  /** The one of `tops` whose file system contains a folder. */
  topOf(folder: string): string {
    const full = join(this.path, folder);
    return this.tops.reduce((deepest, top) =>
      top.length > deepest.length && isAtOrBelow(full, join(this.path, top)) ? top : deepest,
    );
  }

  failure(error: unknown, path: string): Error {
    return folderFailure(error, this.path, path, this.remote);
  }

  /**
   * Opens a folder for `use`. Concurrent users of the same folder share it; it is closed after the last one.
   * @throws Failure `target-outside`, `target-missing`, `target-unreachable`
   */
  async folder<T>(path: string, use: (folder: OpenFolder) => Promise<T>): Promise<T> {
    let opened = this.#opened.get(path);
    if (!opened || systemClock.monotonic() - opened.since > SHARED_FOR_MS) {
      const since = systemClock.monotonic();
      opened = { folder: await this.#open(path), since, users: 0 };
      this.#opened.set(path, opened);
    }
    opened.users++;
    try {
      return await use(opened.folder);
    } catch (error) {
      throw this.failure(error, path);
    } finally {
      if (--opened.users === 0) {
        if (this.#opened.get(path) === opened) this.#opened.delete(path);
        await opened.folder.handle.close();
      }
    }
  }

  async #open(path: string): Promise<OpenFolder> {
    const full = path === '' ? this.path : join(this.path, path);
    let handle: FileHandle;
    try {
      handle = await open(full, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (error) {
      throw await this.#whyNot(error, path);
    }
    try {
      this.#checkMount(handle.fd, full);
      const link = `/proc/self/fd/${handle.fd}`;
      if (readlinkSync(link) !== full) throw await this.#whyNot(undefined, path);
      return { handle, at: (name) => `${link}/${name}` };
    } catch (error) {
      await handle.close();
      throw this.failure(error, path);
    }
  }

  /** An unmounted share leaves an empty folder in its place. */
  #checkMount(fd: number, full: string): void {
    const id = Number(/^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1]);
    let at = this.#mounts.get(id);
    if (at === undefined) {
      at = mountTable().find((one) => one.id === id)?.mountpoint;
      if (at !== undefined) this.#mounts.set(id, at);
    }
    const wanted = this.#mountOf(full);
    if (at === undefined || !isAtOrBelow(at, wanted))
      throw new Failure('target-unreachable', { target: this.path, why: `${wanted} is not mounted any more` });
  }

  /** The mount of a folder when the root was opened. */
  #mountOf(full: string): string {
    let deepest = this.mountpoint;
    for (const nested of this.#nested)
      if (nested.length > deepest.length && isAtOrBelow(full, nested)) deepest = nested;
    return deepest;
  }

  /** Why a folder cannot be opened: the share is gone, or a part of the path is no folder. */
  async #whyNot(error: unknown, path: string): Promise<Error> {
    try {
      if (!isAtOrBelow(mountOf(this.path)?.mountpoint ?? '/', this.mountpoint))
        return new Failure('target-unreachable', { target: this.path, why: `${this.mountpoint} is not mounted` });
      const names = path === '' ? [] : path.split('/');
      for (let n = 0; n <= names.length; n++) {
        const above = names.slice(0, n).join('/');
        const found = await lstat(join(this.path, above));
        if (found.isSymbolicLink()) return new Failure('target-outside', { target: this.path, path: above });
        if (!found.isDirectory()) return new Failure('target-exists', { target: this.path, path: above });
      }
    } catch (inner) {
      const failure = this.failure(inner, path);
      // The root itself existed when the target was opened.
      if (path === '' && errnoOf(inner) === 'ENOENT')
        return new Failure('target-unreachable', { target: this.path, why: 'the folder has gone' }, inner);
      return failure;
    }
    return this.failure(error ?? Object.assign(new Error('it was moved'), { code: 'ENOENT' }), path);
  }
}

/** @throws Failure `target-unreachable` where a path is not on the file system mounted at `mountpoint`, or below it */
export function requireMounted(path: string, mountpoint: string | undefined): void {
  if (mountpoint === undefined || isAtOrBelow(mountOf(path)?.mountpoint ?? '/', mountpoint)) return;
  throw new Failure('target-unreachable', { target: path, why: `nothing is mounted at ${mountpoint}` });
}

/** @throws Failure `target-outside` for a path that, with its links resolved, is not below a folder */
export function requireWithin(real: string, within: string | undefined): void {
  if (within !== undefined && !isWithin(real, realPath(within)))
    throw new Failure('target-outside', { target: within, path: real });
}

const isAtOrBelow = (path: string, top: string): boolean => top === '/' || path === top || path.startsWith(`${top}/`);
