import { Failure } from '../base/errors.js';
import { childPath } from '../endpoints/paths.js';
import type { Job } from './definition/job-schema.js';
import { FLAGGED, type ItemStatus } from './definition/words.js';
import { IGNORED } from './plan/planner.js';
import type { RunItem, RunItems } from './store/items.js';
import type { JobStore } from './store/job-store.js';

/** Path by which people name an item: the one at the source. */
const pathOf = ({ folder, name }: RunItem): string => childPath(folder, name);

/**
 * Marks flagged items as ignored, in the last run and for all later runs: they are neither copied nor deleted nor
 * flagged again, a folder with everything below it.
 * @param wanted paths at the source, or ids of `jobs items`; empty: all flagged items of the last run
 * @returns their paths
 * @throws Failure `not-flagged`; then no item is ignored
 */
export function ignore(store: JobStore, job: Job, wanted: readonly string[]): string[] {
  const items = lastItems(store, job);
  const chosen =
    wanted.length === 0
      ? [...(items?.rows(FLAGGED) ?? [])]
      : wanted.flatMap((word) => named(items, word, FLAGGED, job));
  const records = store.records(job.id);
  items?.transaction(() => {
    for (const { id, folder, name, attempts, bytes } of chosen) {
      records.ignore(folder, name);
      items.finish(id, { status: 'skipped', reason: IGNORED, attempts, bytes });
    }
  });
  if (chosen.length > 0 && job.status === 'warn' && items?.rows(FLAGGED).next().done)
    store.setState(job.id, { status: 'success', health: 'healthy' });
  return chosen.map(pathOf);
}

/**
 * Stops ignoring items, so that the next run tries them again.
 * @param wanted as in `ignore`; flagged items are tried by every run anyway
 * @throws Failure `not-flagged`
 */
export function heed(store: JobStore, job: Job, wanted: readonly string[]): void {
  const items = lastItems(store, job);
  const records = store.records(job.id);
  for (const word of wanted) {
    if (records.heed(plain(word))) continue;
    for (const item of named(items, word, [...FLAGGED, 'skipped'], job)) records.heed(pathOf(item));
  }
}

function lastItems(store: JobStore, job: Job): RunItems | undefined {
  const last = store.last.of(job.id, 'real');
  return last && store.items(last.id);
}

function named(
  items: RunItems | undefined,
  word: string,
  statuses: readonly ItemStatus[],
  { name }: Job,
): readonly RunItem[] {
  const isOne = ({ status }: RunItem): boolean => statuses.includes(status);
  const found = items?.at(plain(word)).filter(isOne) ?? [];
  if (found.length > 0) return found;
  const byId = /^\d{1,15}$/.test(word) ? items?.byId(Number(word)) : undefined;
  if (!byId || !isOne(byId)) throw new Failure('not-flagged', { name, item: word });
  return [byId];
}

const plain = (path: string): string => path.replace(/^\/+|\/+$/g, '');
