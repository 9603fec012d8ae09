/** A problem that a user should know of. */
export interface HealthFinding {
  readonly level: 'warning' | 'broken';
  readonly kind: FindingKind;
  /** A mount point, or the id of a job, a connection or a project. */
  readonly subject: string;
  readonly message: string;
  /** The message without names of items, for users who may not see every item; set if `message` names one. */
  readonly unnamed?: string;
  readonly job?: { readonly id: string; readonly name: string };
  readonly connection?: string;
  /** Milliseconds since the problem began; set if users need not be notified at once. */
  readonly age?: number;
}
export type FindingKind =
  | 'mount'
  | 'offline'
  | 'signed-out'
  | 'held'
  | 'needs-person'
  | 'refused'
  | 'late'
  | 'old-outbox'
  | 'failed'
  | 'flagged'
  | 'stale'
  | 'waiting'
  | 'no-runner'
  | 'disk';
