import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '../database/open.js';
import { outboxOptions } from './schema.js';

/**
 * What waits in the outbox of a project that no process owns; the caller holds the project's lock.
 * `since`: milliseconds since the epoch, of the oldest.
 */
export function leftInOutbox(folder: string): { readonly count: number; readonly since: number | undefined } {
  const path = join(folder, 'outbox.db');
  if (!existsSync(path)) return { count: 0, since: undefined };
  const db = openDatabase(path, { ...outboxOptions, exclusive: false, readOnly: true });
  try {
    const row = db
      .prepare<[], { count: number; since: number | null }>(
        `SELECT count(*) AS count, min(since) AS since FROM intents WHERE state <> 'local'`,
      )
      .get();
    return { count: row?.count ?? 0, since: row?.since ?? undefined };
  } finally {
    db.close();
  }
}
