import type { Database, Statement } from '../../database/open.js';
import { openScratch } from '../../database/scratch.js';

/** Size in bytes from which two files of equal size and type are almost certainly identical. */
const TELLING_BYTES = 65_536;
/** Paths shown of each group. */
const SHOWN_PATHS = 5;

export interface DuplicateGroup {
  /** Size of each file, bytes. */
  readonly size: number;
  readonly count: number;
  readonly paths: readonly string[];
}

/**
 * Groups of files that are probably identical: of equal size and type, or for small files of equal size and name. Kept
 * in a temporary database on disk.
 */
export class Duplicates {
  readonly #db: Database;
  readonly #add: Statement<[number, string, string], { id: number; count: number }>;
  readonly #more: Statement<[number, string]>;
  groups = 0;
  /** Files except the first of each group, and their bytes. */
  files = 0;
  bytes = 0;

  constructor() {
    this.#db = openScratch(`
      CREATE TABLE groups (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, mark TEXT NOT NULL, count INTEGER NOT NULL,
        first TEXT NOT NULL);
      CREATE UNIQUE INDEX by_mark ON groups (size, mark);
      CREATE INDEX by_waste ON groups (size * (count - 1)) WHERE count > 1;
      CREATE TABLE others (id INTEGER NOT NULL, path TEXT NOT NULL);
      CREATE INDEX others_by_id ON others (id);
    `);
    // A single transaction for everything: the data need not survive the process.
    this.#db.exec('BEGIN');
    this.#add = this.#db.prepare(
      `INSERT INTO groups (size, mark, count, first) VALUES (?, ?, 1, ?)
       ON CONFLICT (size, mark) DO UPDATE SET count = count + 1 RETURNING id, count`,
    );
    this.#more = this.#db.prepare('INSERT INTO others (id, path) VALUES (?, ?)');
  }

  /** @param extension with its dot */
  add(path: string, name: string, extension: string, size: number): void {
    if (size === 0) return;
    const { id, count } = this.#add.get(size, size >= TELLING_BYTES ? `*${extension}` : name, path)!;
    if (count === 1) return;
    if (count === 2) this.groups++;
    this.files++;
    this.bytes += size;
    if (count <= SHOWN_PATHS) this.#more.run(id, path);
  }

  /** Groups that waste the most bytes. */
  largest(limit: number): DuplicateGroup[] {
    const others = this.#db.prepare<[number], string>('SELECT path FROM others WHERE id = ? ORDER BY rowid').pluck();
    return this.#db
      .prepare<[number], { id: number; size: number; count: number; first: string }>(
        'SELECT id, size, count, first FROM groups WHERE count > 1 ORDER BY size * (count - 1) DESC LIMIT ?',
      )
      .all(limit)
      .map(({ id, size, count, first }) => ({ size, count, paths: [first, ...others.all(id)] }));
  }

  close(): void {
    this.#db.close();
  }
}
