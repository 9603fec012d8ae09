import BetterSqlite3 from 'better-sqlite3';
import type { Database } from './open.js';

/** Page cache in KiB; beyond that, SQLite writes to disk. */
const CACHE = 16_384;

/** A temporary database in an unnamed file that SQLite deletes at close (SQLite, "temporary databases"). */
export function openScratch(schema: string): Database {
  const db = new BetterSqlite3('');
  db.pragma(`cache_size = -${CACHE}`);
  db.pragma('journal_mode = OFF');
  db.pragma('synchronous = OFF');
  db.exec(schema);
  return db;
}
