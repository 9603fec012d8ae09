import type { Database } from '../../database/open.js';

/** What is kept in `meta` in the server's time. */
const TIMES = ['poll.at', 'poll.deep', 'polls.miss', 'bin.at', 'sweep.began', 'crawl.until'];

/**
 * The server's clock is at `now`, and what was written down may lie in its future, where it would hide every change until
 * then: it is brought back. Polls go on from `from`.
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
