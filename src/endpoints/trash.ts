import { hostname } from 'node:os';
import { DAY_MS } from '../base/zone.js';
import { isTrashDay, TRASH } from './paths.js';
import type { Emptied, Trash } from './target.js';

/** Days that a day's folder without a note is kept. */
export const UNNOTED_DAYS = 30;

/** `2026-01-31.keep-30.JOB.json`: the minimum number of days is in the name, so that one listing is enough. */
const NOTE = /^(\d{4}-\d\d-\d\d)\.keep-(\d+)\.([\w-]+)\.json$/;

export interface TrashNote {
  readonly path: string;
  readonly text: string;
}

/** The note beside a day's folder, written when an item is put into it. */
export const trashNoteOf = ({ day, days, job, by }: Trash): TrashNote => ({
  path: `${TRASH}/${day}.keep-${days}.${job}.json`,
  text: `${JSON.stringify({ day, days, job, by, host: hostname() })}\n`,
});

/** A day's folder to be removed, and the notes beside it. */
interface Overdue extends Emptied {
  readonly hasFolder: boolean;
  readonly notes: readonly string[];
}

/**
 * The expired days: each is kept as long as the longest of its notes says; without a note for `days`, and at least 30.
 * @param entries content of the trash folder
 */
export function overdue(
  entries: readonly { readonly name: string; readonly folder: boolean }[],
  { today, days }: { readonly today: string; readonly days: number },
): Overdue[] {
  const found = new Map<string, { hasFolder: boolean; kept: number[]; jobs: Set<string>; notes: string[] }>();
  const of = (day: string) => {
    const one = found.get(day) ?? { hasFolder: false, kept: [], jobs: new Set(), notes: [] };
    found.set(day, one);
    return one;
  };
  for (const { name, folder } of entries) {
    const [, day, kept, job] = NOTE.exec(name) ?? [];
    if (folder && isTrashDay(name)) of(name).hasFolder = true;
    else if (!folder && day !== undefined) {
      const one = of(day);
      one.kept.push(Number(kept));
      one.jobs.add(job!);
      one.notes.push(name);
    }
  }
  return [...found]
    .map(([day, { hasFolder, kept, jobs, notes }]) => ({
      day,
      days: kept.length > 0 ? Math.max(...kept) : Math.max(days, UNNOTED_DAYS),
      jobs: [...jobs].sort(),
      hasFolder,
      notes,
    }))
    .filter((one) => Date.parse(one.day) + one.days * DAY_MS < Date.parse(today))
    .sort((a, b) => (a.day < b.day ? -1 : 1));
}
