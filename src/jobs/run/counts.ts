import type { Estimate } from '../plan/cost.js';
import type { EndStats, ExecutionStats } from '../store/executions.js';
import type { RunItem } from '../store/items.js';
import type { Result } from './context.js';

const nothing = () => ({ existing: 0, existing_bytes: 0, existing_versions: 0, folders: 0, revisions: 0 });

/** Progress of a run, for lists and reports. */
export class Counts {
  readonly #done = { copied: 0, skipped: 0, failed: 0, deleted: 0, folders: 0 };
  #bytes = 0;
  /** Per endpoint: what was added to the existing items of the estimate. */
  readonly #ends = { source: nothing(), destination: nothing() };
  /** Transferred files and their versions. */
  readonly #transferred = { files: 0, versions: 0 };
  /** Files and bytes of the plan that are finished, whatever the result. */
  readonly #over = { files: 0, bytes: 0 };
  /** Ids of items in progress. */
  readonly #processing = new Set<number>();

  begin({ id }: RunItem): void {
    this.#processing.add(id);
  }

  /** All bytes of the item have arrived. While it only waits for a disk it is not in progress. */
  arrived({ id }: RunItem): void {
    this.#processing.delete(id);
  }

  add(item: RunItem, result: Result): void {
    const { status, bytes } = result;
    this.#processing.delete(item.id);
    const done = this.#done;
    if (status === 'success' || status === 'processed') {
      if (item.action === 'delete' || item.action === 'delete-source') done.deleted += item.count;
      else if (item.isFolder) done.folders++;
      else done.copied++;
      this.#count(item, result);
    } else if (status === 'skipped') done.skipped++;
    else done.failed++;
    this.#bytes += bytes;
    if (!TRANSFERS.has(item.action)) return;
    this.#over.files++;
    this.#over.bytes += item.bytes;
  }

  #count(item: RunItem, { written }: Result): void {
    const { source, destination } = this.#ends;
    if (item.action === 'create-folder') destination.folders++;
    else if (item.action === 'create-folder-source') source.folders++;
    else if (written) {
      this.#transferred.files++;
      this.#transferred.versions += written.versions;
      if (written.revised) this.#ends[written.to].revisions++;
    } else if (item.action === 'compare') {
      // The content was equal.
      for (const end of [source, destination]) {
        end.existing++;
        end.existing_bytes += item.bytes;
        end.existing_versions++;
      }
    }
  }

  /**
   * Includes the items that the plan skipped or flagged. `limits`: how often the call limit of an endpoint refused the
   * run.
   */
  stats(
    { items, skipped, problems, unchanged, existing, files, bytes, versions }: Estimate,
    limits: { readonly source: number; readonly destination: number },
  ): ExecutionStats {
    const done = Object.values(this.#done).reduce((sum, count) => sum + count, 0);
    const all = items + skipped + problems;
    const end = (name: 'source' | 'destination'): EndStats => {
      const own = this.#ends[name];
      const before = existing[name];
      return {
        existing: own.existing + before.files,
        existing_bytes: own.existing_bytes + before.bytes,
        existing_versions: own.existing_versions + before.versions,
        folders: own.folders + before.folders,
        revisions: own.revisions,
        rate_limits: limits[name],
      };
    };
    const left = Math.max(0, files - this.#over.files);
    return {
      ...this.#done,
      skipped: this.#done.skipped + skipped,
      failed: this.#done.failed + problems,
      bytes: this.#bytes,
      unchanged,
      progress: all === 0 ? 0 : Math.min(1, done / all),
      transferred: { ...this.#transferred },
      left: {
        files: left,
        bytes: Math.max(0, bytes - this.#over.bytes),
        versions: left === 0 ? 0 : Math.max(left, versions - this.#transferred.versions),
      },
      source: end('source'),
      destination: end('destination'),
      ...(this.#processing.size > 0 ? { processing: [...this.#processing] } : {}),
    };
  }
}

/** Actions that the plan counts as transfers of a file. */
const TRANSFERS: ReadonlySet<string> = new Set(['copy', 'copy-back', 'conflict', 'compare']);
