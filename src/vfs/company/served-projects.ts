import { SingleFlight } from '../../base/abort.js';
import { every } from '../../base/clock.js';
import { Failure, isFailure } from '../../base/errors.js';
import type { ProjectId } from '../../base/ids.js';
import type { Log } from '../../base/log.js';
import { OncePer } from '../../base/once-per.js';
import type { Attributes, Awaitable, Context, KernelCache } from '../../fuse/filesystem.js';
import type { CompanyProjects } from '../../mirror/company/company-projects.js';
import type { CompanyProject, FolderLook } from '../../mirror/company/store.js';
import { countHandles } from '../file-handles.js';
import type { SharedMount } from '../options.js';
import type { ProjectFileSystem } from '../project-filesystem.js';

/** An open project, as one mount shows it. */
export interface OpenedProject {
  readonly fileSystem: ProjectFileSystem;
  /** Called when this mount no longer uses the project. */
  release(): void;
}

/** @throws Failure if the project cannot be opened: not permitted, in use by another process, … */
export type OpenProject = (project: CompanyProject, shared: SharedMount, signal: AbortSignal) => Promise<OpenedProject>;

export interface ServingOptions {
  readonly company: CompanyProjects;
  readonly open: OpenProject;
  /** Milliseconds after its last use for which a project stays open. */
  readonly idle: number;
  /** Default permission bits of a project's folder. */
  readonly mode: number;
  readonly log: Log;
}

interface Served extends OpenedProject {
  /** Count of open files and folders, and of pending operations. */
  users: number;
  /** Milliseconds, monotonic. */
  lastUse: number;
}

/** If more projects than this are open, a project is closed `SHORT_IDLE` milliseconds after its last use, … */
const MANY_PROJECTS = 6;
const SHORT_IDLE = 10_000;
/** … and above this number as soon as it is not in use: an open project takes about 16 MB. */
const MOST_PROJECTS = 10;
/** The longest time in milliseconds for which the kernel may cache names and attributes. */
const KERNEL_NAMES_MS = 60_000;
const LONGEST_LOOK = 15_000;

/**
 * The open projects of a company on one mount. A project is opened on first use and closed when it has been idle. The
 * kernel's cached names and attributes expire before a project is closed as idle, or within a minute if it is closed
 * early because many are open. So a closed project leaves nothing stale.
 */
export class ServedProjects {
  readonly #options: ServingOptions;
  readonly #served = new Map<ProjectId, Served>();
  readonly #opening = new SingleFlight<ProjectId, void>();
  readonly #refusals: OncePer;
  readonly #shared: Omit<SharedMount, 'numbering'>;
  readonly #endLooking: () => void;
  #kernel: KernelCache | undefined;
  #isClosed = false;

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#shared = { newHandle: countHandles(), timeout: Math.min(options.idle, KERNEL_NAMES_MS) / 1000 };
    const { clock } = options.company;
    this.#refusals = new OncePer(clock);
    this.#endLooking = every(clock, Math.min(options.idle / 2, LONGEST_LOOK), () => this.#closeIdle());
  }

  /** Seconds for which the kernel may cache names and attributes. */
  get timeout(): number {
    return this.#shared.timeout;
  }

  newHandle(): number {
    return this.#shared.newHandle();
  }

  mounted(kernel: KernelCache): void {
    this.#kernel = kernel;
    for (const { fileSystem } of this.#served.values()) fileSystem.mounted(kernel);
  }

  get(id: ProjectId): OpenedProject | undefined {
    return this.#served.get(id);
  }

  /** Runs an operation in a project. Opens the project if needed, and keeps it open until the operation is done. */
  use<T>(
    project: CompanyProject,
    context: Pick<Context, 'signal'>,
    work: (fileSystem: OpenedProject['fileSystem']) => Awaitable<T>,
  ): Awaitable<T> {
    const served = this.#served.get(project.id);
    if (served) return this.#during(served, work);
    return this.#open(project, context.signal).then((opened) => this.#during(opened, work));
  }

  /** Counts a file or folder as open: the project stays open … */
  opened(id: ProjectId): void {
    const served = this.#served.get(id);
    if (served) served.users++;
  }

  /** … until the file or folder is released. */
  released(id: ProjectId, release: (fileSystem: OpenedProject['fileSystem']) => void): void {
    const served = this.#served.get(id);
    if (!served) return;
    served.users--;
    served.lastUse = this.#now;
    release(served.fileSystem);
  }

  /** Resolves when the kernel has been notified of every change known at the time of the call. */
  async told(): Promise<void> {
    await Promise.all([...this.#served.values()].map(({ fileSystem }) => fileSystem.told()));
  }

  close(): void {
    this.#isClosed = true;
    this.#endLooking();
    for (const id of [...this.#served.keys()]) this.#close(id);
  }

  async #open(project: CompanyProject, signal: AbortSignal): Promise<Served> {
    const { company, log } = this.#options;
    const refusal = company.store.refusal(project.id, company.now);
    if (refusal) throw refusal;
    try {
      await this.#opening.run(project.id, (signal) => this.#serve(project, signal), signal);
    } catch (error) {
      if (!isFailure(error)) throw error;
      // The refusal is stored: otherwise each attempt would cost a refused call.
      if (error.httpStatus === 403 || error.code === 'gone') company.store.refuse(project.id, error, company.now);
      if (error.level !== 'debug')
        this.#refusals.run(`${project.id} ${error.code}`, () =>
          log.warn({ project: project.name }, `the project cannot be opened: ${error.line}`),
        );
      throw error;
    }
    const served = this.#served.get(project.id);
    if (!served) throw new Failure('interrupted');
    return served;
  }

  async #serve(project: CompanyProject, signal: AbortSignal): Promise<void> {
    const { numbers } = this.#options.company.store;
    const shared: SharedMount = {
      ...this.#shared,
      numbering: {
        number: (inode) => numbers.number(project.id, inode),
        inode: (number) => numbers.inode(number),
      },
    };
    const opened = await this.#options.open(project, shared, signal);
    if (this.#isClosed || signal.aborted) {
      opened.release();
      throw new Failure('interrupted');
    }
    this.#options.company.store.forgive(project.id);
    if (this.#kernel) opened.fileSystem.mounted(this.#kernel);
    this.#served.set(project.id, { ...opened, users: 0, lastUse: this.#now });
    this.#closeIdle();
  }

  /** Closes projects that have been idle too long; if many are open, the least recently used ones first. */
  #closeIdle(): void {
    const now = this.#now;
    const idle = [...this.#served].filter(([, { users }]) => users === 0).sort(([, a], [, b]) => a.lastUse - b.lastUse);
    let open = this.#served.size;
    for (const [id, { lastUse }] of idle) {
      const limit =
        open > MOST_PROJECTS ? 0 : open > MANY_PROJECTS ? Math.min(this.#options.idle, SHORT_IDLE) : this.#options.idle;
      if (now - lastUse < limit) break;
      this.#close(id);
      open--;
    }
  }

  #close(id: ProjectId): void {
    const served = this.#served.get(id)!;
    this.#served.delete(id);
    const { company, log } = this.#options;
    try {
      if (company.store.get(id)) company.store.remember(id, this.#lookOf(served.fileSystem.rootEntry.attributes));
    } catch (error) {
      // The previously remembered attributes stay in use.
      log.warn({ error }, 'how a project looks could not be noted');
    }
    if (this.#isClosed) served.fileSystem.destroy();
    else
      served.fileSystem.leave().catch((error: unknown) => this.#options.log.error({ error }, 'a project was not left'));
    served.release();
  }

  #lookOf({ mtime, ctime, mode }: Attributes): FolderLook {
    const bits = mode & 0o7777;
    return { mtime, ctime, mode: bits === this.#options.mode ? undefined : bits };
  }

  #during<T>(served: Served, work: (fileSystem: OpenedProject['fileSystem']) => Awaitable<T>): Awaitable<T> {
    served.lastUse = this.#now;
    const result = work(served.fileSystem);
    if (!(result instanceof Promise)) return result;
    served.users++;
    return result.finally(() => {
      served.users--;
      served.lastUse = this.#now;
    });
  }

  get #now(): number {
    return this.#options.company.clock.monotonic();
  }
}
