import type { Database } from '../../database/open.js';

/** Keys in `meta` whose values are server times. */
const TIMES = ['poll.at', 'poll.deep', 'polls.miss', 'bin.at', 'sweep.began', 'sweep.done', 'crawl.until'];

/**
 * Reduces stored times that lie after the server's clock, which is at `now`: they would hide every change until then.
 * Polls continue from `from`.
 */
export function setBack(db: Database, now: number, from: number): void {
  db.transaction(() => {
    const columns = { items: 'seen_at', confirmed: 'at', listed: 'listed_at', urls: 'fetched_at' };
    for (const [table, column] of Object.entries(columns))
      db.prepare<[number, number]>(`UPDATE ${table} SET ${column} = ? WHERE ${column} > ?`).run(now, now);
    const limit = db.prepare<[number, string, number]>('UPDATE meta SET value = ? WHERE key = ? AND value > ?');
    for (const key of TIMES) limit.run(from, key, from);
  })();
}
