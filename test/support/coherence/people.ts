import { constants, promises as fs } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Admin } from '../simulator.js';
import { codeOf, OpenDirectory } from './directory.js';

export const FOLDERS = ['', 'a', 'b', 'a/c'];
export const NAMES = Array.from({ length: 9 }, (_, n) => `f${n}`);
const SUBFOLDERS = ['a', 'b', 'a/c', 'd0', 'a/d1'];
/** O_PATH of open(2): a handle of the name alone. */
const O_PATH = 0o10000000;
/** Handles of each kind that are kept open at a mount. */
const KEPT = 6;
/** What a program is told that comes too late or second. */
const LATE = new Set(['ENOENT', 'EEXIST', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'ESTALE', 'EXDEV', 'EINVAL']);
/** What it is told besides while there is no network. */
const AWAY = new Set(['EIO', 'ENETDOWN', 'ENETUNREACH', 'EHOSTUNREACH', 'EHOSTDOWN', 'ETIMEDOUT', 'EAGAIN']);

/** One mount, and what is kept open in it. */
export class Place {
  readonly root: string;
  /** Else libfuse 2, whose limits the notes tell. */
  readonly isKernelDriver: boolean;
  readonly directories: OpenDirectory[] = [];
  readonly paths: fs.FileHandle[] = [];
  readonly files: fs.FileHandle[] = [];

  constructor(root: string, isKernelDriver: boolean) {
    this.root = root;
    this.isKernelDriver = isKernelDriver;
  }

  async closeAll(): Promise<void> {
    for (const directory of this.directories.splice(0)) directory.close();
    for (const file of [...this.paths.splice(0), ...this.files.splice(0)]) await file.close();
  }
}

/** What everybody has written: whole contents, one writer at a time, as two would mix theirs in one file. */
export class Written {
  readonly #contents = new Set<string>();
  #next = 0;
  #last: Promise<unknown> = Promise.resolve();

  alone(work: () => Promise<void>): Promise<void> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** A content of its own, from nothing to some hundred kilobytes. */
  make(random: () => number): string {
    const token = `<${this.#next++}>`;
    const size = [0, 1, 50, 3000, 90_000][Math.floor(random() * 5)]!;
    const content = token.repeat(Math.ceil(size / token.length));
    this.#contents.add(content);
    return content;
  }

  has(content: string): boolean {
    return this.#contents.has(content);
  }
}

/** Who does something next, by chance, at any of the mounts or at the server. */
export class Person {
  readonly #random: () => number;
  readonly #places: readonly Place[];
  readonly #admin: Admin;
  readonly #project: number;
  readonly #written: Written;
  readonly #log: string[];
  readonly #known: Set<string>;

  constructor(options: {
    readonly random: () => number;
    readonly places: readonly Place[];
    readonly admin: Admin;
    readonly project: number;
    readonly written: Written;
    readonly log: string[];
    /** Paths that were ever named. */
    readonly known: Set<string>;
  }) {
    this.#random = options.random;
    this.#places = options.places;
    this.#admin = options.admin;
    this.#project = options.project;
    this.#written = options.written;
    this.#log = options.log;
    this.#known = options.known;
  }

  /** @param isAway there is no network at times @throws what no program may be told */
  async act(isAway: boolean): Promise<void> {
    const deed = this.#pick(DEEDS);
    const place = this.#pick(this.#places);
    const path = join(this.#pick(FOLDERS), this.#pick(NAMES));
    const to = join(this.#pick(FOLDERS), this.#pick(NAMES));
    const [folder, folderTo] = [this.#pick(SUBFOLDERS), this.#pick(SUBFOLDERS)];
    for (const one of [path, to]) this.#known.add(one);
    const told = deed.includes('dir') || deed === 'rename folder' ? `${folder} ${folderTo}` : `${path} ${to}`;
    this.#log.push(`${this.#places.indexOf(place)} ${deed} ${told}`);
    try {
      if (deed === 'colleague') await this.#colleague(path, to);
      else await this.#here(deed, place, path, to, folder, folderTo);
    } catch (error) {
      const code = codeOf(error);
      const { message } = error as Error;
      this.#log.push(`  ${message.slice(0, 90)}`);
      // Somebody else closed a handle that is used here.
      const isClosed = message === 'file closed';
      // libfuse 2 cannot hide what is open and goes, where that is just renamed.
      const isBusy = code === 'EBUSY' && !place.isKernelDriver;
      const isLate = isClosed || isBusy || (code !== undefined && (LATE.has(code) || (isAway && AWAY.has(code))));
      if (!isLate && !(deed === 'colleague' && /: 4\d\d /.test(message))) throw error;
    }
  }

  async #here(
    deed: Exclude<Deed, 'colleague'>,
    place: Place,
    path: string,
    to: string,
    folder: string,
    folderTo: string,
  ): Promise<void> {
    const at = (one: string): string => join(place.root, one);
    const keep = async <T>(kept: T[], opened: T, close: (old: T) => unknown): Promise<void> => {
      kept.push(opened);
      if (kept.length > KEPT) await close(kept.splice(Math.floor(this.#random() * KEPT), 1)[0]!);
    };
    switch (deed) {
      case 'stat':
        await fs.lstat(at(path));
        return;
      case 'read':
        await fs.readFile(at(path));
        return;
      case 'list':
        await fs.readdir(at(dirname(path)));
        return;
      case 'keep folder':
        return keep(place.directories, new OpenDirectory(at(dirname(path))), (old) => old.close());
      case 'read on':
        if (place.directories.length > 0) this.#pick(place.directories).some();
        return;
      case 'rewind':
        if (place.directories.length > 0) this.#pick(place.directories).rewind();
        return;
      case 'keep path':
        return keep(place.paths, await fs.open(at(path), O_PATH), (old) => old.close());
      case 'keep file': {
        const file = await fs.open(at(path), 'r');
        await keep(place.files, file, (old) => old.close());
        await file.read(Buffer.alloc(10), 0, 10, 0);
        return;
      }
      case 'write':
        return this.#write(at(path), this.#written.make(this.#random));
      case 'save': {
        const beside = at(join(dirname(path), 'beside'));
        await this.#write(beside, this.#written.make(this.#random));
        return fs.rename(beside, at(path));
      }
      case 'write by a kept path': {
        if (place.paths.length === 0) return;
        const { fd } = this.#pick(place.paths);
        return this.#write(`/proc/self/fd/${fd}`, this.#written.make(this.#random));
      }
      case 'rename':
        return fs.rename(at(path), at(to));
      case 'unlink':
        return fs.unlink(at(path));
      case 'mkdir':
        return fs.mkdir(at(folder));
      case 'rmdir':
        return fs.rmdir(at(folder));
      case 'rename folder':
        // Several at once wait there for a lock, for ever.
        if (place.isKernelDriver) await fs.rename(at(folder), at(folderTo));
        return;
    }
  }

  /** In two parts, as programs write. */
  #write(path: string, content: string): Promise<void> {
    return this.#written.alone(async () => {
      const file = await fs.open(path, path.startsWith('/proc/') ? constants.O_WRONLY | constants.O_TRUNC : 'w');
      try {
        const half = Math.floor(content.length / 2);
        await file.write(content.slice(0, half), 0);
        await file.write(content.slice(half), half);
      } finally {
        await file.close();
      }
    });
  }

  async #colleague(path: string, to: string): Promise<void> {
    const project = this.#project;
    const content = this.#written.make(this.#random);
    const op = this.#pick(['create', 'create', 'update', 'update', 'rename', 'move', 'delete', 'folder', 'no folder']);
    const folder = this.#pick(SUBFOLDERS);
    this.#log.push(`  ${op} ${op.includes('folder') ? folder : `${path} ${to}`}`);
    if (op === 'folder') await this.#admin.change({ op: 'create', project, path: folder, type: 'folder' });
    else if (op === 'no folder') await this.#admin.change({ op: 'delete', project, path: folder });
    else if (op === 'move') await this.#admin.change({ op, project, path, to });
    else if (op === 'rename') await this.#admin.change({ op, project, path, to: this.#pick(NAMES) });
    else await this.#admin.change({ op, project, path, ...(op === 'delete' ? {} : { content }) });
  }

  #pick<T>(of: readonly T[]): T {
    return of[Math.floor(this.#random() * of.length)]!;
  }
}

const DEEDS = [
  ...['stat', 'stat', 'stat', 'read', 'read', 'list', 'list'],
  ...['keep folder', 'keep folder', 'read on', 'read on', 'rewind', 'keep path', 'keep path', 'keep file', 'keep file'],
  ...['write', 'write', 'save', 'write by a kept path', 'rename', 'rename', 'unlink', 'unlink'],
  ...['mkdir', 'mkdir', 'mkdir', 'rmdir', 'rename folder'],
  ...['colleague', 'colleague', 'colleague', 'colleague', 'colleague', 'colleague'],
] as const;
type Deed =
  | 'stat'
  | 'read'
  | 'list'
  | 'keep folder'
  | 'read on'
  | 'rewind'
  | 'keep path'
  | 'keep file'
  | 'write'
  | 'save'
  | 'write by a kept path'
  | 'rename'
  | 'unlink'
  | 'mkdir'
  | 'rmdir'
  | 'rename folder'
  | 'colleague';
