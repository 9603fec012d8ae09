/** Who waits for a call: a person (`interactive`), the mount's own upkeep (`background`), or a job. */
export type CallClass = 'interactive' | 'background' | 'job';

/** Every wait for a call, its reply or its bytes ends with the signal. */
export interface CallOptions {
  readonly class: CallClass;
  readonly signal?: AbortSignal;
  /** Which job asks; waiting jobs take turns by this key. */
  readonly job?: string;
  /** Looks for changes that nobody asked for by name: these have a share of the hour, see `Budget.upkeepWait`. */
  readonly upkeep?: boolean;
  /** `fail`: when the hour is spent the call is refused at once (`budget-exhausted`); else it waits. People's calls wait
   * for a while in any case. */
  readonly whenSpent?: 'wait' | 'fail';
}
