import { systemClock } from '../base/clock.js';
import { Failure } from '../base/errors.js';
import { inOrder } from '../base/in-order.js';
import type { Log } from '../base/log.js';
import type { OptionValues } from '../base/options.js';
import { Connections } from '../connections/store.js';
import { type CompanyHome, companyKey } from '../project/company-home.js';
import { type Project, projectKey } from '../project/project.js';
import type { Lease, Projects } from '../project/projects.js';
import { parseSource } from '../project/source.js';
import type { StateFolder } from '../project/state-folder.js';
import { type ControlMethods, ControlServer } from './control.js';
import { CopyOuts } from './jobs/copy-out.js';
import { type Jobs, openJobs } from './jobs/open.js';
import {
  companyParts,
  type MountedProject,
  type MountedView,
  type MountRequest,
  showCompany,
  showProject,
} from './mounted-view.js';
import { Mounts } from './mounts.js';

/** Milliseconds that a daemon may take to shut down. */
export const SHUTDOWN_LIMIT_MS = 90_000;
/** Milliseconds of these for uploading what is in the outboxes. */
const DRAIN_LIMIT_MS = 60_000;

/** What a daemon owns for its whole life: a project, or a company. */
export type Home =
  | { readonly kind: 'project'; readonly lease: Lease }
  | { readonly kind: 'company'; readonly company: CompanyHome };

export interface DaemonOptions {
  readonly state: StateFolder;
  readonly options: OptionValues;
  readonly projects: Projects;
  readonly home: Home;
  /** The control methods at the socket of a project, or of the company. */
  readonly methods: (daemon: Daemon, project: Project | undefined) => ControlMethods;
  /** Path of the log, for the records of the mounts. */
  readonly logPath: string;
  readonly log: Log;
}

/**
 * The process that serves mounts. It has the projects that it owns, their mounts, the jobs of the state folder if no
 * other process runs them, and a control socket for each project.
 */
export class Daemon {
  readonly mounts: Mounts;
  readonly jobs: Jobs;
  readonly connections: Connections;
  readonly #options: DaemonOptions;
  readonly #copyOuts: CopyOuts;
  #control: ControlServer | undefined;
  readonly #asked = new Map<Promise<unknown>, readonly Project[]>();
  readonly #hurry = new AbortController();
  #ending: Promise<void> | undefined;

  constructor(options: DaemonOptions) {
    const { state, projects, log } = options;
    this.#options = options;
    this.connections = new Connections(state.path);
    this.mounts = new Mounts(log);
    this.mounts.onEnded = (mountpoint) => state.removeMount(mountpoint);
    this.jobs = openJobs({ state, options: options.options, projects, log });
    this.#copyOuts = new CopyOuts(this.jobs.engine, this.connections);
  }

  get projects(): Projects {
    return this.#options.projects;
  }

  /** The projects that `drain` and `uploads` apply to if no mount is named. */
  get parts(): readonly MountedProject[] {
    const { home } = this.#options;
    if (home.kind === 'project') return this.mounts.parts;
    const parts = companyParts(home.company);
    const known = new Set(parts.map(({ project }) => project));
    return [...parts, ...this.mounts.parts.filter(({ project }) => !known.has(project))];
  }

  /** Resolves when the first mount answers; the rest continues in the background. If aborted, everything is undone. */
  async begin(mount: MountRequest, signal: AbortSignal): Promise<void> {
    const { home, log, state, projects } = this.#options;
    try {
      if (home.kind === 'project') await home.lease.open(signal);
      await projects.whenOpen(async (project) => {
        const path = state.socket(projectKey(project.session));
        const control = await ControlServer.open(path, this.#options.methods(this, project), log);
        return () => control.close();
      });
      if (home.kind === 'company')
        this.#control = await ControlServer.open(this.#socket, this.#options.methods(this, undefined), log);
      await this.addMount(mount, signal);
      signal.throwIfAborted();
    } catch (error) {
      await this.end('it could not start');
      throw error;
    }
    if (home.kind === 'project') home.lease.start();
    else
      home.company
        .goOn()
        .catch((error: unknown) => log.error({ error }, 'what waits in the projects of the company does not go on'));
    this.jobs.start();
  }

  async addMount(request: MountRequest, signal?: AbortSignal): Promise<void> {
    if (this.#ending) throw new Failure('daemon-ending');
    await this.mounts.add(request, async () => {
      const shown = await this.#show(request, signal);
      try {
        await this.#copyOuts.check(request, shown.project?.session);
        signal?.throwIfAborted();
        return shown;
      } catch (error) {
        await shown.release();
        throw error;
      }
    });
    try {
      this.#options.state.writeMount({
        mountpoint: request.mountpoint,
        source: request.source,
        pid: process.pid,
        since: systemClock.now(),
        socket: this.#socket,
        log: this.#options.logPath,
      });
    } catch (error) {
      // Without a record other processes cannot find the mount.
      await this.mounts.unmount(request.mountpoint, true);
      throw error;
    }
    const project = this.mounts.get(request.mountpoint).shown.project;
    if (!project) return;
    const same = this.mounts.all.filter(({ shown }) => shown.project === project);
    this.#copyOuts.apply(
      same.map((live) => live.request),
      project.session,
    );
  }

  /**
   * Runs work on projects for a caller that waits with its own time-out. The daemon does not end before it is done, and
   * does not drain these projects again. `work` gets a signal that is aborted when the daemon must end at once.
   */
  async whileAsked<T>(projects: readonly Project[], work: (hurry: AbortSignal) => Promise<T>): Promise<T> {
    const running = work(this.#hurry.signal);
    this.#asked.set(running, projects);
    try {
      return await running;
    } finally {
      this.#asked.delete(running);
    }
  }

  /** Ends everything in order; once. `isUrgent`: also aborts the work that callers wait for. */
  end(why: string, isUrgent = false): Promise<void> {
    if (isUrgent) this.#hurry.abort(new Failure('interrupted'));
    this.#ending ??= this.#end(why);
    return this.#ending;
  }

  get #socket(): string {
    const { home, state } = this.#options;
    return state.socket(
      home.kind === 'project' ? projectKey(home.lease.project.session) : companyKey(home.company.connection),
    );
  }

  async #show(request: MountRequest, signal: AbortSignal | undefined): Promise<MountedView> {
    const { home, projects, log } = this.#options;
    if (request.company) {
      if (home.kind === 'company') return showCompany(home.company, request, log);
      throw new Failure('usage', { what: `the daemon has no company for ${request.source}` });
    }
    const lease = await projects.acquire(parseSource(request.source));
    try {
      await lease.open(signal);
      const shown = await showProject(lease, request, log, signal);
      // The daemon's own project is started once its first mount answers.
      if (home.kind === 'company' || lease.project !== home.lease.project) lease.start();
      return shown;
    } catch (error) {
      await lease.release();
      throw error;
    }
  }

  async #end(why: string): Promise<void> {
    const { projects, home, log } = this.#options;
    log.info({ why }, 'the daemon ends');
    const limited = (): AbortController => {
      const over = new AbortController();
      const exit = (): void => process.exit(1);
      systemClock.sleep(SHUTDOWN_LIMIT_MS, over.signal).then(exit, () => undefined);
      return over;
    };
    let limit = limited();
    // If one step fails, the others must still run, above all the upload of pending changes.
    await this.jobs.close().catch((error: unknown) => log.error({ error }, 'the jobs did not end cleanly'));
    await this.mounts.close().catch((error: unknown) => log.error({ error }, 'unmounting failed'));
    limit.abort();
    const waitedFor = await this.#whatWasAsked();
    limit = limited();
    const drained = projects.all
      .filter((project) => !waitedFor.has(project))
      .map(({ scheduler }) => scheduler.drain(AbortSignal.timeout(DRAIN_LIMIT_MS), { isPatient: false }));
    await Promise.all(drained).then(
      (left) => left.flat().length > 0 && log.warn({ left: left.flat().length }, 'changes are left for the next mount'),
      (error: unknown) => log.warn({ error }, 'changes are left for the next mount'),
    );
    await inOrder(
      () => this.#control?.close(),
      () => (home.kind === 'company' ? home.company.close() : undefined),
      () => projects.close(),
    ).catch((error: unknown) => log.error({ error }, 'what was open did not end cleanly'));
    limit.abort();
  }

  /** Waits for the work of `whileAsked`. Returns the projects for which it succeeded. */
  async #whatWasAsked(): Promise<Set<Project>> {
    const asked = [...this.#asked];
    const ends = await Promise.allSettled(asked.map(([running]) => running));
    if (this.#hurry.signal.aborted) return new Set();
    return new Set(asked.flatMap(([, projects], n) => (ends[n]!.status === 'fulfilled' ? projects : [])));
  }
}
