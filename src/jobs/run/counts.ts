import type { Estimate } from '../plan/cost.js';
import type { RunItem } from '../store/items.js';
import type { ExecutionStats } from '../store/job-store.js';
import type { Result } from './act.js';

/** What a run has done so far, as lists and reports show it. */
export class Counts {
  readonly #done = { copied: 0, skipped: 0, failed: 0, deleted: 0, folders: 0 };
  #bytes = 0;

  add(item: RunItem, { status, bytes }: Result): void {
    const done = this.#done;
    if (status === 'success' || status === 'processed') {
      if (item.action === 'delete' || item.action === 'delete-source') done.deleted += item.count;
      else if (item.isFolder) done.folders++;
      else done.copied++;
    } else if (status === 'skipped') done.skipped++;
    else done.failed++;
    this.#bytes += bytes;
  }

  /** With what the plan has decided to leave alone or to flag. */
  stats({ items, skipped, problems, unchanged }: Estimate): ExecutionStats {
    const done = Object.values(this.#done).reduce((sum, count) => sum + count, 0);
    const all = items + skipped + problems;
    return {
      ...this.#done,
      skipped: this.#done.skipped + skipped,
      failed: this.#done.failed + problems,
      bytes: this.#bytes,
      unchanged,
      progress: all === 0 ? 0 : Math.min(1, done / all),
    };
  }
}
