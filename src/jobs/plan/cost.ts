/** What a run will do and cost, found before anything is touched. */
export interface Estimate {
  /** Items that something is done about. */
  items: number;
  /** Bytes that are transferred. */
  bytes: number;
  /** API calls, all of them after the plan itself. */
  calls: number;
  /** Names that must change. */
  renames: number;
  /** Items that will be flagged. */
  problems: number;
  deletions: number;
  unchanged: number;
  skipped: number;
  /** Left out by the filters. */
  excluded: number;
  private: number;
}

export const emptyEstimate = (): Estimate => ({
  items: 0,
  bytes: 0,
  calls: 0,
  renames: 0,
  problems: 0,
  deletions: 0,
  unchanged: 0,
  skipped: 0,
  excluded: 0,
  private: 0,
});
