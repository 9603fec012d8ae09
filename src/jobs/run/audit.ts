import { childPath, TRASH } from '../../endpoints/paths.js';
import type { Emptied } from '../../endpoints/target.js';
import type { AuditLevel, ItemStatus } from '../definition/words.js';
import type { Execution } from '../store/executions.js';
import type { RunItem } from '../store/items.js';
import type { JobStore } from '../store/job-store.js';

export type EventLevel = Exclude<AuditLevel, 'none'>;

const RANKS: Readonly<Record<AuditLevel, number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, none: 5 };

/** Audit level of an item by its status. */
export const LEVEL_OF: Readonly<Record<ItemStatus, EventLevel>> = {
  success: 'debug',
  processed: 'info',
  skipped: 'info',
  pending: 'debug',
  retry: 'warn',
  remediation: 'warn',
};

/**
 * Audit events of a run, in addition to its items. `error`: failures · `warn`: also items that are flagged, held or
 * postponed · `info`: also the run itself, skipped items and settled conflicts · `debug`: also every item that was done
 * · `trace`: also every repeated attempt. An event for each item repeats what the row of the item says and doubles what
 * a first run writes, so `info`, the default, has none.
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

  /** Writes events for the items that the plan flagged or skipped. */
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

  /** Writes the event for a day's trash folder that was deleted. */
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
