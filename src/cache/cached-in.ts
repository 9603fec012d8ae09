import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '../database/open.js';
import { indexOptions } from './index-schema.js';

export interface Cached {
  /** Bytes. */
  readonly occupied: number;
  /** See `Sharer`. */
  readonly oldestUse: number | undefined;
}

const NOTHING: Cached = { occupied: 0, oldestUse: undefined };

/**
 * What is cached of a closed project. An unreadable index counts as empty: it is checked when the project is opened.
 */
export function cachedIn(projectFolder: string): Cached {
  const path = join(projectFolder, 'cache', 'cache.db');
  if (!existsSync(path)) return NOTHING;
  try {
    const db = openDatabase(path, { ...indexOptions, readOnly: true });
    try {
      const bytes = db.prepare<[], number>('SELECT bytes FROM state').pluck().get() ?? 0;
      const oldest = db.prepare<[], number | null>('SELECT min(used) FROM blobs').pluck().get();
      return { occupied: bytes, oldestUse: oldest ?? undefined };
    } finally {
      db.close();
    }
  } catch {
    return NOTHING;
  }
}
