/**
 * Number of deletions from which a loss of nearly the whole tree is suspicious: the tree may be wrong, not the files.
 */
const SUSPICIOUS = 10;

/** Period over which the delete guard counts deletions, milliseconds. */
export const GUARDED_MS = 24 * 3_600_000;

/** Facts about the planned deletions of a run, before the first one. */
export interface PlannedDeletions {
  readonly deletions: number;
  /** Items unchanged at both endpoints. */
  readonly unchanged: number;
  /** Number of records; counted only when needed. */
  readonly known: () => number;
  /** Endpoints whose root folder lists no items at all. */
  readonly empty: { readonly source: boolean; readonly destination: boolean };
  readonly guard: number | false;
  /** Deletions of the job within `GUARDED_MS` that no person allowed; counted only when needed. */
  readonly lately: () => number;
}

/** Why the deletions of a run must wait for a person; undefined: they need not. */
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
