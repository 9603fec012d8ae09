import type { Execution } from './executions.js';

/**
 * Time after which a run compares both endpoints even if the source is unchanged, to find changes at the destination,
 * milliseconds.
 */
const WHOLE_LOOK_MS = 6 * 3_600_000;

/**
 * Remembers in memory, for each job, the state of the source at the last run that did everything. A scheduled run with
 * an unchanged source then reads neither endpoint.
 */
export class SourceStates {
  static readonly reason = 'nothing has changed at the source since the last run';
  readonly #seen = new Map<string, { readonly state: string; readonly at: number }>();

  isUnchanged(job: string, state: string | undefined, now: number): boolean {
    const seen = this.#seen.get(job);
    return seen !== undefined && seen.state === state && now >= seen.at && now - seen.at < WHOLE_LOOK_MS;
  }

  /** @param state from before the run began, so that the next run sees changes made during it */
  note(job: string, state: string | undefined, { status, stats, started, simulation }: Execution): void {
    if (simulation) return;
    const didAll = (status === 'completed' || status === 'no_changes') && !stats.failed && !stats.pending;
    if (didAll && state !== undefined) this.#seen.set(job, { state, at: started });
    else this.#seen.delete(job);
  }
}
