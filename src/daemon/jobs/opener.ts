import { dirname, join } from 'node:path';
import { Failure, isFailure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import { Connections, requireEnabled } from '../../connections/store.js';
import { openConnection } from '../../endpoints/connection.js';
import type { Target } from '../../endpoints/target.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import type { EndpointReference } from '../../jobs/definition/transfer-schema.js';
import { AbsentEndpoint, type Endpoint, TargetEndpoint } from '../../jobs/endpoint.js';
import type { Claim, EndpointRequest, Opener } from '../../jobs/opener.js';
import type { EndpointLocation } from '../../jobs/overlap.js';
import type { Execution } from '../../jobs/store/executions.js';
import type { RunOptions } from '../../jobs/store/job-store.js';
import { ProcoreEndpoint } from '../../project/endpoint/procore-endpoint.js';
import type { ProjectAccess } from '../../project/endpoint/project-tree.js';
import { Owned, type Project } from '../../project/project.js';
import type { Lease, Projects } from '../../project/projects.js';
import type { StateFolder } from '../../project/state-folder.js';
import { askDaemon } from '../control.js';
import { concerns, type End, endOf, locationOf } from './places.js';

export interface OpenerOptions {
  readonly state: StateFolder;
  readonly projects: Projects;
  readonly log: Log;
}

/** Opens the endpoints of transfers for the engine: projects that this process owns or can own, and targets. */
export class JobOpener implements Opener {
  readonly #options: OpenerOptions;
  readonly #connections: Connections;

  constructor(options: OpenerOptions) {
    this.#options = options;
    this.#connections = new Connections(options.state.path);
  }

  place(reference: EndpointReference): Promise<EndpointLocation> {
    return locationOf(this.#connections, reference);
  }

  async open(reference: EndpointReference, request: EndpointRequest): Promise<Endpoint> {
    const end = endOf(this.#connections, reference);
    if (end.kind === 'project') return this.#openProject(end, request);
    try {
      return new TargetEndpoint(await this.#openTarget(end, request));
    } catch (error) {
      if (request.emptyIfMissing !== true || !isFailure(error, 'target-missing')) throw error;
      return this.#openAbsent(end, request);
    }
  }

  /** A missing target folder has the rules of the nearest existing folder above it. */
  async #openAbsent(end: End & { kind: 'target' }, request: EndpointRequest): Promise<Endpoint> {
    const names = end.path.split('/').filter((name) => name !== '');
    const isFolder = end.connection.uri.startsWith('/');
    const { uri } = end.connection;
    if (names.length === 0 && (!isFolder || uri === '/'))
      throw new Failure('target-missing', { target: uri, path: '/' });
    const above =
      names.length > 0
        ? { ...end, path: names.slice(0, -1).join('/') }
        : { ...end, connection: { ...end.connection, uri: dirname(uri) } };
    try {
      return new AbsentEndpoint(await this.#openTarget(above, { ...request, mountedAt: undefined }));
    } catch (error) {
      if (!isFailure(error, 'target-missing')) throw error;
      return this.#openAbsent(above, request);
    }
  }

  #openTarget(
    end: End & { kind: 'target' },
    { create, mayWrite, mountedAt, signal }: EndpointRequest,
  ): Promise<Target> {
    return openConnection(this.#connections, end.connection, {
      path: end.path,
      create,
      mayWrite,
      mountedAt,
      signal,
    });
  }

  /** For a copy out of a project that is open here: a value that changes when the project or the transfer does. */
  sourceState(job: Job): string | undefined {
    const { transfer } = job;
    if (transfer.transfer_type !== 'copy') return undefined;
    const own = this.#options.projects.all.find(({ session }) => concerns(this.#connections, transfer.source, session));
    if (!own || endOf(this.#connections, transfer.destination).kind === 'project') return undefined;
    const { state, store } = own.mirror;
    return state === 'ready' ? `${own.openedAt} ${store.changes} ${JSON.stringify(transfer)}` : undefined;
  }

  /** Makes the projects that are open here poll as often as the job runs. */
  looksEvery(job: Job, seconds: number): void {
    const { transfer_type: type, source, destination } = job.transfer;
    const looked = type === 'sync' ? [source, destination] : [source];
    for (const { session, mirror } of this.#options.projects.all)
      if (looked.some((end) => concerns(this.#connections, end, session))) mirror.looksEvery(job.id, seconds);
  }

  /** Makes no API call: the projects are acquired, but not opened. */
  async claim(
    job: Job,
    trigger: Execution['trigger'],
    options: RunOptions,
    signal: AbortSignal,
  ): Promise<Claim | undefined> {
    const held: Lease[] = [];
    const release = async (): Promise<void> => {
      for (const one of held.splice(0)) await one.release();
    };
    try {
      const ends = [job.transfer.source, job.transfer.destination].map((one) => endOf(this.#connections, one));
      for (const { connection } of ends) requireEnabled(connection);
      for (const end of ends) {
        if (end.kind === 'project') held.push(await this.#options.projects.acquire(end.source));
      }
      return { release };
    } catch (error) {
      await release();
      if (!(error instanceof Owned) || error.pid === undefined) throw error;
      const mount = this.#options.state.mounts().find(({ pid }) => pid === error.pid);
      if (!mount) throw new Failure('already-owned', { pid: error.pid }, error);
      try {
        await askDaemon(mount.socket, 'run-job', { id: job.id, trigger, options }, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      return undefined;
    }
  }

  async #openProject(end: End & { kind: 'project' }, request: EndpointRequest): Promise<Endpoint> {
    const lease = await this.#options.projects.acquire(end.source);
    try {
      await lease.open(request.signal);
      lease.start();
    } catch (error) {
      await lease.release();
      throw error;
    }
    const { job, jobName, whenSpent, locks, uploads } = request;
    const endpoint = new ProcoreEndpoint(accessOf(lease.project), {
      job,
      jobName,
      whenSpent,
      locks,
      uploads,
      path: end.source.folder,
      // Scheduled runs (`fail`) need no fresh poll, as no user waits for them.
      lastPollIsEnough: whenSpent === 'fail',
    });
    endpoint.close = () => lease.release();
    return endpoint;
  }
}

/** What an endpoint of a transfer needs of a project. */
export const accessOf = ({ mirror, content, session, outbox, ownWork, removals }: Project): ProjectAccess => {
  const { client, writes, uploads, budget } = session.session;
  const { account, name } = session.connection;
  return {
    mirror,
    content,
    client,
    writes,
    uploads,
    ownWork,
    late: outbox.late,
    removals,
    budget,
    project: session.project.id,
    clock: outbox.clock,
    name: `${name}:${session.project.name}`,
    account: [account?.login, account?.name].filter((text) => text !== undefined),
  };
};

/** The path of the jobs database of a state folder. */
export const jobsDatabasePath = (state: StateFolder): string => join(state.jobs(), 'jobs.db');
