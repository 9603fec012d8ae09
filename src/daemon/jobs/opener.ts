import { dirname, join } from 'node:path';
import { Failure, isFailure } from '../../base/errors.js';
import type { Log } from '../../base/log.js';
import type { OptionValues } from '../../base/options.js';
import { Connections } from '../../connections/store.js';
import type { Job } from '../../jobs/definition/job-schema.js';
import type { SideReference } from '../../jobs/definition/transfer-schema.js';
import type { Claim, Opener, SideRequest } from '../../jobs/opener.js';
import type { Place } from '../../jobs/overlap.js';
import { ProcoreSide } from '../../jobs/sides/procore-side.js';
import type { ProjectAccess } from '../../jobs/sides/project-tree.js';
import { AbsentSide, type Side, TargetSide } from '../../jobs/sides/side.js';
import type { Execution, RunOptions } from '../../jobs/store/job-store.js';
import { openConnection } from '../../targets/connection.js';
import type { Target } from '../../targets/target.js';
import { askDaemon } from '../control.js';
import { Owned, Project, type ProjectOptions, projectKey } from '../project.js';
import { openProjectSession } from '../session.js';
import type { StateFolder } from '../state-folder.js';
import { concerns, type End, endOf, placeOf } from './places.js';

export interface OpenerOptions {
  readonly state: StateFolder;
  readonly options: OptionValues;
  readonly projectOptions: ProjectOptions;
  /** The project that this process owns anyway. */
  readonly own?: Project;
  readonly log: Log;
}

/** A project that somebody uses; without a key it is the process's own. */
interface Held {
  readonly key: string | undefined;
  readonly project: Project;
}

/** Opens the ends of transfers for the engine: projects that this process owns or can own, and targets. */
export class JobOpener implements Opener {
  readonly #o: OpenerOptions;
  readonly #connections: Connections;
  /** Projects that are owned for as long as runs need them. */
  readonly #opened = new Map<string, { readonly project: Promise<Project>; users: number; started: boolean }>();

  constructor(options: OpenerOptions) {
    this.#o = options;
    this.#connections = new Connections(options.state.path);
  }

  place(reference: SideReference): Promise<Place> {
    return placeOf(this.#connections, reference);
  }

  async open(reference: SideReference, request: SideRequest): Promise<Side> {
    const end = endOf(this.#connections, reference);
    if (end.kind === 'project') return this.#openProject(end, request);
    try {
      return new TargetSide(await this.#openTarget(end, request));
    } catch (error) {
      if (request.emptyIfMissing !== true || !isFailure(error, 'target-missing')) throw error;
      return this.#openAbsent(end, request);
    }
  }

  /** The rules of a folder that is to be made are those of what it will lie in. */
  async #openAbsent(end: End & { kind: 'target' }, request: SideRequest): Promise<Side> {
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
      return new AbsentSide(await this.#openTarget(above, request));
    } catch (error) {
      if (!isFailure(error, 'target-missing')) throw error;
      return this.#openAbsent(above, request);
    }
  }

  #openTarget(end: End & { kind: 'target' }, { create, mayWrite, signal }: SideRequest): Promise<Target> {
    return openConnection(this.#connections, end.connection, {
      path: end.path,
      create,
      mayWrite,
      stagingFolder: this.#o.state.jobs('staging'),
      signal,
    });
  }

  /** A copy out of the project that this process owns anyway: the mirror counts what changes. */
  sourceState(job: Job): string | undefined {
    const { own } = this.#o;
    const { transfer } = job;
    if (!own || transfer.transfer_type !== 'copy' || !concerns(this.#connections, transfer.source, own.session))
      return undefined;
    if (endOf(this.#connections, transfer.destination).kind === 'project') return undefined;
    return own.mirror.state === 'ready' ? `${own.mirror.store.changes} ${JSON.stringify(transfer)}` : undefined;
  }

  /** Costs no call: nothing begins in a project yet. */
  async claim(job: Job, trigger: Execution['trigger'], options: RunOptions): Promise<Claim | undefined> {
    const held: Held[] = [];
    const release = async (): Promise<void> => {
      for (const one of held.splice(0)) await this.#release(one);
    };
    try {
      for (const reference of [job.transfer.source, job.transfer.destination]) {
        const end = endOf(this.#connections, reference);
        if (end.kind === 'project') held.push(await this.#project(end));
      }
      return { release };
    } catch (error) {
      await release();
      if (!(error instanceof Owned) || error.pid === undefined) throw error;
      const mount = this.#o.state.mounts().find(({ pid }) => pid === error.pid);
      if (!mount) throw new Failure('already-owned', { pid: error.pid }, error);
      await askDaemon(mount.socket, 'run-job', { id: job.id, trigger, options });
      return undefined;
    }
  }

  async #openProject(end: End & { kind: 'project' }, request: SideRequest): Promise<Side> {
    const held = await this.#project(end);
    const { project } = held;
    try {
      await project.mirror.open(request.signal);
      // What this process owns anyway has begun; the others begin here.
      const opened = held.key === undefined ? undefined : this.#opened.get(held.key);
      if (opened && !opened.started) {
        opened.started = true;
        project.start();
      }
    } catch (error) {
      await this.#release(held);
      throw error;
    }
    const { job, jobName, whenSpent, locks } = request;
    const side = new ProcoreSide(accessOf(project), {
      job,
      jobName,
      whenSpent,
      locks,
      path: end.source.folder,
      // Nobody waits for a scheduled run.
      lastPollIsEnough: whenSpent === 'fail',
    });
    side.close = () => this.#release(held);
    return side;
  }

  async #project(end: End & { kind: 'project' }): Promise<Held> {
    const { state, options, projectOptions, own, log } = this.#o;
    const session = await openProjectSession(state, end.source, options, log);
    const key = projectKey(session);
    if (own && key === projectKey(own.session)) {
      await session.close();
      return { key: undefined, project: own };
    }
    let opened = this.#opened.get(key);
    if (opened) await session.close();
    else {
      opened = { project: Project.open(session, state, projectOptions, log), users: 0, started: false };
      this.#opened.set(key, opened);
    }
    opened.users++;
    try {
      return { key, project: await opened.project };
    } catch (error) {
      this.#opened.delete(key);
      await session.close();
      throw error;
    }
  }

  async #release({ key, project }: Held): Promise<void> {
    if (key === undefined) return;
    const opened = this.#opened.get(key);
    if (!opened || --opened.users > 0) return;
    this.#opened.delete(key);
    await project.close();
    await project.session.close();
  }
}

/** What a side of a transfer needs of a project. */
export const accessOf = ({ mirror, content, session }: Project): ProjectAccess => {
  const { client, writes, uploads, budget } = session.session;
  const { account, name } = session.connection;
  return {
    mirror,
    content,
    client,
    writes,
    uploads,
    budget,
    project: session.project.id,
    name: `${name}:${session.project.name}`,
    account: [account?.login, account?.name].filter((text) => text !== undefined),
  };
};

/** Where a state folder keeps its jobs. */
export const jobsDatabasePath = (state: StateFolder): string => join(state.jobs(), 'jobs.db');
