import { hostname } from 'node:os';
import { isTrashDay, TRASH } from './paths.js';
import type { Emptied, Trash } from './target.js';

/** Days for which trash is kept that nobody noted anything of. */
export const UNNOTED_DAYS = 30;
const DAY_MS = 86_400_000;

/** `2026-01-31.keep-30.JOB.json`: how long a day's folder is kept at least stands in names, so that one list tells all. */
const NOTE = /^(\d{4}-\d\d-\d\d)\.keep-(\d+)\.([\w-]+)\.json$/;

export interface TrashNote {
  readonly path: string;
  readonly text: string;
}

/** What is put beside a day's folder when something goes into it. */
export const trashNoteOf = ({ day, days, job, by }: Trash): TrashNote => ({
  path: `${TRASH}/${day}.keep-${days}.${job}.json`,
  text: `${JSON.stringify({ day, days, job, by, host: hostname() })}\n`,
});

/** A day's folder that is over, and the notes beside it. */
interface Overdue extends Emptied {
  readonly hasFolder: boolean;
  readonly notes: readonly string[];
}

/**
 * The days whose time is over: each is kept as long as the longest that somebody noted beside it; without a note for
 * `days`, and not less than 30.
 * @param entries what is in the trash folder
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
