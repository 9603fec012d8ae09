import { Failure } from '../base/errors.js';
import { childPath } from '../targets/paths.js';
import type { Job } from './definition/job-schema.js';
import { IGNORED } from './plan/planner.js';
import { FLAGGED } from './report/report.js';
import type { RunItem } from './store/items.js';
import type { JobStore } from './store/job-store.js';

/** An item of a run, for messages and for people who name it: its path at the source. */
export const pathOf = ({ folder, name }: Pick<RunItem, 'folder' | 'name'>): string => childPath(folder, name);

/**
 * Leaves flagged items alone from now on, in this run's account and in all later runs: neither copied nor deleted nor
 * flagged again, a folder with all that is below it.
 * @param wanted paths at the source, or ids of `jobs items`; none: all that the last run flagged
 * @returns what is ignored now
 * @throws Failure `not-flagged`
 */
export function ignore(store: JobStore, job: Job, wanted: readonly string[]): RunItem[] {
  const last = store.executions(job.id, 20).find(({ simulation }) => !simulation);
  const items = last ? store.items(last.id) : undefined;
  const flagged = [...(items?.rows(FLAGGED) ?? [])];
  const chosen = wanted.length === 0 ? flagged : wanted.flatMap((word) => named(flagged, word, job));
  const records = store.records(job.id);
  items?.transaction(() => {
    for (const { id, folder, name, attempts, bytes } of chosen) {
      records.ignore(folder, name);
      items.finish(id, { status: 'skipped', reason: IGNORED, attempts, bytes });
    }
  });
  if (chosen.length > 0 && chosen.length === flagged.length && job.status === 'warn')
    store.setState(job.id, { status: 'success', health: 'healthy' });
  return chosen;
}

/**
 * The next run tries these again, also those that were ignored.
 * @param wanted as for `ignore`; none: all that is flagged, which every run tries anyway
 * @throws Failure `not-flagged`
 */
export function heed(store: JobStore, job: Job, wanted: readonly string[]): void {
  const last = store.executions(job.id, 20).find(({ simulation }) => !simulation);
  const rows = last ? [...store.items(last.id).rows([...FLAGGED, 'skipped'])] : [];
  const records = store.records(job.id);
  for (const word of wanted) {
    if (records.heed(word)) continue;
    for (const item of named(rows, word, job)) records.heed(pathOf(item));
  }
}

function named(rows: readonly RunItem[], word: string, job: Job): RunItem[] {
  const path = word.replace(/^\/+|\/+$/g, '');
  const found = rows.filter((row) => pathOf(row) === path || String(row.id) === word);
  if (found.length === 0) throw new Failure('not-flagged', { name: job.name, item: word });
  return found;
}
