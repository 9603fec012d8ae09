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
  /** Where it is kept how far uploads have come. */
  readonly uploads?: StoredUploads;
  /** The folder is made if it is not there. */
  readonly create: boolean;
  /** A folder that is not there is taken for an empty one: a run that only looks must not make it. */
  readonly emptyIfMissing?: boolean;
  readonly mayWrite: boolean;
  /** Where the file system was mounted that a folder of this machine lay on so far; it must still be. */
  readonly mountedAt?: string | undefined;
  readonly signal: AbortSignal;
}

/** Opens the ends of transfers; whoever composes the program knows connections and projects. */
export interface Opener {
  open(reference: EndpointReference, request: EndpointRequest): Promise<Endpoint>;
  /** Where it is, without a call. @throws Failure `no-such-connection`, … */
  place(reference: EndpointReference): Promise<EndpointLocation>;
  /**
   * What is the same as long as nothing changed at the source, told without a call; undefined: it cannot be told.
   * @throws Failure as `place`
   */
  sourceState?(job: Job): string | undefined;
  /** A job looks at its ends now, and every so many seconds: what is known of them is to be no older. */
  looksEvery?(job: Job, seconds: number): void;
  /**
   * Holds what a run of the job needs, until released. Where another process of this state folder owns some of it, that
   * one runs the job instead, and undefined says that the run has ended, or goes on there when the signal comes.
   */
  claim?(job: Job, trigger: Execution['trigger'], options: RunOptions, signal: AbortSignal): Promise<Claim | undefined>;
}

export interface Claim {
  release(): Promise<void>;
}
