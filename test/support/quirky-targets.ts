import { createReadStream, lstatSync, readdirSync, statSync } from 'node:fs';
import { copyFile, mkdir, readFile, readlink, rename, rm, rmdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { errnoOf, Failure } from '#src/base/errors.js';
import { nameOf, parentOf } from '#src/endpoints/paths.js';
import type { RemoteStorage, StagedContent, StorageEntry } from '#src/endpoints/remote/storage.js';
import { rulesOf } from '#src/endpoints/rules.js';
import type { ContentForm, TargetRules } from '#src/endpoints/target.js';
import { foldCase } from '#src/names/fold.js';

/** In what a target differs from a folder of Linux. */
export interface Quirks {
  readonly title: string;
  /** The Unicode form in which it keeps names. */
  readonly form?: 'NFC' | 'NFD';
  /** `A.txt` and `a.txt` are one: under the name that came first, or all in lower case. */
  readonly case?: 'kept' | 'lowered';
  /** Seconds to which times are cut; `none`: they are those of the writing. */
  readonly times?: number | 'none';
  /** Folders are there only as long as something is in them. */
  readonly emptyFolders?: false;
  /** Names that exist, and are in no listing. */
  readonly hides?: RegExp;
  /** A local file is what lstat(2) says that it is: of a link its own bytes are stored. */
  readonly byLstat?: true;
  /** Listings after a new name that do not show it. */
  readonly late?: number;
  /** A file appears under its name when it is complete. */
  readonly publishes?: true;
  /** Forms in which it reads content; a local file unless told. */
  readonly reads?: readonly ContentForm[];
}

/** One row a way in which real shares and clouds differ; the last one has many of them at once. */
export const QUIRKS: readonly Quirks[] = [
  { title: 'names in NFC', form: 'NFC' },
  { title: 'names in NFD', form: 'NFD' },
  { title: 'any case, kept', case: 'kept' },
  { title: 'names in lower case', case: 'lowered' },
  { title: 'times of 2 s', times: 2 },
  { title: 'times of its own', times: 'none', publishes: true },
  { title: 'no empty folders', emptyFolders: false, publishes: true },
  { title: 'hidden names', hides: /^\.|~$/ },
  { title: 'local files by lstat', byLstat: true },
  { title: 'local files by lstat, without times', byLstat: true, times: 'none' },
  { title: 'late lists', late: 1 },
  { title: 'descriptors of this process', reads: ['file', 'descriptor'] },
  {
    title: 'many at once',
    form: 'NFC',
    case: 'lowered',
    times: 2,
    emptyFolders: false,
    hides: /^\./,
    byLstat: true,
    late: 1,
    publishes: true,
  },
];

/** A storage as `quirks` say, whose files lie in a folder of this machine: `new RemoteTarget(quirky, staging)`. */
export class Quirky implements RemoteStorage {
  readonly rules: TargetRules;
  readonly root: string;
  readonly publishes: boolean;
  readonly takesTimeOfFile: boolean;
  readonly renames: boolean;
  readonly removesFull: boolean = false;
  readonly hasLinks = false;
  readonly #folder: string;
  readonly #quirks: Quirks;
  /** Names by their place on the disk → listings that will not show them. */
  readonly #late = new Map<string, number>();

  constructor(folder: string, quirks: Quirks) {
    this.#folder = folder;
    this.#quirks = quirks;
    this.root = `${quirks.title}:${folder}`;
    this.publishes = quirks.publishes === true;
    const { times = 0, emptyFolders = true, reads = ['file'] } = quirks;
    // What knows no folders knows no other name for what is there, either.
    this.renames = emptyFolders;
    this.takesTimeOfFile = quirks.byLstat === true && times !== 'none';
    this.rules = rulesOf('linux', {
      caseInsensitive: quirks.case !== undefined,
      // As of every storage that does not tell.
      normalizes: true,
      timeGrain: times === 'none' ? 1 : Math.max(times, 1e-6),
      setsTimes: times !== 'none',
      emptyFolders,
      replacesAtOnce: true,
      reads,
    });
  }

  /** A name as it is kept. */
  kept(name: string): string {
    const { form, case: fold } = this.#quirks;
    const formed = form === undefined ? name : name.normalize(form);
    return fold === 'lowered' ? formed.toLowerCase() : formed;
  }

  isListed(name: string): boolean {
    return this.#quirks.hides?.test(this.kept(name)) !== true;
  }

  /** From now on listings show everything that they ever will. */
  settle(): void {
    this.#late.clear();
  }

  /** Where an item lies on the disk. */
  place(path: string): string {
    let at = this.#folder;
    for (const name of path === '' ? [] : path.split('/')) at = join(at, this.#nameIn(at, this.kept(name)));
    return at;
  }

  #nameIn(folder: string, name: string): string {
    if (this.#quirks.case !== 'kept') return name;
    const fold = foldCase(name);
    return namesOf(folder).find((one) => foldCase(one) === fold) ?? name;
  }

  async entries(folder: string, _signal: AbortSignal): Promise<StorageEntry[]> {
    const place = this.place(folder);
    if (this.#entry(folder) === undefined) {
      if (this.#quirks.emptyFolders === false) return [];
      throw new Failure('target-missing', { target: this.root, path: folder });
    }
    return namesOf(place).flatMap((name) => {
      const late = this.#late.get(join(place, name)) ?? 0;
      if (late > 0) this.#late.set(join(place, name), late - 1);
      const entry = late > 0 || !this.isListed(name) ? undefined : this.#entryAt(join(place, name));
      return entry ? [entry] : [];
    });
  }

  look(path: string, _signal: AbortSignal): Promise<StorageEntry | undefined> {
    return Promise.resolve(this.#entry(path));
  }

  /** Under the name that was asked for, as most servers answer: only listings tell how it is kept. */
  #entry(path: string): StorageEntry | undefined {
    const entry = this.#entryAt(this.place(path));
    return entry && { ...entry, name: nameOf(path) };
  }

  #entryAt(place: string): StorageEntry | undefined {
    const found = statSync(place, { throwIfNoEntry: false });
    if (!found) return undefined;
    const folder = found.isDirectory();
    const { times = 0, emptyFolders } = this.#quirks;
    const mtime =
      times === 'none' || times === 0 ? found.mtimeMs / 1000 : Math.floor(found.mtimeMs / 1000 / times) * times;
    const name = nameOf(place);
    return {
      name,
      folder,
      size: folder ? 0 : found.size,
      mtime: folder && emptyFolders === false ? undefined : mtime,
      ...(name.startsWith('.') ? { hidden: true } : {}),
    };
  }

  async open(path: string, start: number, _signal: AbortSignal): Promise<Readable> {
    const entry = this.#entry(path);
    if (!entry) throw new Failure('target-missing', { target: this.root, path });
    if (entry.folder) throw new Failure('target-exists', { target: this.root, path, why: 'it is a folder' });
    return createReadStream(this.place(path), { start });
  }

  async put({ file, mtime }: StagedContent, path: string, _signal: AbortSignal): Promise<void> {
    const place = this.place(path);
    const isNew = this.#entry(path) === undefined;
    if (this.#quirks.emptyFolders === false) await mkdir(dirname(place), { recursive: true });
    const seen = lstatSync(file);
    if (this.#quirks.byLstat && seen.isSymbolicLink()) await writeFile(place, await readlink(file));
    else await copyFile(file, place);
    if (this.rules.setsTimes && mtime !== undefined) await utimes(place, mtime, mtime);
    if (isNew) this.#appeared(place);
  }

  #appeared(place: string): void {
    if (this.#quirks.late) this.#late.set(place, this.#quirks.late);
  }

  async makeFolder(path: string, _signal: AbortSignal): Promise<void> {
    const place = this.place(path);
    const isNew = this.#entry(path) === undefined;
    await mkdir(place, { recursive: true });
    if (isNew) this.#appeared(place);
  }

  async removeFile(path: string, _signal: AbortSignal): Promise<void> {
    await rm(this.place(path), { force: true });
    await this.#prune(path);
  }

  async removeFolder(path: string, _signal: AbortSignal): Promise<void> {
    try {
      await rmdir(this.place(path));
    } catch (error) {
      if (errnoOf(error) === 'ENOTEMPTY') throw new Failure('target-not-empty', { target: this.root, path }, error);
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  async purge(path: string, _signal: AbortSignal): Promise<void> {
    await rm(this.place(path), { recursive: true, force: true });
    await this.#prune(path);
  }

  async rename(from: string, to: string, _isFolder: boolean, _signal: AbortSignal): Promise<void> {
    const source = this.place(from);
    // A new spelling of the same name is taken, where names keep theirs.
    const isSame = this.place(to) === source;
    const destination = isSame ? join(dirname(source), this.kept(nameOf(to))) : this.place(to);
    const isNew = this.#entry(to) === undefined;
    if (this.#quirks.emptyFolders === false) await mkdir(dirname(destination), { recursive: true });
    await rename(source, destination);
    if (isNew) this.#appeared(destination);
    if (!isSame) await this.#prune(from);
  }

  /** Folders that nothing is in any more are not there any more. */
  async #prune(path: string): Promise<void> {
    if (this.#quirks.emptyFolders !== false) return;
    for (let at = parentOf(path); at !== ''; at = parentOf(at))
      try {
        await rmdir(this.place(at));
      } catch {
        return;
      }
  }

  async setTime(path: string, mtime: number, _signal: AbortSignal): Promise<void> {
    await utimes(this.place(path), mtime, mtime);
  }

  about(_signal: AbortSignal) {
    return Promise.resolve({ kind: this.#quirks.title });
  }

  peek(path: string): Promise<Buffer> {
    return readFile(this.place(path));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function namesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}
