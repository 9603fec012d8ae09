import type { Log } from '../base/log.js';
import type { Connection } from '../connections/connection.js';
import type { Connections } from '../connections/store.js';
import type { JobEngine } from '../jobs/engine.js';
import type { JobStore } from '../jobs/store/job-store.js';
import type { Session } from '../procore/session.js';

/** What the API works on; whoever composes the program has it. */
export interface Parts {
  readonly connections: Connections;
  readonly store: JobStore;
  readonly engine: JobEngine;
  /** The session of a connection, until released; all that this process does with it shares one. */
  session(connection: Connection): { readonly value: Session; release(): void };
  readonly log: Log;
  /** Ends with the service. */
  readonly ending: AbortSignal;
}
