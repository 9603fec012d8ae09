/** Something that a person should know of. */
export interface HealthFinding {
  readonly level: 'warning' | 'broken';
  readonly kind: FindingKind;
  /** A mount point, or the id of a job, a connection or a project. */
  readonly subject: string;
  readonly message: string;
  /** The message for those who are not to read of every item, where it names one. */
  readonly unnamed?: string;
  readonly job?: { readonly id: string; readonly name: string };
  readonly connection?: string;
  /** How long it has been so, where people need not be told at once; milliseconds. */
  readonly age?: number;
}
export type FindingKind =
  | 'mount'
  | 'offline'
  | 'signed-out'
  | 'held'
  | 'needs-person'
  | 'refused'
  | 'old-outbox'
  | 'failed'
  | 'flagged'
  | 'stale'
  | 'waiting'
  | 'no-runner'
  | 'disk';
