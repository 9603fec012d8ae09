import type { Job } from './definition/job-schema.js';
import type { EndpointReference } from './definition/transfer-schema.js';
import type { Endpoint } from './endpoint.js';
import type { EndpointLocation } from './overlap.js';
import type { Execution } from './store/executions.js';
import type { RunOptions } from './store/job-store.js';
import type { StoredUploads } from './store/stored-uploads.js';

export interface EndpointRequest {
  readonly job: string;
  readonly jobName: string;
  readonly whenSpent: 'wait' | 'fail';
  readonly locks: boolean;
  /** Storage for the progress of unfinished uploads. */
  readonly uploads?: StoredUploads;
  /** A missing folder is created. */
  readonly create: boolean;
  /** A missing folder counts as empty: a simulation must not create it. */
  readonly emptyIfMissing?: boolean;
  readonly mayWrite: boolean;
  /** Mount point of the local folder's file system in the last run; it must be mounted there still. */
  readonly mountedAt?: string | undefined;
  readonly signal: AbortSignal;
}

/** Opens endpoints. Implemented outside of the jobs, where connections and projects are known. */
export interface Opener {
  open(reference: EndpointReference, request: EndpointRequest): Promise<Endpoint>;
  /** Place of an endpoint, without a call. @throws Failure `no-such-connection`, … */
  place(reference: EndpointReference): Promise<EndpointLocation>;
  /**
   * A value that stays the same while nothing changes at the source, found without a call; undefined: unknown.
   * @throws Failure of `place`
   */
  sourceState?(job: Job): string | undefined;
  /** A job reads its endpoints now and at this interval: their known state must be no older than that. */
  looksEvery?(job: Job, seconds: number): void;
  /**
   * Claims the projects that a run of the job needs, until released. If another process of this state folder owns one
   * of them, that process runs the job instead. The result is then undefined: the run has ended there or, if the signal
   * aborted the wait, still goes on there.
   */
  claim?(job: Job, trigger: Execution['trigger'], options: RunOptions, signal: AbortSignal): Promise<Claim | undefined>;
}

export interface Claim {
  release(): Promise<void>;
}
