import BetterSqlite3 from 'better-sqlite3';
import type { Database } from './open.js';

/** Memory that it may take before it goes to disk, KiB. */
const CACHE = 16_384;

/** A database for one piece of work, in a temporary file that has no name and goes with it (SQLite, "temporary databases"). */
export function openScratch(schema: string): Database {
  const db = new BetterSqlite3('');
  db.pragma(`cache_size = -${CACHE}`);
  db.pragma('journal_mode = OFF');
  db.pragma('synchronous = OFF');
  db.exec(schema);
  return db;
}
