import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '../../database/open.js';
import { outboxOptions } from './schema.js';

/**
 * The pending changes in the outbox of a project that no process owns. The caller holds the project's lock. `since`: of
 * the oldest change, milliseconds since the epoch. `heldCount`: number of deletions and overwrites that the delete guard
 * holds. `pins`: number of items whose content is to be kept on disk.
 */
export function leftInOutbox(folder: string): {
  readonly count: number;
  readonly since: number | undefined;
  readonly heldCount: number;
  readonly pins: number;
} {
  const path = join(folder, 'outbox.db');
  if (!existsSync(path)) return { count: 0, since: undefined, heldCount: 0, pins: 0 };
  const db = openDatabase(path, { ...outboxOptions, exclusive: false, readOnly: true });
  try {
    const row = db
      .prepare<[], { count: number; since: number | null }>(
        `SELECT count(*) AS count, min(since) AS since FROM intents WHERE state <> 'local'`,
      )
      .get();
    const isOn = db.prepare("SELECT 1 FROM meta WHERE key = 'brake' AND value = 1").get() !== undefined;
    const held = db.prepare<[], number>(
      'SELECT count(*) FROM intents WHERE released = 0 AND (deleted = 1 OR (dirty = 1 AND base_version <> 0))',
    );
    const heldCount = isOn ? (held.pluck().get() ?? 0) : 0;
    // An outbox that an older program version made has no such table yet.
    const hasPins = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'pins'").get() !== undefined;
    const pins = hasPins ? (db.prepare<[], number>('SELECT count(*) FROM pins').pluck().get() ?? 0) : 0;
    return { count: row?.count ?? 0, since: row?.since ?? undefined, heldCount, pins };
  } finally {
    db.close();
  }
}
