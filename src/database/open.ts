import { chmodSync, existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { errnoOf, Failure } from '../base/errors.js';

export type Database = BetterSqlite3.Database;
export type Transaction<Work extends (...parameters: never[]) => unknown> = BetterSqlite3.Transaction<Work>;
export type Statement<Parameters extends unknown[] = unknown[], Row = unknown> = BetterSqlite3.Statement<
  Parameters,
  Row
>;

export interface DatabaseOptions {
  /** SQL scripts, oldest first. The n-th brings a database from `user_version` n−1 to n; none is ever changed. */
  readonly migrations: readonly string[];
  /**
   * FULL: a commit survives a power cut. NORMAL: a commit survives a crash; a power cut may undo the last commits, but
   * never damages the database.
   */
  readonly synchronous: 'NORMAL' | 'FULL';
  /** Hint for the user if the file is damaged. */
  readonly damagedHint: string;
  /** Page cache of this handle in KiB; default: 8 MiB. */
  readonly cacheKiB?: number;
  /** No other process opens the database: saves the locks of each transaction (SQLite, PRAGMA locking_mode). */
  readonly exclusive?: boolean;
  /** Opens without writing: no migration, no new file. */
  readonly readOnly?: boolean;
}

/**
 * Opens (or creates, 0600) a SQLite database in WAL mode and applies missing migrations.
 * @throws Failure `database-damaged`, `database-newer`, `state-unwritable`, `disk-full`
 */
export function openDatabase(path: string, options: DatabaseOptions): Database {
  let db: Database | undefined;
  try {
    const isNew = !existsSync(path);
    db = new BetterSqlite3(path, { readonly: options.readOnly ?? false, timeout: 10_000 });
    if (isNew) chmodSync(path, 0o600);
    if (options.exclusive) db.pragma('locking_mode = EXCLUSIVE');
    if (!options.readOnly) db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${options.synchronous}`);
    db.pragma(`cache_size = -${options.cacheKiB ?? 8192}`);
    db.pragma('foreign_keys = ON');
    db.pragma('temp_store = MEMORY');
    db.pragma('journal_size_limit = 16777216');
    migrate(db, path, options);
    return db;
  } catch (error) {
    db?.close();
    throw openingFailure(error, path, options.damagedHint);
  }
}

function migrate(db: Database, path: string, options: DatabaseOptions): void {
  const target = options.migrations.length;
  const current = (): number => db.pragma('user_version', { simple: true }) as number;
  if (current() > target) throw new Failure('database-newer', { path });
  if (current() === target || options.readOnly) return;
  const step = db.transaction(() => {
    // The version is read again inside the write lock: another process may have migrated since.
    for (let version = current(); version < target; version++) {
      db.exec(options.migrations[version]!);
      db.pragma(`user_version = ${version + 1}`);
    }
  });
  step.immediate();
}

function openingFailure(error: unknown, path: string, hint: string): unknown {
  const code = errnoOf(error) ?? '';
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return new Failure('database-damaged', { path, hint }, error);
  // SHMSIZE: the shared-memory file (-shm) could not be extended.
  if (/^SQLITE_(FULL|IOERR_SHMSIZE)$/.test(code) || code === 'ENOSPC')
    return new Failure('disk-full', { path: basename(path), disk: dirname(path) }, error);
  if (
    /^SQLITE_(CANTOPEN|READONLY|PERM)/.test(code) ||
    code === 'EACCES' ||
    code === 'EROFS' ||
    error instanceof TypeError
  )
    return new Failure('state-unwritable', { path }, error);
  return error;
}
