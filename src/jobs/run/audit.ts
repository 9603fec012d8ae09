import { childPath, TRASH } from '../../endpoints/paths.js';
import type { Emptied } from '../../endpoints/target.js';
import type { AuditLevel, ItemStatus } from '../definition/words.js';
import type { Execution } from '../store/executions.js';
import type { RunItem } from '../store/items.js';
import type { JobStore } from '../store/job-store.js';

export type EventLevel = Exclude<AuditLevel, 'none'>;

const RANKS: Readonly<Record<AuditLevel, number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, none: 5 };

/** Of items that were tried. */
export const LEVEL_OF: Readonly<Record<ItemStatus, EventLevel>> = {
  success: 'debug',
  processed: 'info',
  skipped: 'info',
  pending: 'debug',
  retry: 'warn',
  remediation: 'warn',
};

/**
 * What is kept of a run beside its items: `error` what failed, `warn` also what was flagged, held or put off, `info` also
 * the run itself, what was left alone and how conflicts were settled, `debug` also every item that was done, `trace` also
 * every attempt that was repeated. One line an item, whose row says the same, would double what a first run writes:
 * hence not at `info`, the default.
 */
export class RunAudit {
  readonly #store: JobStore;
  readonly #execution: number;
  readonly #wanted: number;

  constructor(store: JobStore, execution: Pick<Execution, 'id'>, wanted: AuditLevel) {
    this.#store = store;
    this.#execution = execution.id;
    this.#wanted = RANKS[wanted];
  }

  /** What the plan itself has decided to flag and to leave alone. */
  plan(): void {
    for (const [level, statuses] of [
      ['warn', ['remediation', 'retry']],
      ['info', ['skipped']],
    ] as const)
      if (this.#keeps(level)) this.#store.auditItems(this.#execution, level, statuses);
  }

  item(level: EventLevel, item: RunItem, reason?: string): void {
    this.#write(level, item.action, childPath(item.folder, item.name), reason);
  }

  run(level: EventLevel, event: string, reason?: string): void {
    this.#write(level, event, '', reason);
  }

  /** A day of the trash is gone. */
  emptied(root: string, { top = '', day, days, jobs }: Emptied, nameOf: (id: string) => string | undefined): void {
    const whose = jobs.map((id) => nameOf(id) ?? id).join(', ') || 'nobody knows';
    this.#write(
      'info',
      'empty-trash',
      `${root}/${childPath(top, TRASH)}/${day}`,
      `kept for ${days} days; put there by: ${whose}`,
    );
  }

  #keeps(level: EventLevel): boolean {
    return RANKS[level] >= this.#wanted;
  }

  #write(level: EventLevel, event: string, path: string, reason: string | undefined): void {
    if (this.#keeps(level)) this.#store.audit(this.#execution, level, event, path, reason);
  }
}
