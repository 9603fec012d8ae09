import type { Log } from '../../base/log.js';
import type { Database, Statement } from '../../database/open.js';

/**
 * The state of the delete guard that must survive a restart, however the daemon ended. A failed write is only logged:
 * the state in memory counts until the daemon ends.
 */
export class DeleteGuardRecord {
  readonly #database: Database;
  readonly #log: Log;
  readonly #add: Statement;
  readonly #forget: Statement<[number]>;
  readonly #setOn: Statement<[number]>;

  constructor(database: Database, log: Log) {
    this.#database = database;
    this.#log = log;
    this.#add = database.prepare(
      `INSERT INTO taken_away (at, files) VALUES (?, ?) ON CONFLICT (at) DO UPDATE SET files = files + excluded.files`,
    );
    this.#forget = database.prepare('DELETE FROM taken_away WHERE at < ?');
    this.#setOn = database.prepare(`INSERT OR REPLACE INTO meta (key, value) VALUES ('brake', ?)`);
  }

  get isOn(): boolean {
    return this.#database.prepare(`SELECT value FROM meta WHERE key = 'brake'`).pluck().get() === 1;
  }

  setOn(isOn: boolean): void {
    this.#tryTo(() => this.#setOn.run(Number(isOn)));
  }

  /** When files were deleted or overwritten at the server, milliseconds since the epoch, oldest first. */
  sent(): { readonly at: number; readonly count: number }[] {
    return this.#database
      .prepare<[], { at: number; count: number }>('SELECT at, files AS count FROM taken_away ORDER BY at')
      .all();
  }

  /** @param forgetBefore entries before this time do not count any more */
  add(at: number, files: number, forgetBefore: number): void {
    this.#tryTo(() => {
      this.#forget.run(forgetBefore);
      this.#add.run(at, files);
    });
  }

  #tryTo(work: () => void): void {
    try {
      this.#database.transaction(work).immediate();
    } catch (error) {
      this.#log.error({ error }, 'the state of the delete guard could not be saved');
    }
  }
}
