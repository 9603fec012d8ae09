import type { Database, Statement } from '../../database/open.js';
import { bit, OptionalGroup, optional, type Selection, Table } from '../../database/table.js';
import { childPath, nameOf, parentOf } from '../../endpoints/paths.js';
import type { Fingerprint } from '../plan/decide.js';

/** State of an item at both endpoints when it was last transferred. `folder` and `name` are those of the source. */
export interface TransferRecord {
  readonly folder: string;
  readonly name: string;
  readonly isFolder: boolean;
  readonly otherName: string;
  /** Why the names differ. */
  readonly renamed: string | undefined;
  readonly source: Fingerprint | undefined;
  readonly destination: Fingerprint | undefined;
}

interface StoredRecord extends TransferRecord {
  readonly job: string;
}

const fingerprint = (side: 's' | 'd') =>
  new OptionalGroup<Fingerprint>({
    size: `${side}_size`,
    mtime: optional(`${side}_mtime`),
    version: optional(`${side}_version`),
    id: optional(`${side}_id`),
  });
const recordTable = new Table<StoredRecord>('records', {
  job: 'job',
  folder: 'folder',
  name: 'name',
  isFolder: bit('is_folder'),
  otherName: 'other_name',
  renamed: optional('renamed'),
  source: fingerprint('s'),
  destination: fingerprint('d'),
});

const PAGE_ROWS = 500;
/** Tables whose key is the folder and name of an item at the source. */
const KEYED = ['records', 'ignored'];

/** The records of one job. */
export class Records {
  readonly #job: string;
  readonly #ofFolder: Selection<[string, string], TransferRecord>;
  readonly #put: (record: StoredRecord) => void;
  readonly #delete: Statement<[string, string, string]>;
  readonly #deleteBelow: Statement<[string, string, string, string]>;
  readonly #rename: readonly Statement[];
  readonly #renameBelow: readonly Statement[];
  readonly #renamed: Selection<[string, string, string], TransferRecord>;
  readonly #count: Statement<[string], number>;
  readonly #clear: Statement<[string]>;
  readonly #clearMounts: Statement<[string]>;
  readonly #mountOf: Statement<[string, string], string>;
  readonly #noteMount: Statement<[string, string, string]>;
  readonly #ignore: Statement<[string, string, string]>;
  readonly #heed: Statement<[string, string, string]>;
  readonly #heedAll: Statement<[string]>;
  readonly #ignoredIn: Statement<[string, string], string>;

  constructor(db: Database, job: string) {
    this.#job = job;
    this.#ofFolder = recordTable.select(db, 'WHERE job = ? AND folder = ?');
    this.#put = recordTable.insert(db, 'OR REPLACE');
    this.#delete = db.prepare('DELETE FROM records WHERE job = ? AND folder = ? AND name = ?');
    this.#deleteBelow = db.prepare(
      'DELETE FROM records WHERE job = ? AND (folder = ? OR (folder >= ? AND folder < ?))',
    );
    this.#rename = KEYED.map((table) =>
      db.prepare(`UPDATE OR REPLACE ${table} SET name = @to WHERE job = @job AND folder = @folder AND name = @from`),
    );
    this.#renameBelow = KEYED.map((table) =>
      db.prepare(
        `UPDATE OR REPLACE ${table} SET folder = @new || substr(folder, length(@old) + 1)
         WHERE job = @job AND (folder = @old OR (folder >= @old || '/' AND folder < @old || '0'))`,
      ),
    );
    this.#renamed = recordTable.select(
      db,
      `INDEXED BY records_renamed WHERE job = ? AND renamed IS NOT NULL AND (folder, name) > (?, ?)
       ORDER BY folder, name LIMIT ${PAGE_ROWS}`,
    );
    this.#count = db.prepare<[string], number>('SELECT count(*) FROM records WHERE job = ?').pluck();
    this.#clear = db.prepare('DELETE FROM records WHERE job = ?');
    this.#clearMounts = db.prepare('DELETE FROM mounts WHERE job = ?');
    this.#mountOf = db
      .prepare<[string, string], string>('SELECT mountpoint FROM mounts WHERE job = ? AND side = ?')
      .pluck();
    this.#noteMount = db.prepare('INSERT OR REPLACE INTO mounts (job, side, mountpoint) VALUES (?, ?, ?)');
    this.#ignore = db.prepare('INSERT OR IGNORE INTO ignored (job, folder, name) VALUES (?, ?, ?)');
    this.#heed = db.prepare('DELETE FROM ignored WHERE job = ? AND folder = ? AND name = ?');
    this.#heedAll = db.prepare('DELETE FROM ignored WHERE job = ?');
    this.#ignoredIn = db
      .prepare<[string, string], string>('SELECT name FROM ignored WHERE job = ? AND folder = ?')
      .pluck();
  }

  /** Records of a folder by their name at the source. */
  ofFolder(folder: string): Map<string, TransferRecord> {
    return new Map(this.#ofFolder.all(this.#job, folder).map((record) => [record.name, record]));
  }

  /** Names at the source of items that a person chose to ignore. */
  ignoredIn(folder: string): ReadonlySet<string> {
    return new Set(this.#ignoredIn.all(this.#job, folder));
  }

  ignore(folder: string, name: string): void {
    this.#ignore.run(this.#job, folder, name);
  }

  /** Stops ignoring an item. `path` is the source's. @returns whether the item was ignored */
  heed(path: string): boolean {
    return this.#heed.run(this.#job, parentOf(path), nameOf(path)).changes > 0;
  }

  /** Stops ignoring all items. */
  heedAll(): void {
    this.#heedAll.run(this.#job);
  }

  put(record: TransferRecord): void {
    this.#put({ ...record, job: this.#job });
  }

  /** Deletes the record of an item and, for a folder, all records below it. */
  forget(folder: string, name: string, isFolder: boolean): void {
    this.#delete.run(this.#job, folder, name);
    if (!isFolder) return;
    const path = childPath(folder, name);
    // '0' is the character after '/'.
    this.#deleteBelow.run(this.#job, path, `${path}/`, `${path}0`);
  }

  /** Renames an item at the source, and for a folder the paths of all records below it. */
  rename(folder: string, from: string, to: string, isFolder: boolean): void {
    for (const statement of this.#rename) statement.run({ job: this.#job, folder, from, to });
    if (!isFolder) return;
    const places = { job: this.#job, old: childPath(folder, from), new: childPath(folder, to) };
    for (const statement of this.#renameBelow) statement.run(places);
  }

  /**
   * Records whose names differ, for the manifest. Read in pages, so that others can write to the database meanwhile.
   */
  *renamed(): IterableIterator<TransferRecord> {
    for (let last: TransferRecord | undefined; ; ) {
      const page = this.#renamed.all(this.#job, last?.folder ?? '', last?.name ?? '');
      yield* page;
      if (page.length < PAGE_ROWS) return;
      last = page.at(-1);
    }
  }

  get count(): number {
    return this.#count.get(this.#job)!;
  }

  /** Deletes all records and mount points: the next run compares everything and accepts any mount. */
  clear(): void {
    this.#clear.run(this.#job);
    this.#clearMounts.run(this.#job);
  }

  /** Mount point of an endpoint's file system in the last run; undefined if the endpoint is not a local folder. */
  mountOf(side: 'source' | 'destination'): string | undefined {
    return this.#mountOf.get(this.#job, side);
  }

  noteMounts(mounts: Readonly<Record<'source' | 'destination', string | undefined>>): void {
    for (const [side, mountpoint] of Object.entries(mounts))
      if (mountpoint !== undefined) this.#noteMount.run(this.#job, side, mountpoint);
  }
}

/** Access to records one item at a time. Items of a folder follow each other, so only one folder is kept in memory. */
export class FolderRecords {
  readonly #records: Records;
  #folder: string | undefined;
  #known = new Map<string, TransferRecord>();

  constructor(records: Records) {
    this.#records = records;
  }

  get({ folder, name }: { readonly folder: string; readonly name: string }): TransferRecord | undefined {
    if (folder !== this.#folder) {
      this.#known = this.#records.ofFolder(folder);
      this.#folder = folder;
    }
    return this.#known.get(name);
  }

  put(record: TransferRecord): void {
    this.#records.put(record);
    if (record.folder === this.#folder) this.#known.set(record.name, record);
  }
}
