/** Deletions in a tree of which nothing is left to see: something is wrong with it, not with the files. */
const SUSPICIOUS = 10;

/** For so long what was deleted counts, milliseconds. */
export const GUARDED_MS = 24 * 3_600_000;

/** What is known of the deletions of a run before the first one. */
export interface PlannedDeletions {
  readonly deletions: number;
  /** Items that are on both sides as they were. */
  readonly unchanged: number;
  /** Items that were transferred before; counted only where it matters. */
  readonly known: () => number;
  /** Sides that show nothing at all. */
  readonly empty: { readonly source: boolean; readonly destination: boolean };
  readonly guard: number | false;
  /** Deletions of the job within `GUARDED` that nobody had allowed; counted only where it matters. */
  readonly lately: () => number;
}

/** Why the deletions of a run wait for a person; undefined: they need not. */
export function reasonToHold(found: PlannedDeletions): string | undefined {
  const { deletions, unchanged, known, empty, guard } = found;
  if (deletions === 0) return undefined;
  if (guard !== false) {
    if (deletions > guard) return `more than delete_guard=${guard} at once`;
    const lately = found.lately();
    if (deletions + lately > guard) return `with ${lately} of the last 24 hours more than delete_guard=${guard}`;
  }
  if (empty.source || empty.destination)
    return `there is nothing at all at the ${empty.source ? 'source' : 'destination'}`;
  const isAll = deletions >= SUSPICIOUS && unchanged === 0 && isMost(deletions, known());
  return isAll ? 'nearly everything is gone at once' : undefined;
}

const isMost = (deletions: number, known: number): boolean => known > 0 && deletions >= known / 2;
