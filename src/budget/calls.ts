/** Class of a call: for a person (`interactive`), for the mount's own upkeep (`background`), or for a job. */
export type CallClass = 'interactive' | 'background' | 'job';

/** The signal ends every wait for a call, its reply or its bytes. */
export interface CallOptions {
  readonly class: CallClass;
  readonly signal?: AbortSignal;
  /** The job that makes the call; waiting jobs take turns by this key. */
  readonly job?: string;
  /** A check for changes without a request of a user: such calls have a share of the hour, see `Budget.upkeepWait`. */
  readonly upkeep?: boolean;
  /**
   * `fail`: when the hour is spent the call is refused at once (`budget-exhausted`); else it waits. Interactive calls
   * wait for a while in any case.
   */
  readonly whenSpent?: 'wait' | 'fail';
}
