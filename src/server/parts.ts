import type { Clock } from '../base/clock.js';
import type { ProjectId } from '../base/ids.js';
import type { Log } from '../base/log.js';
import type { BudgetStatus } from '../budget/budget.js';
import type { Connection } from '../connections/connection.js';
import type { Connections } from '../connections/store.js';
import type { Totals } from '../jobs/analyze/totals.js';
import type { JobEngine } from '../jobs/engine.js';
import type { JobStore } from '../jobs/store/job-store.js';
import type { Session } from '../procore/session.js';
import type { Reach } from './reach.js';

/** The mounts of this state folder, of any process. */
export interface MountViews {
  /** The state that each mount reports; `dead`: its process does not answer. */
  status(): Promise<readonly MountView[]>;
  /** Sends a request to the process of a mount. @throws Failure `not-mounted`, or the Failure from that process */
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

/** A folder of a project: `path` are names of the server, starting at the folder with this id, or at the root. */
export interface WantedFolder {
  readonly folder: number | undefined;
  readonly path: readonly string[];
  readonly offset: number;
  readonly limit: number;
  readonly q: string | undefined;
}

/** An item as the server has it. Times are Unix seconds. */
export interface RemoteRow {
  readonly id: number;
  readonly parent: number | null;
  readonly name: string;
  readonly folder: boolean;
  readonly version?: { readonly id: number; readonly number: number; readonly size: number; readonly at: number };
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly createdBy: string | undefined;
  readonly checkedOutBy: string | undefined;
}

export interface ListedFolder {
  readonly total: number;
  readonly rows: readonly RemoteRow[];
}

/** Total content of a folder of a connection. */
export interface ConnectionTotals {
  readonly totals: Totals;
  /**
   * For the top folder of a connection to a company: projects included in the totals, and projects that are not
   * mirrored here.
   */
  readonly projects?: { readonly counted: number; readonly unknown: number };
}

/** Problems that a person should know of. */
export interface Health {
  readonly level: 'ok' | 'warning' | 'broken';
  readonly findings: readonly {
    readonly level: 'warning' | 'broken';
    readonly kind: string;
    readonly subject: string;
    readonly message: string;
    /** The message for users who may not see every item, where the full one names an item. */
    readonly unnamed?: string;
    readonly job?: { readonly id: string; readonly name: string };
    readonly connection?: string;
  }[];
  readonly mounts: number;
  readonly jobs: number;
  readonly connections: number;
}

/** The services that the API needs; the main program provides them. */
export interface ServiceParts {
  readonly connections: Connections;
  readonly store: JobStore;
  readonly engine: JobEngine;
  /** The session of a connection, until released; all parts of this process share it. */
  session(connection: Connection): { readonly value: Session; release(): void };
  readonly mounts: MountViews;
  /** What users may do with the service's machine and network. */
  readonly reach: Reach;
  health(): Promise<Health>;
  /**
   * @param mayCrawl whether a project that is not mirrored may be crawled; else it is `role-too-low`
   * @throws Failure as opening the folder does
   */
  totals(connection: string, path: string, mayCrawl: boolean, signal: AbortSignal): Promise<ConnectionTotals>;
  /**
   * A folder of a project from its mirror, with the privacy rules of its mounts: no call. Undefined: it is not
   * mirrored.
   * @throws Failure `no-such-item`, `not-a-folder`
   */
  mirrored(
    connection: Connection,
    project: ProjectId,
    wanted: WantedFolder,
    isReader: boolean,
    signal: AbortSignal,
  ): Promise<ListedFolder | undefined>;
  /** Whether items marked private in Procore are hidden, for projects that are not mirrored. */
  conceals(isReader: boolean): boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when the service ends. */
  readonly ending: AbortSignal;
}
