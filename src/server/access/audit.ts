import { LRUCache } from 'lru-cache';
import { type Clock, systemClock } from '../../base/clock.js';
import { oneLine } from '../../base/text.js';
import type { Database } from '../../database/open.js';
import { Bucket } from './share.js';

/** One line of the audit log. */
export interface AuditEntry {
  /** Name of a user; `owner` at the socket; `-`: a client without a sign-in. */
  readonly who: string;
  /** Address, `socket`, or `command line`. */
  readonly from: string;
  readonly what: string;
  readonly result: string;
}

export interface AuditRow extends AuditEntry {
  readonly id: number;
  /** Unix seconds. */
  readonly time: number;
}

/** Seconds. A trigger of the database prevents deletion of younger lines. */
const KEPT_S = 400 * 86_400;
/** Lines that one client without a sign-in may add at once, and per second after that. */
const STRANGERS = { most: 100, perSecond: 1 / 60 } as const;
const MOST_CLIENTS = 10_000;

/**
 * Records user, origin, operation and result of each request. Lines are added; none is changed, and none deleted before
 * its time.
 */
export class AuditLog {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #strangers = new LRUCache<string, Bucket>({ max: MOST_CLIENTS });

  constructor(db: Database, clock: Clock = systemClock) {
    this.#db = db;
    this.#clock = clock;
  }

  add({ who, from, what, result }: AuditEntry): void {
    this.#db
      .prepare('INSERT INTO audit (time, who, origin, what, result) VALUES (?, ?, ?, ?, ?)')
      .run(
        Math.floor(this.#clock.now() / 1000),
        oneLine(who, 200),
        oneLine(from, 100),
        oneLine(what, 1000),
        oneLine(result, 200),
      );
  }

  /**
   * Adds a line for a client without a sign-in, unless the client has added too many: they would fill the disk.
   * @returns whether the line was added
   */
  addStranger(entry: AuditEntry, client: string): boolean {
    const bucket = this.#strangers.get(client) ?? new Bucket(STRANGERS.most, STRANGERS.perSecond, this.#clock.now());
    this.#strangers.set(client, bucket);
    if (bucket.take(1, this.#clock.now()) > 0) return false;
    this.add(entry);
    return true;
  }

  /** Newest first; `q`: only lines that contain the text. */
  page(offset: number, limit: number, q = ''): { readonly rows: readonly AuditRow[]; readonly total: number } {
    const like = `%${q.replace(/[\\%_]/g, '\\$&')}%`;
    const where = `WHERE who || ' ' || origin || ' ' || what || ' ' || result LIKE ? ESCAPE '\\'`;
    const rows = this.#db
      .prepare<[string, number, number], AuditRow>(
        `SELECT id, time, who, origin AS "from", what, result FROM audit ${where} ORDER BY id DESC LIMIT ? OFFSET ?`,
      )
      .all(like, limit, offset);
    const { total } = this.#db
      .prepare<[string], { total: number }>(`SELECT COUNT(*) AS total FROM audit ${where}`)
      .get(like)!;
    return { rows, total };
  }

  /** Deletes lines older than the retention time. */
  purge(): void {
    this.#db.prepare('DELETE FROM audit WHERE time < ?').run(Math.floor(this.#clock.now() / 1000) - KEPT_S);
  }
}
