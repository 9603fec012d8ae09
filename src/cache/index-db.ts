import type { Clock } from '../base/clock.js';
import type { RemoteId, VersionId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import { type Database, openDatabase, type Statement } from '../database/open.js';
import { indexOptions } from './index-schema.js';
import type { Sums } from './sums.js';

export interface BlobRow {
  readonly version: VersionId;
  readonly remote: number;
  readonly file: number;
  readonly size: number;
  readonly bytes: number;
  readonly ranges: Uint8Array | null;
  readonly etag: string | null;
}

/** An object whose row changed in memory. The row is requested when the batch is written. */
export interface Changed {
  readonly version: { readonly id: VersionId };
  /** Undefined if there is nothing to record any more. */
  row(): BlobRow | undefined;
  readonly sums: Pick<Sums, 'dirty' | 'written'>;
}

export interface OldBlob {
  readonly version: VersionId;
  readonly remote: RemoteId;
  readonly file: number;
  readonly bytes: number;
  readonly used: number;
}

interface State {
  bytes: number;
  blobs: number;
  boot: string;
  clean: number;
  epoch: number;
}

/** Milliseconds for which changes are collected before they are written. */
const GATHER_MS = 300;
/** Rows per transaction, so that one stays well below 10 ms. */
const BATCH_ROWS = 200;
/** Milliseconds until a failed write is tried again. */
const RETRY_MS = 5000;

/**
 * The index of the cache: which bytes of which version are in which file. Writes are collected into few transactions.
 */
export class BlobIndex {
  readonly #db: Database;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #changed = new Map<VersionId, Changed>();
  readonly #touched = new Set<VersionId>();
  #epoch: number;
  /** Seconds; never decreases, even if the clock is set back. */
  #lastUse: number;
  #cancelWrite: (() => void) | undefined;
  #failing = false;
  /** Whether the last owner closed the index; if not, there may be files without a row. */
  readonly wasClean: boolean;

  readonly #find: Statement<[number], BlobRow>;
  readonly #isWhole: Statement<[number, number], unknown>;
  readonly #knows: Statement<[number], unknown>;
  readonly #oldest: Statement<[number, number, number], OldBlob>;
  readonly #put: Statement<[BlobRow & { used: number; epoch: number }]>;
  readonly #touch: Statement<[number, number]>;
  readonly #putSums: Statement<[number, number, Uint8Array]>;
  readonly #sums: Statement<[number, number], Uint8Array>;
  readonly #remove: Statement<[number]>;
  readonly #state: Statement<[], State>;

  /** `boot` is an id of the machine's boot. @throws Failure as `openDatabase` */
  constructor(path: string, boot: string, log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    const db = openDatabase(path, indexOptions);
    this.#db = db;
    this.#find = db.prepare('SELECT version, remote, file, size, bytes, ranges, etag FROM blobs WHERE version = ?');
    this.#isWhole = db.prepare('SELECT 1 FROM blobs WHERE version = ? AND size = ? AND ranges IS NULL');
    this.#knows = db.prepare('SELECT 1 FROM blobs WHERE file = ?');
    this.#oldest = db.prepare(
      'SELECT version, remote, file, bytes, used FROM blobs WHERE (used, version) > (?, ?) ORDER BY used, version LIMIT ?',
    );
    this.#put = db.prepare(
      `INSERT INTO blobs (version, remote, file, size, bytes, ranges, etag, used, epoch)
       VALUES (@version, @remote, @file, @size, @bytes, @ranges, @etag, @used, @epoch)
       ON CONFLICT (version) DO UPDATE SET remote = excluded.remote, file = excluded.file, size = excluded.size,
         bytes = excluded.bytes, ranges = excluded.ranges, etag = excluded.etag, used = excluded.used, epoch = excluded.epoch`,
    );
    this.#touch = db.prepare('UPDATE blobs SET used = ? WHERE version = ?');
    this.#putSums = db.prepare('INSERT OR REPLACE INTO sums (version, chunk, pieces) VALUES (?, ?, ?)');
    this.#sums = db.prepare<[number, number], Uint8Array>('SELECT pieces FROM sums WHERE version = ? AND chunk = ?');
    this.#sums.pluck();
    this.#remove = db.prepare('DELETE FROM blobs WHERE version = ?');
    this.#state = db.prepare('SELECT bytes, blobs, boot, clean, epoch FROM state');

    const state = this.#state.get()!;
    this.wasClean = state.clean === 1;
    this.#epoch = state.epoch;
    this.#lastUse = (db.prepare('SELECT max(used) FROM blobs').pluck().get() as number | null) ?? 0;
    // After a reboot, bytes that were not synced may be missing from the files although the index has them.
    const start = db.transaction(() => {
      if (state.boot !== boot) db.prepare('DELETE FROM blobs WHERE epoch > 0').run();
      db.prepare('UPDATE state SET boot = ?, clean = 0').run(boot);
    });
    start.immediate();
  }

  /** Recorded totals, without changes that are not written yet. */
  totals(): { bytes: number; blobs: number } {
    const { bytes, blobs } = this.#state.get()!;
    return { bytes, blobs };
  }

  find(version: VersionId): BlobRow | undefined {
    return this.#find.get(version);
  }

  /** The row that `Sums` recorded for a chunk of a version. */
  sums(version: VersionId, chunk: number): Uint8Array | undefined {
    return this.#sums.get(version, chunk);
  }

  /** Whether the complete version was on disk when it was last recorded. */
  isWhole(version: VersionId, size: number): boolean {
    return this.#isWhole.get(version, size) !== undefined;
  }

  /** The latest recorded use, seconds. */
  get lastUse(): number {
    return this.#lastUse;
  }

  knowsFile(file: number): boolean {
    return this.#knows.get(file) !== undefined;
  }

  /** Blobs in order of use, least recent first, starting behind `after`. */
  oldest(after: OldBlob | undefined, limit: number): OldBlob[] {
    return this.#oldest.all(after?.used ?? -1, after?.version ?? -1, limit);
  }

  /** Schedules the record's row for the next batch. */
  changed(record: Changed): void {
    this.#changed.set(record.version.id, record);
    this.#schedule(GATHER_MS);
  }

  /** The record of a version whose changes are not written yet. */
  pending(version: VersionId): Changed | undefined {
    return this.#changed.get(version);
  }

  touched(version: VersionId): void {
    this.#touched.add(version);
    this.#schedule(GATHER_MS);
  }

  /** Removes rows at once. `durably`: a power failure cannot bring them back. */
  remove(versions: readonly VersionId[], durably = false): void {
    for (const version of versions) {
      this.#changed.delete(version);
      this.#touched.delete(version);
    }
    const work = this.#db.transaction(() => {
      for (const version of versions) this.#remove.run(version);
    });
    if (durably) this.#db.pragma('synchronous = FULL');
    try {
      work.immediate();
    } finally {
      if (durably) this.#db.pragma('synchronous = NORMAL');
    }
  }

  /**
   * Writes up to one batch of collected changes; true if more are left. On failure it keeps all changes, logs a warning
   * and retries later.
   */
  flush(): boolean {
    const changed = [...take(this.#changed.entries(), BATCH_ROWS)];
    const touched = [...take(this.#touched, BATCH_ROWS)];
    if (changed.length + touched.length === 0) return false;
    this.#lastUse = Math.max(this.#lastUse, Math.floor(this.#clock.now() / 1000));
    const used = this.#lastUse;
    const work = this.#db.transaction(() => {
      for (const [, record] of changed) {
        const row = record.row();
        if (!row) continue;
        this.#put.run({ ...row, used, epoch: this.#epoch });
        for (const [chunk, pieces] of record.sums.dirty()) this.#putSums.run(row.version, chunk, pieces);
      }
      for (const version of touched) this.#touch.run(used, version);
    });
    try {
      work.immediate();
    } catch (error) {
      if (!this.#failing) this.#log.warn({ error }, 'the index of the content cache cannot be written; trying again');
      this.#failing = true;
      this.#schedule(RETRY_MS);
      return false;
    }
    this.#failing = false;
    for (const [version, record] of changed) {
      this.#changed.delete(version);
      record.sums.written();
    }
    for (const version of touched) this.#touched.delete(version);
    return this.#changed.size + this.#touched.size > 0;
  }

  /** Whether rows cannot be written at the moment. Content fetched now would not be found after a restart. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Writes all collected changes, one batch per turn of the event loop. */
  async flushAll(): Promise<void> {
    while (this.flush()) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Whether there are blobs whose bytes may not be on stable storage. */
  get hasUnsynced(): boolean {
    return this.#db.prepare('SELECT 1 FROM blobs WHERE epoch > 0 LIMIT 1').get() !== undefined;
  }

  /**
   * Runs `sync`, which puts everything written before it on stable storage, then marks the blobs recorded before as
   * synced.
   */
  async synced(sync: () => Promise<void>): Promise<void> {
    await this.flushAll();
    const done = this.#epoch;
    this.#epoch = done + 1;
    this.#db.prepare('UPDATE state SET epoch = ?').run(this.#epoch);
    await sync();
    const mark = this.#db.prepare(
      'UPDATE blobs SET epoch = 0 WHERE version IN (SELECT version FROM blobs WHERE epoch > 0 AND epoch <= ? LIMIT 500)',
    );
    while (mark.run(done).changes > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {
    this.#cancelWrite?.();
    await this.flushAll();
    this.#cancelWrite?.();
    if (!this.#failing) this.#db.prepare('UPDATE state SET clean = 1').run();
    this.#db.close();
  }

  #schedule(delay: number): void {
    this.#cancelWrite ??= this.#clock.after(delay, () => {
      this.#cancelWrite = undefined;
      if (this.flush()) this.#schedule(1);
    });
  }
}

function* take<T>(items: Iterable<T>, limit: number): Generator<T> {
  let left = limit;
  for (const item of items) {
    if (left-- <= 0) return;
    yield item;
  }
}
