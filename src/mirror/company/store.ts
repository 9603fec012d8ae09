import { type Failure, type FailureJson, failureFromJson, failureToJson } from '../../base/errors.js';
import { asRemoteId, type CompanyId, type FileNumber, type ProjectId, ROOT_INODE } from '../../base/ids.js';
import { type Database, openDatabase, type Statement } from '../../database/open.js';
import { allocateName } from '../database/allocate-name.js';
import { CompanyNumbers } from './numbers.js';

/** A project as a listing of its company shows it. */
export interface ListedProject {
  readonly id: ProjectId;
  readonly company: CompanyId;
  readonly name: string;
  /** Seconds since the epoch. */
  readonly updatedAt: number | undefined;
}

/** Attributes of a project's folder that are shown while the project is not open. */
export interface FolderLook {
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly ctime: number;
  /** Permission bits; undefined: the mount's default. */
  readonly mode: number | undefined;
}

/** A project of the company, as the mount shows it. */
export interface CompanyProject {
  readonly id: ProjectId;
  readonly company: CompanyId;
  /** Its folder's name. */
  readonly name: string;
  readonly remoteName: string;
  /** Its folder's file number. */
  readonly number: FileNumber;
  readonly look: FolderLook;
}

/** A project folder that appeared, disappeared or was renamed. */
export interface ProjectChange {
  readonly before: string | undefined;
  readonly after: string | undefined;
}

interface Row {
  readonly id: number;
  readonly company: number;
  readonly remote_name: string;
  readonly name: string;
  readonly gone: number;
  readonly mtime: number;
  readonly ctime: number;
  readonly mode: number | null;
  readonly refusal: string | null;
  readonly refused_at: number | null;
}

const MIGRATIONS = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

  CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    company INTEGER NOT NULL,
    remote_name TEXT NOT NULL,
    name TEXT NOT NULL,                -- as shown on Linux, unique among the listed projects
    gone INTEGER NOT NULL DEFAULT 0,   -- 1: missing in the last listing
    mtime INTEGER NOT NULL,            -- of its folder, seconds; this and the next two as last seen
    ctime INTEGER NOT NULL,
    mode INTEGER,
    refusal TEXT,                      -- why it could not be opened, as JSON
    refused_at INTEGER                 -- seconds
  );
  CREATE UNIQUE INDEX projects_by_name ON projects (name) WHERE gone = 0;

  -- File numbers; see CompanyNumbers.
  CREATE TABLE blocks (block INTEGER PRIMARY KEY, project INTEGER NOT NULL, part INTEGER NOT NULL, UNIQUE (project, part));
  `,
];

/** Seconds for which a project without read permission is not requested again. */
const REFUSED_S = 900;

/** `company.db`: the projects of a company as last listed, their local names and their file numbers. */
export class CompanyStore {
  readonly numbers: CompanyNumbers;
  readonly #db: Database;
  readonly #select: Statement<[number], Row>;
  readonly #put: Statement<[Row]>;
  readonly #meta: Statement<[string], number>;
  readonly #setMeta: Statement<[string, number]>;
  readonly #projects = new Map<ProjectId, CompanyProject>();
  readonly #byName = new Map<string, CompanyProject>();
  readonly #refusals = new Map<ProjectId, { readonly failure: FailureJson; readonly at: number }>();
  readonly #gone = new Set<ProjectId>();
  #sorted: readonly CompanyProject[] | undefined;

  /** @throws Failure `database-damaged`, `database-newer`, `state-unwritable` */
  constructor(path: string) {
    this.#db = openDatabase(path, {
      migrations: MIGRATIONS,
      synchronous: 'NORMAL',
      damagedHint: 'remove it: the projects are listed again, and may get other inode numbers',
      cacheKiB: 1024,
    });
    this.numbers = new CompanyNumbers(this.#db);
    this.#select = this.#db.prepare('SELECT * FROM projects WHERE id = ?');
    this.#put = this.#db.prepare(
      `INSERT OR REPLACE INTO projects (id, company, remote_name, name, gone, mtime, ctime, mode, refusal, refused_at)
       VALUES (@id, @company, @remote_name, @name, @gone, @mtime, @ctime, @mode, @refusal, @refused_at)`,
    );
    this.#meta = this.#db.prepare<[string], number>('SELECT value FROM meta WHERE key = ?').pluck();
    this.#setMeta = this.#db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
    this.#load();
  }

  /** Time of the last listing, seconds since the epoch; undefined: never listed. */
  get listedAt(): number | undefined {
    return this.#meta.get('listed-at');
  }

  /** Time of the last listing that changed something, seconds since the epoch; 0: none. */
  get changedAt(): number {
    return this.#meta.get('changed-at') ?? 0;
  }

  /** The projects of the last listing, in order of their numbers. */
  get all(): readonly CompanyProject[] {
    this.#sorted ??= [...this.#byName.values()].sort((a, b) => a.number - b.number);
    return this.#sorted;
  }

  named(name: string): CompanyProject | undefined {
    return this.#byName.get(name);
  }

  /** Also returns a project that is gone: one of its files may still be open. */
  get(id: ProjectId): CompanyProject | undefined {
    return this.#projects.get(id);
  }

  isGone(id: ProjectId): boolean {
    return this.#gone.has(id);
  }

  /** Stores a complete listing. Projects that it lacks are marked as gone. */
  replace(listed: readonly ListedProject[], now: number): ProjectChange[] {
    const before = new Map([...this.#projects.values()].map((one) => [one.id, this.#shown(one)]));
    const work = this.#db.transaction(() => {
      const present = new Set(listed.map(({ id }) => id));
      for (const { id } of this.all) if (!present.has(id)) this.#write({ ...this.#row(id), gone: 1 });
      // Of several new projects with one name, the lowest id gets the plain name.
      for (const one of [...listed].sort((a, b) => a.id - b.id)) this.#list(one, now);
      this.#setMeta.run('listed-at', now);
    });
    try {
      work();
    } catch (error) {
      // After a failed transaction (disk full), memory must match the disk again.
      this.numbers.load();
      this.#load();
      throw error;
    }
    const changes: ProjectChange[] = [];
    for (const project of this.#projects.values()) {
      const change = { before: before.get(project.id), after: this.#shown(project) };
      if (change.before !== change.after) changes.push(change);
    }
    if (changes.length > 0) this.#setMeta.run('changed-at', now);
    return changes;
  }

  /** Records the attributes of a project's folder as last seen. */
  remember(id: ProjectId, look: FolderLook): void {
    const row = this.#projects.has(id) ? this.#row(id) : undefined;
    if (row && (row.mtime !== look.mtime || row.ctime !== look.ctime || row.mode !== (look.mode ?? null)))
      this.#write({ ...row, ...look, mode: look.mode ?? null });
  }

  /** Records for `REFUSED_S` that the project cannot be opened. `now`: seconds. */
  refuse(id: ProjectId, failure: Failure, now: number): void {
    const refusal = failureToJson(failure);
    this.#write({ ...this.#row(id), refusal: JSON.stringify(refusal), refused_at: now });
  }

  /** Why the project recently could not be opened; undefined if no refusal is in force. */
  refusal(id: ProjectId, now: number): Failure | undefined {
    const refused = this.#refusals.get(id);
    return refused && now - refused.at < REFUSED_S && now >= refused.at ? failureFromJson(refused.failure) : undefined;
  }

  /** Drops the refusal, so that the next attempt asks the server. */
  forgive(id: ProjectId): void {
    if (this.#refusals.has(id)) this.#write({ ...this.#row(id), refusal: null, refused_at: null });
  }

  close(): void {
    this.#db.close();
  }

  #list({ id, company, name: remoteName, updatedAt }: ListedProject, now: number): void {
    const known = this.#projects.get(id);
    const isThere = known !== undefined && !this.#gone.has(id);
    if (isThere && known.remoteName === remoteName && known.company === company) return;
    const holder = (_: unknown, name: string) => {
      const other = this.#byName.get(name);
      return other && asRemoteId(other.id);
    };
    const name = allocateName({ holder }, asRemoteId(company), remoteName, asRemoteId(id));
    const time = Math.floor(updatedAt ?? now);
    const look = known ? this.#row(id) : { mtime: time, ctime: time, mode: null, refusal: null, refused_at: null };
    this.#write({ ...look, id, company, remote_name: remoteName, name, gone: 0 });
  }

  #load(): void {
    for (const known of [this.#projects, this.#byName, this.#refusals, this.#gone]) known.clear();
    for (const row of this.#db.prepare<[], Row>('SELECT * FROM projects').all()) this.#take(row);
  }

  #shown(project: CompanyProject): string | undefined {
    return this.#gone.has(project.id) ? undefined : project.name;
  }

  #row(id: ProjectId): Row {
    return this.#select.get(id)!;
  }

  #write(row: Row): void {
    this.#put.run(row);
    this.#take(row);
  }

  #take(row: Row): void {
    const id = row.id as ProjectId;
    const before = this.#projects.get(id);
    if (before && this.#byName.get(before.name)?.id === id) this.#byName.delete(before.name);
    const project: CompanyProject = {
      id,
      company: row.company as CompanyId,
      name: row.name,
      remoteName: row.remote_name,
      number: this.numbers.number(id, ROOT_INODE),
      look: { mtime: row.mtime, ctime: row.ctime, mode: row.mode ?? undefined },
    };
    this.#projects.set(id, project);
    if (row.gone) this.#gone.add(id);
    else {
      this.#gone.delete(id);
      this.#byName.set(project.name, project);
    }
    this.#sorted = undefined;
    if (row.refusal === null || row.refused_at === null) this.#refusals.delete(id);
    else this.#refusals.set(id, { failure: JSON.parse(row.refusal) as FailureJson, at: row.refused_at });
  }
}
