import type { Log } from '../base/log.js';
import type { BudgetStatus } from '../budget/budget.js';
import type { Connection } from '../connections/connection.js';
import type { Connections } from '../connections/store.js';
import type { Totals } from '../jobs/analyze/totals.js';
import type { JobEngine } from '../jobs/engine.js';
import type { JobStore } from '../jobs/store/job-store.js';
import type { Session } from '../procore/session.js';
import type { Reach } from './reach.js';

/** What is mounted from this state folder, by whichever process. */
export interface Mounts {
  /** What each says of itself; `dead`: its process does not answer. */
  status(): Promise<readonly MountView[]>;
  /** Asks the process behind a mount. @throws Failure `not-mounted`, or the process's own */
  ask<T>(mountpoint: string, method: string, parameters: Record<string, unknown>, signal: AbortSignal): Promise<T>;
}

export interface MountView {
  readonly mountpoint: string;
  readonly state: string;
  readonly source?: string;
  readonly connection?: string;
  /** Why there is none. */
  readonly reason?: string;
  readonly budget?: BudgetStatus;
}

/** How much is below a folder of a connection. */
export interface ConnectionTotals {
  readonly totals: Totals;
  /** At the top of a connection to a company: projects that are in the totals, and those that are not mirrored here. */
  readonly projects?: { readonly counted: number; readonly unknown: number };
}

/** What a person should know of. */
export interface Health {
  readonly level: 'ok' | 'warning' | 'broken';
  readonly findings: readonly {
    readonly level: 'warning' | 'broken';
    readonly kind: string;
    readonly subject: string;
    readonly message: string;
    readonly job?: { readonly id: string; readonly name: string };
    readonly connection?: string;
  }[];
  readonly mounts: number;
  readonly jobs: number;
  readonly connections: number;
}

/** What the API works on; whoever composes the program has it. */
export interface Parts {
  readonly connections: Connections;
  readonly store: JobStore;
  readonly engine: JobEngine;
  /** The session of a connection, until released; all that this process does with it shares one. */
  session(connection: Connection): { readonly value: Session; release(): void };
  readonly mounts: Mounts;
  /** What users may have it do on its machine and network. */
  readonly reach: Reach;
  health(): Promise<Health>;
  /** @throws Failure as opening the place does */
  totals(connection: string, path: string, signal: AbortSignal): Promise<ConnectionTotals>;
  readonly log: Log;
  /** Ends with the service. */
  readonly ending: AbortSignal;
}
