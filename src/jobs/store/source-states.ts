import type { Execution } from './executions.js';

/** What was deleted or changed at the destination meanwhile is found by a whole look, so often (milliseconds). */
const WHOLE_LOOK_MS = 6 * 3_600_000;

/**
 * Remembers, for as long as the process lives, what the source of each job was like when a run last did everything: a
 * scheduled run of an unchanged source then looks at neither side.
 */
export class SourceStates {
  static readonly reason = 'nothing has changed at the source since the last run';
  readonly #seen = new Map<string, { readonly state: string; readonly at: number }>();

  isUnchanged(job: string, state: string | undefined, now: number): boolean {
    const seen = this.#seen.get(job);
    return seen !== undefined && seen.state === state && now >= seen.at && now - seen.at < WHOLE_LOOK_MS;
  }

  /** @param state from before the run began, so that what changed during it counts */
  note(job: string, state: string | undefined, { status, stats, started, simulation }: Execution): void {
    if (simulation) return;
    const didAll = (status === 'completed' || status === 'no_changes') && !stats.failed && !stats.pending;
    if (didAll && state !== undefined) this.#seen.set(job, { state, at: started });
    else this.#seen.delete(job);
  }
}
