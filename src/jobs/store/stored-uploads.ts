import type { Clock } from '../../base/clock.js';
import type { Database } from '../../database/open.js';
import type { SavedUpload } from '../../procore/uploads.js';

/** Time after which the server deletes an unused upload, milliseconds. */
const KEPT_MS = 7 * 86_400_000;

/** Progress of the segmented uploads of one job, by target place. */
export class StoredUploads {
  constructor(
    private readonly db: Database,
    private readonly job: string,
    private readonly clock: Clock,
  ) {}

  get(place: string): SavedUpload | undefined {
    const row = this.db.prepare('SELECT state FROM uploads WHERE job = ? AND place = ?').get(this.job, place) as
      | { readonly state: string }
      | undefined;
    return row && (JSON.parse(row.state) as SavedUpload);
  }

  put(place: string, state: SavedUpload): void {
    const now = this.clock.now();
    this.db.prepare('DELETE FROM uploads WHERE at < ?').run(now - KEPT_MS);
    this.db
      .prepare(
        `INSERT INTO uploads (job, place, state, at) VALUES (?, ?, ?, ?)
         ON CONFLICT (job, place) DO UPDATE SET state = excluded.state, at = excluded.at`,
      )
      .run(this.job, place, JSON.stringify(state), now);
  }

  remove(place: string): void {
    this.db.prepare('DELETE FROM uploads WHERE job = ? AND place = ?').run(this.job, place);
  }
}
