/** The enumerations of the job model. Scripts depend on them. */
export const TRANSFER_TYPES = ['sync', 'copy', 'move', 'migrate', 'publish', 'taxonomy'] as const;
export type TransferType = (typeof TRANSFER_TYPES)[number];

export const DELETE_PROPAGATIONS = ['ignore_source', 'ignore_both', 'ignore_destination', 'mirror'] as const;
export type DeletePropagation = (typeof DELETE_PROPAGATIONS)[number];

export const AUDIT_LEVELS = ['info', 'none', 'trace', 'debug', 'warn', 'error'] as const;
export type AuditLevel = (typeof AUDIT_LEVELS)[number];

/** State of a job, as lists show it. */
export type JobStatus =
  | 'idle'
  | 'start'
  | 'running'
  | 'paused'
  | 'resume'
  | 'cancel'
  | 'cancelling'
  | 'success'
  | 'warn'
  | 'failed'
  | 'failed-to-start'
  | 'complete'
  | 'awaiting-user'
  | 'not-complete'
  | 'deleted';

export type JobHealth = 'healthy' | 'unhealthy' | 'unavailable' | 'inactive';

export type ExecutionPhase = 'pending' | 'initialize' | 'changes' | 'executing' | 'finalize' | 'complete';

/**
 * `no_changes`: nothing had to be done · `not_complete`: the run stopped before its end, for the hourly limit or its
 * longest duration, for example.
 */
export type ExecutionStatus =
  | 'running'
  | 'failing'
  | 'failed'
  | 'completed'
  | 'cancelled'
  | 'failed_to_start'
  | 'warn'
  | 'no_changes'
  | 'not_complete';

/** `remediation`: flagged for a person · `skipped`: left as it is on purpose. */
export const ITEM_STATUSES = ['success', 'processed', 'pending', 'retry', 'remediation', 'skipped'] as const;
export type ItemStatus = (typeof ITEM_STATUSES)[number];

/** Statuses of flagged items, which a person should check. */
export const FLAGGED: readonly ItemStatus[] = ['remediation', 'retry'];

export const DURATION_UNITS = ['ns', 'us', 'ms', 's', 'm', 'h', 'd'] as const;
export type DurationUnit = (typeof DURATION_UNITS)[number];

export const DAYS = [
  'everyday',
  'weekdays',
  'weekends',
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
  'sunday',
] as const;
export type Day = (typeof DAYS)[number];

export const SCHEDULE_MODES = ['auto', 'manual', 'ad-hoc'] as const;
export type ScheduleMode = (typeof SCHEDULE_MODES)[number];
