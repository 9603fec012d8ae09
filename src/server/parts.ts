import type { Log } from '../base/log.js';
import type { BudgetStatus } from '../budget/budget.js';
import type { Connection } from '../connections/connection.js';
import type { Connections } from '../connections/store.js';
import type { JobEngine } from '../jobs/engine.js';
import type { JobStore } from '../jobs/store/job-store.js';
import type { Session } from '../procore/session.js';

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
  readonly connection?: string;
  readonly budget?: BudgetStatus;
}

/** What the API works on; whoever composes the program has it. */
export interface Parts {
  readonly connections: Connections;
  readonly store: JobStore;
  readonly engine: JobEngine;
  /** The session of a connection, until released; all that this process does with it shares one. */
  session(connection: Connection): { readonly value: Session; release(): void };
  readonly mounts: Mounts;
  readonly log: Log;
  /** Ends with the service. */
  readonly ending: AbortSignal;
}
